"""Calls on the model, short enough to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reference import Inet, Parked, Process, Refused, System

HERE = Inet("127.0.0.1", 5000)
THERE = Inet("127.0.0.1", 6000)
SECOND = 1_000_000_000


class Calls:
    """A process whose calls are methods; a refusal is given as its errno, a parked call as itself."""

    def __init__(self, process: Process | None = None) -> None:
        """Begin in a process of a fresh system, or in this one."""
        self.process = process or System().process()
        self.system = self.process.system

    def __call__(self, op: str, **args: Any) -> Any:
        """Make a call; give its fields, its errno, or the parked call."""
        return outcome(self.process.call(op, args))

    def new(self, domain: str = "inet", kind: str = "stream", **args: Any) -> int:
        """Make a socket."""
        number: int = self("socket", domain=domain, type=kind, **args)["sock"]
        return number

    def listening(self, backlog: int = 4, at: Inet = HERE) -> int:
        """Make a TCP socket that listens."""
        listener = self.new()
        self("bind", sock=listener, addr=at)
        self("listen", sock=listener, backlog=backlog)
        return listener

    def connected(self, at: Inet = HERE) -> tuple[int, int, int]:
        """Make a listener, a client and the socket that was accepted for it."""
        listener, client = self.listening(at=at), self.new()
        self("connect", sock=client, addr=at)
        return listener, client, self("accept", sock=listener)["sock"]


def outcome(result: Mapping[str, Any] | Refused | Parked) -> Any:
    """Give the errno of a refusal, and anything else as it is."""
    return result.errno if isinstance(result, Refused) else result


def ended(parked: Any) -> Any:
    """Give the outcome of a call that was parked and has ended."""
    assert isinstance(parked, Parked)
    assert parked.outcome is not None, parked.waits_for
    return outcome(parked.outcome)
