"""What was seen, in order: the only thing a verdict is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from grader.model.outcomes import Outcome
from grader.model.values import Address, Plain


@dataclass(frozen=True, slots=True)
class Issued:
    """A call was handed to an actor; `args` as resolved, sockets as descriptors."""

    step: str
    call: int
    actor: str
    op: str
    args: Mapping[str, Plain]
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Returned:
    """The call ended."""

    call: int
    outcome: Outcome
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class SeenBlocked:
    """The step's call was seen blocked; `after` is how many nested steps had run by then."""

    step: str
    call: int
    after: int
    evidence: str
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """A step ended with this outcome.

    `early` is None, or the number of nested steps that had run when a call came back that had to wait
    for its release. `tries` counts the calls of an `eventually`.
    """

    step: str
    outcome: Outcome
    early: int | None = None
    tries: int = 1


Event: TypeAlias = Issued | Returned | SeenBlocked | Done


@dataclass(frozen=True, slots=True)
class History:
    """All that was seen of one case: the addresses it was given, the events, and how it closed.

    `complete` is true if the engine came to the end of its rules (the last step, or a step that left
    nothing to go on with). `stdout` is the tail of what the student's code printed. `fault` is our own
    trouble, if any.
    """

    case: str
    target: str
    digest: str = ""
    addresses: Mapping[str, Address] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    complete: bool = False
    unsupported: str = ""
    fault: str = ""
    fault_cause: str = "harness"
    stdout: str = ""
    seconds: float = 0.0
    isolation: str = ""
