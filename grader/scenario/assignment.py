"""Assignment files to nouns: read key by key along tables, every complaint at its own place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from grader.model.assignments import Assignment, Exchange, LeftOut, Limits, Place
from grader.model.marks import Mark
from grader.ops import DOMAINS, TYPES
from grader.scenario.atoms import integer, items, mapping, seconds, text, word
from grader.scenario.complaints import Notes, did_you_mean, shown, wrong
from grader.scenario.load import shown_path
from grader.scenario.programs import Reader, Target, at_most, fields, target, texts
from grader.scenario.read import Mapping as MappingNode
from grader.scenario.read import Node, Scalar, Sequence, kind_of, read
from grader.scenario.words import SLUG, SUITE

REPLIES = ("same", "upper", "prefix", "text", "table")
FRAMINGS = ("raw", "line", "nul", "fixed", "close")
LATER = ("rubric", "visibility", "late", "repeats")  # read by who gives points; here they are let through
_SIZE = re.compile(r"([0-9]{1,9})(B|KiB|MiB|GiB)")
_UNITS = {"B": 0, "KiB": 10, "MiB": 20, "GiB": 30}


def read_assignment(path: Path, suites: Path) -> Assignment:
    """Read an assignment file.

    Args:
        path: The file.
        suites: The folder of the suites, in which those that it names must be.

    Raises:
        ScenarioError: it is wrong; carries every complaint.
    """
    name = shown_path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise wrong(Mark(name, 1, 1), f"the file cannot be read: {error.strerror}", code="syntax") from None
    notes = Notes()
    root = read(content, name)
    found = fields(root, "an assignment", _ASSIGNMENT, notes, ("assignment", "title", "target", "suites"))
    _look_across(found, suites, notes)
    notes.finish()
    return _assignment(root, found)


def _assignment(root: Node, found: dict[str, Any]) -> Assignment:
    asked: Target = found["target"]
    return Assignment(
        found["assignment"],
        found["title"],
        root.mark,
        target=asked.kind,
        program=asked.program,
        exchange=found.get("exchange"),
        place=found.get("address", Place()),
        suites=found["suites"],
        without=found.get("without", ()),
        limits=found.get("limits", Limits()),
    )


def _look_across(found: dict[str, Any], suites: Path, notes: Notes) -> None:
    """See that the parts of an assignment go together."""
    for name, mark in found.get("suites", ()):
        if not (suites / name).is_dir() and not (suites / f"{name}.yaml").is_file():
            notes.say(mark, f"there is no suite {shown(name)}", did_you_mean(name, _suites_in(suites)))
    asked: Target = found.get("target", Target(""))
    domain = found.get("address", Place()).domain
    absent = ("port", "host") if domain == "unix" else ("path",)
    for role, words in asked.program.run.items() if asked.program else ():
        for name in absent:
            if any(f"{{{name}}}" in word for word in words):
                notes.say(asked.marks[role], f"an address of domain {domain} has no {name}, and '{role}' is given it")


def _suites_in(folder: Path) -> list[str]:
    found = [path.relative_to(folder).with_suffix("") for path in folder.rglob("*.yaml")]
    return sorted({str(part) for path in found for part in (path, *path.parents)} - {"."})


# -- the exchange and the address ---------------------------------------------------------------------


def _exchange(node: Node, notes: Notes) -> Exchange:
    found = fields(node, "an exchange", _EXCHANGE, notes)
    reply, parts = found.get("reply", ("same", {}))
    framing, size = found.get("framing", ("raw", 0))
    return Exchange(reply, framing, size=size, **parts)


def _reply(node: Node, notes: Notes) -> tuple[str, dict[str, Any]]:
    if isinstance(node, Scalar):
        return word(node, REPLIES[:2], "a reply: same, upper, {prefix: ...}, {text: ...} or {table: {...}}"), {}
    kind, value = _one_of(node, REPLIES[2:], "a reply")
    if kind != "table":
        return kind, {"text": _ascii(text(value), value.mark)}
    form = mapping(value, "{request: reply}")
    if not form.items:
        raise wrong(form.mark, "the table of replies is empty")
    rows = []
    for request, reply in form.items.items():
        with notes.catching():
            rows.append((_ascii(request, form.marks[request]), _ascii(text(reply), reply.mark)))
    return kind, {"table": tuple(rows)}


def _framing(node: Node, _notes: Notes) -> tuple[str, int]:
    if isinstance(node, Scalar):
        plain = tuple(name for name in FRAMINGS if name != "fixed")
        return word(node, plain, "a framing: raw, line, nul, close or {fixed: N}"), 0
    kind, value = _one_of(node, ("fixed",), "a framing")
    return kind, integer(value, 1)


def _one_of(node: Node, keys: tuple[str, ...], what: str) -> tuple[str, Node]:
    form = mapping(node, what)
    if len(form.items) != 1 or next(iter(form.items)) not in keys:
        raise wrong(form.mark, f"{what} has exactly one of {', '.join(keys)}")
    return next(iter(form.items.items()))


def _ascii(plain: str, mark: Mark) -> bytes:
    if not plain.isascii():
        raise wrong(mark, f"data is ASCII, and {shown(plain)} is not", code="L6")
    return plain.encode("ascii")


def _address(node: Node, notes: Notes) -> Place:
    found = fields(node, "an address", _ADDRESS, notes)
    place = Place(**found)
    marks = node.marks if isinstance(node, MappingNode) else {}
    for key, domains in (("port", ("inet", "inet6")), ("path", ("unix",))):
        if key in found and place.domain not in domains:
            notes.say(marks[key], f"an address of domain {place.domain} has no {key}")
    return place


def _path(node: Node, _notes: Notes) -> str:
    path = text(node, "a path")
    if path.startswith("/") or ".." in Path(path).parts or not path:
        raise wrong(node.mark, f"{shown(path)} is not below the program's folder", "a relative path")
    return path


# -- the cases and the limits ---------------------------------------------------------------------------


def _suites(node: Node, notes: Notes) -> tuple[tuple[str, Mark], ...]:
    found = []
    for item in items(node, "a list of suites"):
        with notes.catching():
            found.append((_matching(item, SUITE, "the name of a suite"), item.mark))
    if isinstance(node, Sequence) and not node.items:
        raise wrong(node.mark, "an assignment names at least one suite")
    return tuple(found)


def _without(node: Node, notes: Notes) -> tuple[LeftOut, ...]:
    found = []
    for item in items(node, "a list of {cases, reason}"):
        with notes.catching():
            parts = fields(item, "what is left out", _LEFT_OUT, notes, ("cases", "reason"))
            if len(parts) == len(_LEFT_OUT):
                found.append(LeftOut(parts["cases"], parts["reason"], item.mark))
    return tuple(found)


def _size(node: Node, _notes: Notes) -> int:
    match = _SIZE.fullmatch(node.value) if isinstance(node, Scalar) and isinstance(node.value, str) else None
    if match is None:
        raise wrong(node.mark, f"{kind_of(node)} is not a size", "such as 512MiB or 64KiB")
    return int(match[1]) << _UNITS[match[2]]


def _limits(node: Node, notes: Notes) -> Limits:
    found = fields(node, "the limits", _LIMITS, notes)
    return Limits(**{_LIMIT_FIELDS.get(key, key): value for key, value in found.items()})


def _matching(node: Node, pattern: re.Pattern[str], what: str) -> str:
    found = text(node, what)
    if not pattern.fullmatch(found):
        raise wrong(node.mark, f"{shown(found)} is not {what}", "a-z, 0-9 and -")
    return found


def _sentence(node: Node, _notes: Notes) -> str:
    found = text(node)
    if not found.strip():
        raise wrong(node.mark, "expected text, and it is empty")
    return found


def _unread(_node: Node, _notes: Notes) -> None:
    """Let a key through that is read elsewhere."""


_EXCHANGE: dict[str, Reader] = {"reply": _reply, "framing": _framing}
_ADDRESS: dict[str, Reader] = {
    "domain": lambda node, _: word(node, DOMAINS, "a domain"),
    "type": lambda node, _: word(node, TYPES, "a type"),
    "port": lambda node, _: at_most(node, 1, 65535, "a port"),
    "path": _path,
}
_LEFT_OUT: dict[str, Reader] = {"cases": texts, "reason": _sentence}
_LIMITS: dict[str, Reader] = {
    **dict.fromkeys(("wall", "scenario", "cpu"), lambda node, _: seconds(node)),
    **dict.fromkeys(("memory", "output"), _size),
    **dict.fromkeys(("processes", "files"), lambda node, _: integer(node, 1)),
}
_LIMIT_FIELDS = {
    **{name: f"{name}_s" for name in ("wall", "scenario", "cpu")},
    **{name: f"{name}_bytes" for name in ("memory", "output")},
}
_ASSIGNMENT: dict[str, Reader] = {
    "assignment": lambda node, _: _matching(node, SLUG, "an id"),
    "title": _sentence,
    "target": target,
    "address": _address,
    "exchange": _exchange,
    "suites": _suites,
    "without": _without,
    "limits": _limits,
    **dict.fromkeys(LATER, _unread),
}
