"""What was seen, in order: the only thing a verdict is made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from grader.model.outcomes import Outcome
from grader.model.values import Address, Plain


class Issued(NamedTuple):
    """A call was handed to an actor; `args` as resolved, sockets as descriptors."""

    step: str
    call: int
    actor: str
    op: str
    args: Mapping[str, Plain]
    at_ns: int = 0


class Returned(NamedTuple):
    """The call ended."""

    call: int
    outcome: Outcome
    at_ns: int = 0


class SeenBlocked(NamedTuple):
    """The step's call was seen blocked; `after` is how many nested steps had run by then."""

    step: str
    call: int
    after: int
    evidence: str
    at_ns: int = 0


class Done(NamedTuple):
    """A step ended with this outcome.

    `early` is None, or the number of nested steps that had run when a call came back that had to wait
    for its release. `tries` counts the calls of an `eventually`.
    """

    step: str
    outcome: Outcome
    early: int | None = None
    tries: int = 1


Event: TypeAlias = Issued | Returned | SeenBlocked | Done


_NO_ADDRESSES: Mapping[str, Address] = {}


class History(NamedTuple):
    """All that was seen of one case: the addresses it was given, the events, and how it closed.

    `complete` is true if the engine came to the end of its rules (the last step, or a step that left
    nothing to go on with). Times are those of the session's clock, virtual where a model is asked: `at_ns`
    of the events, and `seconds` from the first step to the last. `stdout` is the tail of what the student's
    code printed. `fault` is our own trouble, if any.
    """

    case: str
    target: str
    digest: str = ""
    addresses: Mapping[str, Address] = _NO_ADDRESSES
    events: tuple[Event, ...] = ()
    complete: bool = False
    unsupported: str = ""
    fault: str = ""
    fault_cause: str = "harness"
    stdout: str = ""
    seconds: float = 0.0
    isolation: str = ""
