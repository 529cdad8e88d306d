"""Text to a tree of nodes with positions: YAML, narrowed until a file means what it looks like.

YAML 1.1 reads `on` as true, `22:22` as 1342 and `010` as 8, lets the last of two equal keys win, and can
grow without bound through anchors. Here `true` and `false` are the booleans, integers are decimal or hex,
floats have digits on both sides, `null` and `~` are nothing, and all else is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import yaml

from grader.model.errors import ScenarioError
from grader.model.marks import Mark
from grader.scenario.complaints import LONGEST_SHOWN, Notes, shown, wrong

MOST_BYTES = 1 << 20
DEEPEST = 48  # levels of nesting; a scenario with nested steps needs about 15

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Atom: TypeAlias = "None | bool | int | float | str"


class Scalar(NamedTuple):
    """A single value."""

    mark: Mark
    value: Atom


class Sequence(NamedTuple):
    """A list of nodes."""

    mark: Mark
    items: tuple[Node, ...]


class Mapping(NamedTuple):
    """Named nodes, in the order of the file; `marks` says where each key stands."""

    mark: Mark
    items: dict[str, Node]
    marks: dict[str, Mark]


Node: TypeAlias = Scalar | Sequence | Mapping

_WORDS: dict[str, Atom] = {"true": True, "false": False, "null": None, "~": None, "": None}
_MAYBE_NUMBER = re.compile(r"[-+.]?[0-9.]")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*|0x[0-9a-fA-F]+)")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+([eE][-+]?[0-9]+)?")
_REFUSED = (
    # what other YAML readers take for something else than it looks like
    (re.compile(r"[-+]?0[0-9]+"), "a number with a leading zero is octal elsewhere"),
    (re.compile(r"[-+]?0o[0-7]*"), "octal numbers are not part of the language"),
    (re.compile(r"[-+]?0b[01]*"), "binary numbers are not part of the language"),
    (re.compile(r"[-+]?0x[0-9a-fA-F_]*_[0-9a-fA-F_]*|[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?"), "a number has no `_`"),
    (re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?"), "this is a number in base 60 elsewhere"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?"), "this is a date elsewhere"),
    (re.compile(r"[-+]?\.(inf|Inf|INF|nan|NaN|NAN)"), "infinity and not-a-number are not part of the language"),
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|\r(?!\n)")
_IDENTIFIER = re.compile("[a-z_]+")  # what no reading of YAML takes for anything but text, `_WORDS` apart
_QUOTE = "put it in quotes if text is meant"


def has_libyaml() -> bool:
    """Say whether files are parsed by libyaml; pure Python takes ten times as long."""
    return _LOADER is not yaml.SafeLoader


def read(content: bytes, file: str) -> Node:
    """Read one document into its tree.

    Args:
        content: The bytes of the file.
        file: Its name, as complaints shall show it.

    Raises:
        ScenarioError: the content is not one document of narrowed YAML; carries every complaint.
    """
    text = _decode(content, file)
    tree = _Tree(file)
    try:
        root = tree.document(iter(_LOADER(text).get_event, None))
    except yaml.YAMLError as error:
        tree.notes.say(_place_of(error, file), f"not YAML: {_reason_of(error)}", code="syntax")
        root = None
    except ScenarioError as error:
        tree.notes.take(error.complaints)
        root = None
    tree.notes.finish()
    if root is None:
        raise wrong(Mark(file, 1, 1), "the file is empty", "expected a mapping that begins with `format: 1`", "syntax")
    return root


def _decode(content: bytes, file: str) -> str:
    start = Mark(file, 1, 1)
    if len(content) > MOST_BYTES:
        raise wrong(start, f"the file has {len(content)} bytes; at most {MOST_BYTES} are read", code="syntax")
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        raise wrong(start, "the file begins with a byte order mark", "save it as UTF-8 without one", "syntax")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _position(content[: error.start].decode("utf-8", "replace"), file)
        byte = content[error.start]
        raise wrong(place, f"byte 0x{byte:02x} is not UTF-8", "save the file as UTF-8", "syntax") from None
    bad = _CONTROL.search(text)
    if bad:
        place = _position(text[: bad.start()], file)
        raise wrong(place, f"control character U+{ord(bad[0]):04X}", "bytes of data are written {hex: …}", "syntax")
    return text


def _position(before: str, file: str) -> Mark:
    return Mark(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _place_of(error: yaml.YAMLError, file: str) -> Mark:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return Mark(file, mark.line + 1, mark.column + 1) if mark else Mark(file, 1, 1)


def _reason_of(error: yaml.YAMLError) -> str:
    parts = (getattr(error, "context", None), getattr(error, "problem", None) or getattr(error, "reason", None))
    return ", ".join(" ".join(str(part).split()) for part in parts if part) or "it cannot be read"


class _Tree:
    """Builds the tree from parser events; goes on after a complaint where the events still make sense."""

    def __init__(self, file: str) -> None:
        self.notes = Notes()
        self._file = file

    def document(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self._say(event, "a file holds one document, and here a second one begins")
                    return root
                if event.version or event.tags:
                    self._say(event, "YAML directives are not part of the language")
            elif not isinstance(event, (yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentEndEvent)):
                root = self._node(event, events, 0)
        return root

    def _say(self, event: Any, text: str, hint: str = "") -> None:
        self.notes.say(self._mark(event), text, hint, "syntax")

    def _mark(self, event: Any) -> Mark:
        mark = event.start_mark
        return Mark(self._file, mark.line + 1, mark.column + 1)

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        if depth > DEEPEST:
            raise wrong(self._mark(event), f"nested more than {DEEPEST} levels deep", code="syntax")
        if _is_bare(event):
            return Scalar(self._mark(event), event.value if event.style else self._plain(event))  # nearly always
        if isinstance(event, yaml.AliasEvent):
            self._say(event, f"alias `*{shown(event.anchor)[1:-1]}`: aliases are not part of the language")
            return Scalar(self._mark(event), None)
        if event.anchor is not None:
            name = shown(event.anchor)[1:-1]
            self._say(event, f"anchor `&{name}`: anchors are not part of the language", "use `vars`")
        if event.tag is not None:
            self._say(event, f"tag `{shown(event.tag)[1:-1]}`: tags are not part of the language")
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(self._mark(event), event.value if event.style else self._plain(event))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, events, depth + 1)
        return self._mapping(event, events, depth + 1)

    def _sequence(self, start: Any, events: Iterator[Any], depth: int) -> Sequence:
        items: list[Node] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._node(event, events, depth))
        return Sequence(self._mark(start), tuple(items))

    def _mapping(self, start: Any, events: Iterator[Any], depth: int) -> Mapping:
        items: dict[str, Node] = {}
        marks: dict[str, Mark] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, events, depth)
            value = self._node(next(events), events, depth)
            if key in items:
                self._say(event, f"key {shown(key)} is given twice", f"first at line {marks[key].line}")
            elif key is not None:
                items[key], marks[key] = value, self._mark(event)
        return Mapping(self._mark(start), items, marks)

    def _key(self, event: Any, events: Iterator[Any], depth: int) -> str | None:
        if _is_bare(event) and _IDENTIFIER.fullmatch(event.value) and event.value not in _WORDS and depth <= DEEPEST:
            return str(event.value)  # nearly always
        if isinstance(event, yaml.ScalarEvent) and not event.style and event.value == "<<":
            self._say(event, "merge key `<<`: merging is not part of the language", "use a fragment")
            return None
        node = self._node(event, events, depth)
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return node.value
        if not isinstance(event, yaml.AliasEvent):
            self._say(event, f"a key is a name, not {kind_of(node)}")
        return None

    def _plain(self, event: Any) -> Atom:
        text: str = event.value
        if text in _WORDS:
            return _WORDS[text]
        if not _MAYBE_NUMBER.match(text):
            return text
        for pattern, reason in _REFUSED:
            if len(text) <= LONGEST_SHOWN and pattern.fullmatch(text):
                self._say(event, f"`{shown(text)[1:-1]}`: {reason}", _QUOTE)
                return text
        if _INTEGER.fullmatch(text):
            return self._integer(event, text)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if number - number != 0.0:  # infinity: the digits say more than a float holds
                self._say(event, f"`{shown(text)[1:-1]}` is too large")
            return number
        return text

    def _integer(self, event: Any, text: str) -> int:
        number = int(text, 0) if len(text) <= 24 else 1 << 64
        if not -(1 << 63) <= number < 1 << 64:
            self._say(event, f"`{shown(text)[1:-1]}` does not fit in 64 bits", _QUOTE)
            return 0
        return number


def _is_bare(event: Any) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.anchor is None and event.tag is None


def kind_of(node: Node) -> str:
    """Give what a node is, as a complaint names it."""
    if isinstance(node, Scalar):
        return shown(node.value)
    return "a list" if isinstance(node, Sequence) else "a mapping"
