"""What a receive of one message gives, the same for UDP and AF_UNIX."""

from __future__ import annotations

from reference.names import UNNAMED, Name
from reference.sockets import Fields


def one_message(data: bytes, sender: Name, size: int, flags: tuple[str, ...]) -> Fields:
    """Give the first `size` bytes of a message: the rest is lost, and MSG_TRUNC says so.

    As a flag of the call, MSG_TRUNC asks for the whole length. Source: POSIX.1-2024 recvmsg(); Linux recv(2).
    """
    is_cut = len(data) > size
    count = len(data) if "MSG_TRUNC" in flags else min(len(data), size)
    return {"data": data[:size], "count": count, "peer": sender, "flags": ("MSG_TRUNC",) if is_cut else ()}


def nothing() -> Fields:
    """Give what a receive finds where nothing can come any more."""
    return {"data": b"", "count": 0, "peer": UNNAMED, "flags": ()}
