"""Loads the implementation that a case is about: a student's module or library, or our own calls on the kernel."""

from __future__ import annotations

import importlib
import json
import marshal
import os
import resource
import signal
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import NamedTuple, NoReturn

from grader.agent.functions import Functions
from grader.agent.implementation import Implementation
from grader.agent.objects import ObjectsAsFunctions

_COMPILE_S = 5  # seconds of CPU time
_OURS = ("grader", "reference")
_INIT = "__init__.py"


class Package(NamedTuple):
    """The package that a submission is a file of: its name to Python, and where it lies."""

    name: str
    folder: str


class Refusal:
    """An import hook that keeps the judge and the model solution out of reach of submissions.

    The package that a submission belongs to is its own, whatever it is called: it is found where the submission
    lies and nowhere else. So a folder `reference` with an `__init__.py` gets its own files, and our model, graded
    as a submission, gets ours. The folder around the package is not searched: other submissions may lie in it.
    """

    def __init__(self, own: Package | None = None) -> None:
        """Refuse our packages; `own` is the submission's."""
        self._own = own

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the submission's own modules, refuse ours and leave every other name to the next finder."""
        del path, target  # `__path__` can be made to lead elsewhere; the name cannot
        top, *within = name.split(".")
        if self._own is not None and top == self._own.name:
            found = _spec_of(self._own) if not within else _find_in(os.path.join(self._own.folder, *within[:-1]), name)
            if found is not None:
                return found
        if top in _OURS:
            raise ModuleNotFoundError(f"{name} cannot be imported by a submission", name=name)
        return None


def _spec_of(package: Package) -> ModuleSpec | None:
    init = os.path.join(package.folder, _INIT)
    return spec_from_file_location(package.name, init, submodule_search_locations=[package.folder])


def _find_in(folder: str, name: str) -> ModuleSpec | None:
    return PathFinder.find_spec(name, [folder])


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
    if spec["kind"] == "library":
        library: Implementation = importlib.import_module("grader.agent.library").load(spec["path"], spec.get("prefix"))
        return library
    if spec["kind"] == "command":
        _become(json.loads(spec["command"]))
    _withdraw()
    module = _load_name(spec["name"]) if spec["kind"] == "name" else _load_file(spec["path"])
    return wrap(module)


def _become(command: list[str]) -> NoReturn:
    """Run a program in place of this process, with the signals as a program expects them."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606 - no shell is what we want


def wrap(module: ModuleType) -> Implementation:
    """Give the implementation that a module is, in whichever of the two shapes it has.

    A class `socket` means the shape of the standard library; anything else, functions on descriptors.
    """
    shape = ObjectsAsFunctions(module) if isinstance(getattr(module, "socket", None), type) else module
    return Functions(shape, constants=module)


def _withdraw() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]


def _load_name(name: str) -> ModuleType:
    sys.meta_path.insert(0, Refusal())
    return importlib.import_module(name)


def _load_file(path: str) -> ModuleType:
    folder, file = os.path.split(path)
    stem = os.path.splitext(file)[0]
    package, inner = _package_of(folder)
    sys.meta_path.insert(0, Refusal(package))
    sys.path.insert(0, folder)  # also of a package: there may be an `__init__.py` of which nobody thinks
    if package is None:
        return _execute(_not_standard(stem), path)
    around = importlib.import_module(".".join((package.name, *inner)))
    if file == _INIT:
        return around
    name = f"{around.__name__}.{stem}"
    module = sys.modules.get(name) or _execute(name, path)  # the package may import it by itself
    setattr(around, stem, module)
    return module


def _package_of(folder: str) -> tuple[Package | None, list[str]]:
    """Give the topmost package that a folder lies in, and the names that lead from there to the folder."""
    names: list[str] = []
    while os.path.isfile(os.path.join(folder, _INIT)) and os.path.basename(folder).isidentifier():
        folder, name = os.path.split(folder)
        names.insert(0, name)
    if not names:
        return None, []
    top, *inner = names
    return Package(_not_standard(top), os.path.join(folder, top)), inner


def _not_standard(name: str) -> str:
    """Give a name for what is called so: a `socket` must not stand in for that of the standard library."""
    return f"submission_{name}" if name in sys.stdlib_module_names or name in sys.modules else name


def _execute(name: str, path: str) -> ModuleType:
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{os.path.basename(path)} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    if path in _compiled:
        exec(marshal.loads(_compiled[path]), module.__dict__)  # noqa: S102, S302 - compiled by us from that file
    else:
        spec.loader.exec_module(module)
    return module
