"""Messages with descriptors between an owner and its keeper, over sockets of whole messages."""

from __future__ import annotations

import array
import json
import socket
from collections.abc import Sequence
from typing import Any

_MESSAGE_BYTES = 1 << 16
_DESCRIPTORS = 250  # the kernel passes at most 253 at a time
_INT_BYTES = array.array("i").itemsize


def send(sock: socket.socket, message: bytes, descriptors: Sequence[int] = ()) -> None:
    """Send one message; the receiver gets descriptors of its own.

    Raises:
        OSError: nobody will receive it.
    """
    socket.send_fds(sock, [message], descriptors)


def receive(sock: socket.socket) -> tuple[bytes, list[int]]:
    """Take one message, empty at the end; no program that is executed inherits its descriptors.

    socket.recv_fds() cannot do that: it takes flags and forgets them (CPython, at least up to 3.14).

    Raises:
        OSError: it does not come in time, or the other end is gone.
    """
    space = socket.CMSG_SPACE(_DESCRIPTORS * _INT_BYTES)
    message, ancillary, _, _ = sock.recvmsg(_MESSAGE_BYTES, space, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for _, _, content in ancillary:
        descriptors.frombytes(content[: len(content) - len(content) % _INT_BYTES])
    return message, list(descriptors)


def encode(message: dict[str, Any]) -> bytes:
    """Give the bytes of a message of words and numbers."""
    return json.dumps(message).encode()


def decode(message: bytes) -> dict[str, Any]:
    """Give the message of these bytes."""
    decoded: dict[str, Any] = json.loads(message)
    return decoded
