"""Lets the kernel's TCP send what it was given, before the other end looks for it.

On loopback a segment arrives before the call that sent it returns. But a small one may be held back until the one
before it is acknowledged, and an acknowledgment until there is something to send with it: then nothing happens for
40 ms. Source: RFC 9293 3.7.4, 3.8.6.3 (Nagle algorithm, delayed acknowledgments); Linux tcp(7).
"""

from __future__ import annotations

import fcntl
import struct
import time

SIOCOUTQNSD = 0x894B  # bytes that were written and not sent. Source: Linux include/uapi/linux/sockios.h
_AT_MOST_S = 0.25  # acknowledgments wait 0.2 s at most; what is held back longer has another reason


def wait_until_sent(descriptor: int) -> None:
    """Return when nothing is held back on a socket; on one that is not TCP's, at once."""
    until = time.monotonic() + _AT_MOST_S
    while _held_back(descriptor) and time.monotonic() < until:
        pass


def _held_back(descriptor: int) -> bool:
    try:
        answer = fcntl.ioctl(descriptor, SIOCOUTQNSD, struct.pack("i", 0))
    except OSError:  # another protocol, no connection, or no socket at all
        return False
    return bool(struct.unpack("i", answer)[0])
