"""The kernel's sockets by raw libc calls, with nothing added and nothing hidden."""

from __future__ import annotations

import ctypes
import errno
import threading
from collections.abc import Mapping

from grader.agent.raw import Arguments, Calls, bound, declare, hold_signals, raised_signals
from grader.agent.structures import Fields

__all__ = ["CALLS", "Kernel", "hold_signals", "raised_signals"]

CALLS = bound(Calls(declare(ctypes.CDLL(None, use_errno=True))))


class Kernel:
    """The kernel as an implementation that the agent can run: wire forms in, wire forms out."""

    ops = frozenset(CALLS)
    missing: Mapping[str, str] = {}
    features = frozenset({"raw-calls", "sigpipe", "closed-descriptors", "processes", "threads"})

    def __init__(self) -> None:
        """Hold SIGPIPE back in each thread that calls, from its first call on."""
        self._thread = threading.local()

    def call(self, op: str, args: Arguments) -> Fields:
        """Make one call; gives `ok`, or `err` and perhaps the `signals` that it raised."""
        if not hasattr(self._thread, "held"):
            self._thread.held = hold_signals()
        try:
            return {"ok": CALLS[op](args)}
        except OSError as error:
            number = error.errno or 0
            answer: Fields = {"err": {"name": errno.errorcode.get(number, f"E#{number}"), "number": number}}
            signals = raised_signals() if number == errno.EPIPE else ()
            return {**answer, "signals": list(signals)} if signals else answer
        except (KeyError, TypeError, ValueError, ctypes.ArgumentError) as error:
            return {"unsupported": f"{op}({dict(args)}) cannot be made: {error!r}"}
