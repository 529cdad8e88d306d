"""Histories as JSON Lines and back: the one file from which every verdict can be made again.

The first line is a header, the last a footer; between them each case has a line for its beginning, a
line for each event and a line for its end. A file without its footer was cut short, and is refused.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from grader.model import histories, outcomes, values
from grader.model.errors import UsageError
from grader.model.histories import Event, History

FORMAT = 1
_NOUNS: dict[str, Any] = {
    noun.__name__: noun
    for noun in (
        *(histories.Issued, histories.Returned, histories.SeenBlocked, histories.Done),
        *(outcomes.Succeeded, outcomes.Failed, outcomes.Raised, outcomes.Ended, outcomes.Pending),
        *(outcomes.Unoffered, outcomes.Broken, values.InetAddress, values.UnixAddress),
    )
}


class Recorder:
    """Writes the histories of one run to a file, each as soon as it is there."""

    def __init__(self, file: TextIO, target: str, version: str) -> None:
        """Write the header."""
        self._file = file
        self._cases = 0
        self._line({"t": "header", "format": FORMAT, "target": target, "sockgrade": version})

    def add(self, history: History) -> None:
        """Write one history."""
        plain = {name: encode(value) for name, value in history._asdict().items() if name != "events"}
        begin = ("case", "target", "digest", "addresses", "isolation")
        self._line({"t": "begin", **{name: plain.pop(name) for name in begin}})
        for event in history.events:
            self._line(encode(event))
        self._line({"t": "end", **plain})
        self._cases += 1

    def close(self) -> None:
        """Write the footer: only now is the file whole."""
        self._line({"t": "footer", "cases": self._cases})

    def _line(self, plain: Any) -> None:
        # Keys stay in their order: arguments and fields are shown in it, the main one first.
        self._file.write(json.dumps(plain, separators=(",", ":")) + "\n")


def encode(value: Any) -> Any:
    """Give the JSON form of a noun or a plain value."""
    kind = type(value).__name__
    if kind in _NOUNS:
        return {"t": kind, **{name: encode(getattr(value, name)) for name in value.__match_args__}}
    if isinstance(value, bytes):
        return {"t": "bytes", "b64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if hasattr(value, "items") and "t" in value:  # a name of the scenario may be our own word for a kind
        return {"t": "map", "pairs": [[name, encode(item)] for name, item in value.items()]}
    if hasattr(value, "items"):
        return {name: encode(item) for name, item in value.items()}
    return value


def decode(plain: Any) -> Any:
    """Read the JSON form back.

    Raises:
        UsageError: it names a noun that does not exist, or gives one wrong fields.
    """
    if isinstance(plain, list):
        return tuple(decode(item) for item in plain)
    if not isinstance(plain, dict):
        return plain
    kind = plain.get("t")
    if kind is None:
        return {name: decode(item) for name, item in plain.items()}
    if kind == "bytes":
        return base64.b64decode(plain["b64"])
    if kind == "map":
        return {name: decode(item) for name, item in plain["pairs"]}
    if kind not in _NOUNS:
        raise UsageError(f"a history holds no {kind!r}")
    try:
        return _NOUNS[kind](**{name: decode(item) for name, item in plain.items() if name != "t"})
    except TypeError as error:
        raise UsageError(f"a {kind} of a history has other fields: {error}") from error


def read(path: Path) -> Iterator[History]:
    """Give the histories of a file, in order.

    Raises:
        UsageError: the file is not a whole history file; says where and why.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: cannot be read as a history: {reason}") from error
    begun: dict[str, Any] = {}
    events: list[Event] = []
    seen = 0
    kind = ""
    for number, line in enumerate(lines, 1):
        plain = _parse(path, number, line)
        kind = plain["t"]
        if number == 1 and (kind != "header" or plain.get("format") != FORMAT):
            raise UsageError(f"{path}:1: not a history of format {FORMAT}: its first line is {line[:80]!r}")
        try:
            if kind == "begin":
                begun, events = plain, []
            elif kind == "end":
                seen += 1
                yield _history(begun, plain, tuple(events))
            elif kind == "footer" and plain.get("cases") != seen:
                raise UsageError(f"it says {plain.get('cases')} cases and holds {seen}")
            elif kind not in {"header", "footer"}:
                events.append(_event(plain))
        except (UsageError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"{path}:{number}: {error}") from error
    if kind != "footer":
        raise UsageError(f"{path}: the history was cut short: its footer is missing")


def _event(plain: dict[str, Any]) -> Event:
    event = decode(plain)
    if not isinstance(event, Event):
        raise UsageError(f"a {plain['t']} is no event")
    return event


def _parse(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}:{number}: not a line of JSON: {error}") from error
    if not isinstance(plain, dict) or not isinstance(plain.get("t"), str):
        raise UsageError(f"{path}:{number}: not a line of a history: {line[:80]!r}")
    return plain


def _history(begin: dict[str, Any], end: dict[str, Any], events: tuple[Event, ...]) -> History:
    fields = {name: decode(value) for name, value in {**begin, **end}.items() if name != "t"}
    return History(**fields, events=events)
