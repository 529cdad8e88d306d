"""Nodes to bytes: text, and the five forms for what text cannot say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from pathlib import Path

from grader.model.marks import Mark
from grader.model.values import Concat, Ref
from grader.scenario.atoms import integer, items, known_keys, mapping, text
from grader.scenario.complaints import shown, wrong
from grader.scenario.read import Mapping, Node, Scalar
from grader.scenario.scopes import Scope, Source, is_open_reference, is_reference

DATA_KEYS = ("hex", "repeat", "random", "file", "concat")


def data(node: Node, scope: Scope) -> bytes | Ref | Concat:
    """Read bytes, of which a part may be known only in a run.

    Raises:
        ScenarioError: the node is no data.
    """
    node, scope = scope.follow(node)
    if isinstance(node, Scalar):
        if isinstance(node.value, str) and is_reference(node.value):
            return scope.reference(node)
        return _ascii(node)
    form = mapping(node, "data")
    kinds = [key for key in form.items if key in DATA_KEYS]
    if len(kinds) != 1:
        raise wrong(form.mark, "data is text or has exactly one of " + ", ".join(DATA_KEYS))
    return _DATA_FORMS[kinds[0]](form, scope)


def _ascii(node: Scalar) -> bytes:
    plain = text(node, "data")
    if not plain.isascii():
        bad = next(letter for letter in plain if not letter.isascii())
        raise wrong(node.mark, f"data is ASCII, and {bad!r} is not", "write its bytes as {hex: …}", "L6")
    return plain.encode("ascii")


def _hex(form: Mapping, scope: Scope) -> bytes:
    known_keys(form, ("hex",), "data")
    digits = text(form.items["hex"], "hex digits in quotes")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise wrong(form.items["hex"].mark, f"{shown(digits)} is not pairs of hex digits") from None


def nearby(name: str, source: Source, mark: Mark) -> Path:
    """Give the file that a scenario file names, relative to itself.

    Raises:
        ScenarioError: it is no regular file, or outside the folder that is being loaded.
    """
    try:
        path = (source.path.parent / name).resolve()
        inside = not Path(name).is_absolute() and path.is_relative_to(source.root)
        if inside and path.is_file():
            return path
    except (OSError, ValueError):  # a NUL, or a name too long
        inside = True
    reason = "there is no such file" if inside else "it is outside the suites"
    raise wrong(mark, f"file {shown(name)} cannot be read: {reason}", "paths are relative to this file")


def _concat(form: Mapping, scope: Scope) -> bytes | Concat:
    known_keys(form, ("concat",), "data")
    parts = tuple(data(part, scope) for part in items(form.items["concat"], "a list of data"))
    whole = tuple(part for part in parts if isinstance(part, bytes))
    if len(whole) < len(parts):
        return Concat(parts)
    return _made(("concat", whole), sum(map(len, whole)), form.mark, scope, lambda: b"".join(whole))


def _repeat(form: Mapping, scope: Scope) -> bytes:
    known_keys(form, ("repeat", "count"), "data")
    if "count" not in form.items:
        raise wrong(form.mark, "'repeat' needs 'count'")
    unit = data(form.items["repeat"], scope)
    times, _ = scope.follow(form.items["count"])
    if scope.table.is_open and (not isinstance(unit, bytes) or is_open_reference(times, scope)):
        return b""
    if not isinstance(unit, bytes):
        raise wrong(form.items["repeat"].mark, "what is repeated must be known when the file is loaded")
    count = integer(times, 0)
    return _made(("repeat", unit, count), len(unit) * count, form.mark, scope, lambda: unit * count)


def _random(form: Mapping, scope: Scope) -> bytes:
    known_keys(form, ("random", "seed"), "data")
    if "seed" not in form.items:
        raise wrong(form.mark, "'random' needs 'seed'", "so that every run sends the same bytes")
    length, _ = scope.follow(form.items["random"])
    seed, _ = scope.follow(form.items["seed"])
    if is_open_reference(length, scope) or is_open_reference(seed, scope):
        return b""
    count, key = integer(length, 0), b"%d" % integer(seed)
    return _made(("random", key, count), count, form.mark, scope, lambda: hashlib.shake_128(key).digest(count))


def _file(form: Mapping, scope: Scope) -> bytes:
    known_keys(form, ("file",), "data")
    node = form.items["file"]
    path = nearby(text(node, "a path"), scope.source, node.mark)

    def content() -> bytes:
        found = scope.source.texts[path] = path.read_bytes()
        return found

    return _made(("file", path), path.stat().st_size, node.mark, scope, content)


def _made(key: Hashable, size: int, mark: Mark, scope: Scope, make: Callable[[], bytes]) -> bytes:
    """Make bytes once for all the cases of a file, and count them against what the file may ask for."""
    made = scope.table.allowance.made
    if key not in made:
        scope.table.allowance.charge(size, mark)
        made[key] = make()
    return made[key]


_DATA_FORMS: dict[str, Callable[[Mapping, Scope], bytes | Concat]] = {
    "hex": _hex,
    "repeat": _repeat,
    "random": _random,
    "file": _file,
    "concat": _concat,
}
