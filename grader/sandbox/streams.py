"""What a program prints, taken in without ever waiting, and kept up to a size."""

from __future__ import annotations

import os

_CHUNK = 1 << 16
_AT_ONCE = 16  # chunks: so that a program that never stops printing does not keep its owner here


class Stream:
    """The reading end of a pipe or of a terminal.

    `descriptor` is -1 after the end. `kept` is the tail, `taken_bytes` counts all.
    """

    def __init__(self, descriptor: int, limit_bytes: int) -> None:
        """Read from this descriptor, which is then ours; -1 for a stream that has ended."""
        self.descriptor = descriptor
        self.kept = b""
        self.taken_bytes = 0
        self._limit_bytes = limit_bytes
        self._given_bytes = 0
        if descriptor >= 0:
            os.set_blocking(descriptor, False)

    def take_in(self, *, until_end: bool = False) -> None:
        """Read what is there; `until_end` for a program that has ended: no more comes than is there."""
        for _ in range(_AT_ONCE * (64 if until_end else 1)):
            if self.descriptor < 0 or not self._read():
                return

    def take_new(self) -> bytes:
        """Give what has come since the last call, as far as it was kept."""
        new = self.taken_bytes - self._given_bytes
        self._given_bytes = self.taken_bytes
        return self.kept[-new:] if new else b""

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _read(self) -> bool:
        try:
            chunk = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: the last process has closed the terminal
            chunk = b""
        if not chunk:
            self.close()
            return False
        self.kept = (self.kept + chunk)[-self._limit_bytes :]
        self.taken_bytes += len(chunk)
        return True
