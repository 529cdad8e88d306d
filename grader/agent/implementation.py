"""What every implementation of sockets inside the agent offers, and how what it does becomes an answer."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Any, Protocol

_OUR_FOLDER = os.path.dirname(os.path.abspath(__file__))
_TEXT_LIMIT = 2000
_FRAMES = 8

_extract = traceback.extract_tb
_errorcode = dict(errno.errorcode)


class Implementation(Protocol):
    """Sockets as the agent calls them.

    `ops` are the socket operations it can carry out; `missing` says of an operation or feature why it is
    not there; `features` are those that depend on the implementation and not on the host.
    """

    @property
    def ops(self) -> Collection[str]:
        """The operations."""

    @property
    def missing(self) -> Mapping[str, str]:
        """Operation or feature to the reason why it is not there."""

    @property
    def features(self) -> Collection[str]:
        """The features."""

    def call(self, op: str, args: dict[str, Any]) -> dict[str, Any]:
        """Carry out one operation and give `ok`, `err`, `exc` or `unsupported`."""


class WrongResultError(Exception):
    """The student's code gave back something that the call never gives."""


class UnsupportedError(Exception):
    """The call cannot be made here, and that is nobody's mistake."""


def answer_of(perform: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run a call and give its answer, whatever it does; only SystemExit passes through.

    An OSError without a positive errno (a time-out, a failed name lookup, a refused path) is no failure of a
    socket call: it is reported as the exception it is.
    """
    try:
        return {"ok": perform()}
    except SystemExit:
        raise
    except UnsupportedError as error:
        return {"unsupported": str(error)}
    except WrongResultError as error:
        return {"exc": {"type": "wrong result", "text": str(error), "trace": ""}}
    except OSError as error:
        return _failure(error)
    except BaseException as error:  # noqa: BLE001 - whatever student code raises is an observation
        return {"exc": exception(error)}


def _failure(error: OSError) -> dict[str, Any]:
    number = error.errno
    if not isinstance(number, int) or number <= 0:
        return {"exc": exception(error)}
    return {"err": {"name": errno_name(number), "number": int(number)}}


def errno_name(number: int) -> str:
    """Give the symbol of an errno, or `E#n` if it has none."""
    return _errorcode.get(number, f"E#{number}")


def exception(error: BaseException) -> dict[str, str]:
    """Describe an exception: its type, its text, and where in the student's code it came from."""
    trace = _place(error) if isinstance(error, SyntaxError) else _trace(error.__traceback__)
    return {"type": type(error).__name__, "text": _text(error), "trace": trace}


def _place(error: SyntaxError) -> str:
    """Say where a file is not Python: nothing of it has run, so there is no trace."""
    return printable(f"{os.path.basename(error.filename or '')}:{error.lineno}: {(error.text or '').strip()}")


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - `__str__` is student code too
        text = "(its text cannot be shown)"
    return printable(text[:_TEXT_LIMIT])


def _trace(start: TracebackType | None) -> str:
    frames = [frame for frame in _extract(start, limit=-_FRAMES) if not frame.filename.startswith(_OUR_FOLDER)]
    lines = [
        f"{os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}: {frame.line or ''}"
        for frame in frames
        if not frame.filename.startswith("<frozen importlib")
    ]
    return printable("\n".join(lines)[-_TEXT_LIMIT:])


def printable(text: str) -> str:
    """Give the text with every lone surrogate spelled out, so that it can travel as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
