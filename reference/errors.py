"""How a call fails: as the program sees it, as the model says it, and where the model says nothing."""

from __future__ import annotations

from typing import NamedTuple


class Refused(NamedTuple):
    """A call has failed: the symbol of its errno, and the signals that it raised on the way."""

    errno: str
    signals: tuple[str, ...] = ()


class Error(Exception):
    """A rule refuses; it becomes a `Refused` where the call came in."""

    def __init__(self, errno: str, signals: tuple[str, ...] = ()) -> None:
        """Fail with this errno and these signals."""
        super().__init__(errno)
        self.errno = errno
        self.signals = signals


class NotModelledError(Exception):
    """The call has a form that the model does not imitate. It says so instead of guessing."""
