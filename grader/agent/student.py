"""Loads the implementation that a case is about: a student's module, or our own calls on the kernel."""

from __future__ import annotations

import importlib
import importlib.util
import marshal
import os
import resource
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn

from grader.agent.functions import Functions
from grader.agent.implementation import Implementation
from grader.agent.objects import ObjectsAsFunctions

_COMPILE_S = 5  # seconds of CPU time
_OURS = ("grader", "reference")


class Refusal:
    """An import hook that keeps the judge and the model solution out of reach of submissions."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Refuse our packages and leave every other name to the next finder."""
        del path, target
        if name.partition(".")[0] in _OURS:
            raise ModuleNotFoundError(f"{name} cannot be imported by a submission", name=name)
        return None


# path of a submission: its code, compiled once in the host's own child and inherited by every cell
_compiled: dict[str, bytes] = {}


def compile_aside(spec: dict[str, str]) -> None:
    """Compile a submission's file once for all cells; compiling runs none of it.

    A source that breaks the compiler, or keeps it busy, breaks a child and not this process; the cells then
    compile for themselves and say what is wrong with it.
    """
    if spec["kind"] != "file":
        return
    theirs, ours = os.pipe()
    pid = os.fork()
    if pid == 0:
        _compile_and_exit(spec["path"], ours)
    os.close(ours)
    with open(theirs, "rb") as pipe:
        code = pipe.read()
    if os.waitpid(pid, 0)[1] == 0:
        _compiled[spec["path"]] = code


def _compile_and_exit(path: str, pipe: int) -> NoReturn:
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (_COMPILE_S, _COMPILE_S))
        with open(path, "rb") as source, open(pipe, "wb") as answer:
            marshal.dump(compile(source.read(), path, "exec", dont_inherit=True), answer)
        os._exit(0)
    finally:
        os._exit(1)


def load(spec: dict[str, str]) -> Implementation:
    """Load the implementation that the controller asks for; student code runs from here on."""
    if spec["kind"] == "kernel":
        kernel: Implementation = importlib.import_module("grader.agent.kernel").Kernel()
        return kernel
    _withdraw()
    module = importlib.import_module(spec["name"]) if spec["kind"] == "name" else _load_file(spec["path"])
    return wrap(module)


def wrap(module: ModuleType) -> Implementation:
    """Give the implementation that a module is, in whichever of the two shapes it has.

    A class `socket` means the shape of the standard library; anything else, functions on descriptors.
    """
    shape = ObjectsAsFunctions(module) if isinstance(getattr(module, "socket", None), type) else module
    return Functions(shape, constants=module)


def _withdraw() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]
    sys.meta_path.insert(0, Refusal())


def _load_file(path: str) -> ModuleType:
    sys.path.insert(0, os.path.dirname(path))
    stem = os.path.splitext(os.path.basename(path))[0]
    # A file called `socket.py` must not stand in for the standard library's module when others import that.
    name = f"submission_{stem}" if stem in sys.stdlib_module_names or stem in sys.modules else stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{os.path.basename(path)} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if path in _compiled:
        exec(marshal.loads(_compiled[path]), module.__dict__)  # noqa: S102, S302 - compiled by us from that file
    else:
        spec.loader.exec_module(module)
    return module
