"""The controller's end of the wire to an agent: values, calls and outcomes as lines of JSON.

What comes in was written in a process that runs student code, so it is decoded strictly: anything that the
agent would not have written is a `MalformedError`, with the reason in words.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from grader.model.outcomes import Failed, Outcome, Raised, Succeeded, Unoffered
from grader.model.values import Address, InetAddress, Plain, UnixAddress
from grader.ops import OPERATIONS, Kind

LINE_LIMIT = 1 << 20  # bytes
_DIGITS = 20  # of a 64-bit number, with its sign
_ANSWERS = frozenset({"ok", "err", "exc", "unsupported"})


class MalformedError(Exception):
    """A line is not one that the agent writes."""


def encode(message: Mapping[str, object]) -> bytes:
    """Give the line for a message, with its line feed."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Give the message of a line.

    Raises:
        MalformedError: it is not one JSON object in UTF-8, it has a key twice, a number that is not finite or
            too long, half a surrogate pair, or it is nested too deeply.
    """
    if len(line) > LINE_LIMIT:
        raise MalformedError(f"a line of {len(line)} bytes, more than {LINE_LIMIT}")
    try:
        message = _DECODER.decode(line.decode("utf-8"))
        if b"\\ud" in line.lower():
            json.dumps(message, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"not one line of JSON ({error})") from error
    if not isinstance(message, dict):
        raise MalformedError("JSON, but not an object")
    return message


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"the number {text} is not finite")


def _int(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError("a number is too long")
    return int(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_refuse, parse_int=_int)


def to_wire(value: Plain) -> object:
    """Give a plain value in the form that travels."""
    match value:
        case bytes():
            return {"b64": base64.b64encode(value).decode("ascii")}
        case InetAddress(ip, port, scope):
            return {"ip": ip, "port": port, "scope": scope}
        case UnixAddress(path, abstract):
            if path is not None:
                return {"path": path}
            return {} if abstract is None else {"abstract": abstract}
        case tuple():
            return [to_wire(item) for item in value]
        case _:
            return value


def from_wire(value: object) -> Plain:
    """Give the plain value that travelled.

    Raises:
        MalformedError: it has a form that no value has.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return tuple(from_wire(item) for item in value)
        case dict():
            return _bytes(value["b64"]) if value.keys() == {"b64"} else _address(value)
        case _:
            raise MalformedError(f"a value of type {type(value).__name__}")


def _bytes(text: object) -> bytes:
    try:
        return base64.b64decode(text, validate=True)  # type: ignore[arg-type]  # anything but text is a TypeError
    except (binascii.Error, TypeError, ValueError) as error:
        raise MalformedError(f"bytes that are not base64 ({error})") from error


def _address(value: dict[str, Any]) -> Address:
    match value:
        case {"ip": str(ip), "port": int(port), "scope": int(scope)} if len(value) == 3:
            return InetAddress(ip, port, scope)
        case {"ip": str(ip), "port": int(port)} if len(value) == 2:
            return InetAddress(ip, port)
        case {"path": str(path)} if len(value) == 1:
            return UnixAddress(path=path)
        case {"abstract": str(name)} if len(value) == 1:
            return UnixAddress(abstract=name)
        case {} if not value:
            return UnixAddress()
        case _:
            raise MalformedError(f"an address with the fields {sorted(value)}")


def to_outcome(op: str, message: Mapping[str, Any]) -> Outcome:
    """Give the outcome that a `ret` message speaks of, for a call of this operation.

    Raises:
        MalformedError: it has not exactly one answer, or the answer is not one that the operation gives.
    """
    answers = _ANSWERS & message.keys()
    signals = message.get("signals", [])
    if len(answers) != 1 or not isinstance(signals, list) or not all(isinstance(name, str) for name in signals):
        raise MalformedError(f"an answer with the fields {sorted(message)}")
    (kind,) = answers
    match kind, message[kind]:
        case "ok", dict(fields):
            return Succeeded(_fields(op, fields), tuple(signals))
        case "err", {"name": str(name), "number": int(number)}:
            return Failed(name, number, tuple(signals))
        case "exc", {"type": str(type_), "text": str(text), "trace": str(trace)}:
            return Raised(type_, text, trace)
        case "unsupported", str(reason):
            return Unoffered(reason)
        case _:
            raise MalformedError(f"an answer `{kind}` of another form")


def _fields(op: str, fields: dict[str, Any]) -> dict[str, Plain]:
    expected = {field.name: field.kind for field in OPERATIONS[op].fields}
    found = {name: from_wire(value) for name, value in fields.items()}
    if found.keys() != expected.keys():
        raise MalformedError(f"{op}() gives {sorted(expected)}, not {sorted(found)}")
    for name, value in found.items():
        if not _FITS.get(expected[name], _anything)(value):
            raise MalformedError(f"{op}() gave {value!r} as its {name}")
    return found


def _is_int(value: Plain) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _anything(value: Plain) -> bool:
    del value
    return True


_FITS: Mapping[Kind, Callable[[Plain], bool]] = {
    Kind.SOCK: _is_int,
    Kind.INT: _is_int,
    Kind.BOOL: lambda value: isinstance(value, bool),
    Kind.DATA: lambda value: isinstance(value, bytes),
    Kind.ADDR: lambda value: value is None or isinstance(value, (InetAddress, UnixAddress)),
    Kind.SET: lambda value: isinstance(value, tuple) and all(isinstance(word, str) for word in value),
    Kind.VALUE: lambda value: isinstance(value, (int, str)),
}
