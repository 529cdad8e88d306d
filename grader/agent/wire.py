"""The agent's end of the wire: one JSON object per line, bytes as `{"b64": ...}`.

Everything used at run time is taken hold of when this module is loaded, so that student code which
replaces `json.dumps` or `os.write` later changes nothing here.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

PROTOCOL = 1
LINE_LIMIT = 1 << 20  # bytes; more is refused by the other end
CLOSED_EXIT = 86  # says: a descriptor of ours was closed under us
_CHUNK = 1 << 16

_read, _write, _close, _exit, _lockf = os.read, os.write, os.close, os._exit, fcntl.lockf
_b64encode, _b64decode = base64.b64encode, base64.b64decode


def _bytes_out(value: object) -> object:
    if isinstance(value, (bytes, bytearray)):
        return {"b64": _b64encode(value).decode("ascii")}
    raise TypeError(f"{type(value).__name__} cannot travel")


def _bytes_in(value: dict[str, Any]) -> object:
    return _b64decode(value["b64"], validate=True) if value.keys() == {"b64"} else value


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_bytes_out).encode
_decode = json.JSONDecoder(object_hook=_bytes_in).decode


def encode(message: dict[str, Any]) -> bytes:
    """Give the line for a message, with its line feed."""
    return _encode(message).encode("ascii") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Give the message of a line that the controller wrote."""
    message: dict[str, Any] = _decode(line.decode("utf-8"))
    return message


class Channel:
    """The pipes to and from the controller, as seen by a cell or by a process forked from it.

    Lines of several threads are kept apart by a lock, those of several processes by a record lock on the
    pipe itself, which is taken only once there is a second process.
    """

    def __init__(self, commands: int, answers: int, nonce: str) -> None:
        """Take over the two descriptors and the mark that every line must carry."""
        self.commands = commands
        self._answers = answers
        self._nonce = nonce
        self._has_company = False
        self.lock = threading.Lock()

    def messages(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Give each message with its line, until the controller closes its end."""
        rest = b""
        while chunk := self._take():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield decode(line), line + b"\n"

    def send(self, message: dict[str, Any]) -> None:
        """Write one line; the process ends if the pipe is no longer there."""
        line = encode({"n": self._nonce, **message})
        with self.lock:
            try:
                self._put(line)
            except OSError as error:
                _exit(CLOSED_EXIT if error.errno == errno.EBADF else 0)

    def share(self) -> None:
        """Expect other processes to write on the same pipe from now on."""
        self._has_company = True

    def take_over(self, commands: int) -> None:
        """Read from another pipe, after a fork."""
        self.lock = threading.Lock()
        _close(self.commands)
        self.commands = commands

    def _take(self) -> bytes:
        try:
            return _read(self.commands, _CHUNK)
        except OSError:
            _exit(CLOSED_EXIT)

    def _put(self, line: bytes) -> None:
        if self._has_company:
            _lockf(self._answers, fcntl.LOCK_EX)
        try:
            while line:
                line = line[_write(self._answers, line) :]
        finally:
            if self._has_company:
                _lockf(self._answers, fcntl.LOCK_UN)
