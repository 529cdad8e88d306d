"""The program of an assignment file: how it is made, started and ended. And how mappings are read along tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from grader.model.assignments import PLACEHOLDERS, Program
from grader.model.marks import Mark
from grader.scenario.atoms import integer, items, mapping, text, word
from grader.scenario.complaints import Notes, did_you_mean, shown, wrong
from grader.scenario.read import Mapping as MappingNode
from grader.scenario.read import Node, Scalar, kind_of
from grader.scenario.words import NAME, SIGNALS

LANGUAGES = ("any", "c", "python")
READY = ("listen", "bound", "none")
_IN_BRACES = re.compile(r"\{([^{}]*)\}")
_SANITIZERS = ("address", "undefined", "thread", "leak")

Reader: TypeAlias = "Callable[[Node, Notes], Any]"  # what each gives is put into a noun whose fields are typed


class Target(NamedTuple):
    """What stands under `target`; `marks` says where the arguments of each role stand."""

    kind: str
    program: Program | None = None
    marks: Mapping[str, Mark] = {}


def fields(
    node: Node, what: str, readers: Mapping[str, Reader], notes: Notes, required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Read the keys of a mapping; what is wrong with one is noted and does not hide the next."""
    form = mapping(node, f"{what} as a mapping")
    for key, mark in form.marks.items():
        if key not in readers:
            notes.say(mark, f"unknown key {shown(key)} in {what}", did_you_mean(key, readers))
    found: dict[str, Any] = {}
    for key, reader in readers.items():
        if key in form.items:
            with notes.catching():
                found[key] = reader(form.items[key], notes)
        elif key in required:
            notes.say(form.mark, f"{what} needs '{key}'")
    return found


def target(node: Node, notes: Notes) -> Target:
    """Read what stands under `target`."""
    form = mapping(node, "the target as a mapping")
    kinds = [key for key in form.items if key in ("program", "module", "library")]
    if len(kinds) != 1 or len(form.items) != 1:
        strange = next((key for key in form.items if key not in kinds), None)
        hint = did_you_mean(strange, ("program", "module", "library"))
        raise wrong(form.mark, "a target is exactly one of program, module, library", hint)
    kind = kinds[0]
    if kind != "program":
        mapping(form.items[kind], f"the {kind} as a mapping")
        return Target(kind)
    found = fields(form.items[kind], "a program", _PROGRAM, notes, ("run",))
    run = found.pop("run", {})
    marks = {role: mark for role, (_, mark) in run.items()}
    roles = {role: words for role, (words, _) in run.items()}
    found["ends"] = found.pop("exit", {})
    ready = found.pop("ready", "listen" if "server" in roles else "none")
    return Target(kind, Program(roles, ready=ready, **found), marks)


def _run(node: Node, notes: Notes) -> dict[str, tuple[tuple[str, ...], Mark]]:
    form = mapping(node, "{role: [program, argument, ...]}")
    if not form.items:
        raise wrong(form.mark, "'run' names at least one role", "such as {server: [./server, '{port}']}")
    found = {}
    for role, value in form.items.items():
        if not NAME.fullmatch(role):
            notes.say(form.marks[role], f"{shown(role)} is not a name", "letters, digits and `_`, a letter first")
        with notes.catching():
            found[role] = (_command(value, PLACEHOLDERS), value.mark)
    return found


def _command(node: Node, placeholders: tuple[str, ...]) -> tuple[str, ...]:
    words = []
    for item in items(node, "a command as a list"):
        if isinstance(item, Scalar) and isinstance(item.value, int) and not isinstance(item.value, bool):
            words.append(str(item.value))
            continue
        words.append(text(item, "an argument"))
        for name in _IN_BRACES.findall(words[-1]):
            if name not in placeholders:
                hint = did_you_mean(name, placeholders)
                raise wrong(item.mark, f"nothing stands for {{{name}}} here", hint)
    if not words:
        raise wrong(node.mark, "a command names at least the program")
    return tuple(words)


def _build(node: Node, _notes: Notes) -> tuple[str, ...]:
    if isinstance(node, Scalar) and node.value == "make":
        return ("make",)
    if isinstance(node, Scalar):
        raise wrong(node.mark, f"{kind_of(node)} is no way to build", "`make`, or a command as a list")
    return _command(node, ("sources",))


def _ready(node: Node, _notes: Notes) -> str:
    """Read `listen`, `bound` or `none`, or `{listen: {port: "{port}"}}`, which says the same at greater length."""
    if not isinstance(node, MappingNode):
        return word(node, READY, "a way to be ready")
    if len(node.items) != 1 or next(iter(node.items)) not in READY[:2]:
        raise wrong(node.mark, "'ready' is listen, bound or none", 'or {listen: {port: "{port}"}}')
    how, where = next(iter(node.items.items()))
    for key, value in mapping(where, '{port: "{port}"}').items.items():
        if key not in ("port", "path") or text(value) != f"{{{key}}}":
            raise wrong(value.mark, "a program is ready at the address of its case", f'{{{how}: {{port: "{{port}}"}}}}')
    return how


def _texts_by_name(node: Node, notes: Notes) -> dict[str, str]:
    form = mapping(node, "a mapping of names to texts")
    found = {}
    for name, value in form.items.items():
        with notes.catching():
            found[name] = text(value)
    return found


def _files(node: Node, notes: Notes) -> dict[str, str]:
    found = _texts_by_name(node, notes)
    for name in found:
        if name.startswith("/") or ".." in Path(name).parts or not name:
            mark = node.marks[name] if isinstance(node, MappingNode) else node.mark
            notes.say(mark, f"the file {shown(name)} is outside of the program's folder")
    return found


def _ends(node: Node, notes: Notes) -> dict[str, int | str]:
    form = mapping(node, "{signal: how it ends the program}")
    found: dict[str, int | str] = {}
    for name, value in form.items.items():
        if name not in SIGNALS:
            notes.say(form.marks[name], f"{shown(name)} is not a signal", did_you_mean(name, SIGNALS))
        with notes.catching():
            if isinstance(value, Scalar) and isinstance(value.value, str):
                found[name] = word(value, ("signal", "any"), "an end: an exit status, `signal` or `any`")
            else:
                found[name] = at_most(value, 0, 255, "an exit status")
    return found


def at_most(node: Node, lowest: int, highest: int, what: str) -> int:
    """Read an integer between two others."""
    number = integer(node)
    if not lowest <= number <= highest:
        raise wrong(node.mark, f"{number} is not {what}", f"{lowest} to {highest}")
    return number


def texts(node: Node, notes: Notes) -> tuple[str, ...]:
    """Read a list of texts."""
    found = []
    for item in items(node, "a list of texts"):
        with notes.catching():
            found.append(text(item))
    return tuple(found)


def _sanitizers(node: Node, notes: Notes) -> tuple[str, ...]:
    found = []
    for item in items(node, "a list of sanitizers"):
        with notes.catching():
            found.append(word(item, _SANITIZERS, "a sanitizer"))
    return tuple(found)


_PROGRAM: dict[str, Reader] = {
    "language": lambda node, _: word(node, LANGUAGES, "a language"),
    "build": _build,
    "sources": texts,
    "run": _run,
    "ready": _ready,
    "files": _files,
    "stdin": lambda node, _: text(node),
    "environment": _texts_by_name,
    "sanitize": _sanitizers,
    "exit": _ends,
}
