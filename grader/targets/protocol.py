"""What the engine knows of a target: sessions that take calls and give events.

A target is opened once per worker; it gives one session per case. Nothing that a scenario expects
ever passes through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from grader.model.outcomes import Outcome
from grader.model.scenarios import ActorKind, Case
from grader.model.values import Address, Plain

# A deadline that passes while the testee is running is moved this often before we blame the host.
EXTENSIONS = 10
# What has burnt so much CPU time for one answer is looping, not starved: correct code needs a thousandth of it.
LOOPING_CPU_S = 0.5


@dataclass(frozen=True, slots=True)
class Profile:
    """What a target is and offers.

    `ops` are the names of the operations it has, `features` those of `grader.ops.FEATURES`; `missing`
    says for either why it is not there, in words for the report. `blocking` is the policy by which a
    blocked call is recognised: `kernel`, `userland`, `model`, or `deadline` where nothing can be seen.
    `errnos` are the target's own numbers where they differ from this host's. `isolation` is what each
    case is kept apart by, for the report.
    """

    name: str
    ops: frozenset[str]
    features: frozenset[str]
    missing: Mapping[str, str] = field(default_factory=dict)
    blocking: str = "kernel"
    errnos: Mapping[str, int] = field(default_factory=dict)
    isolation: str = ""
    language: str = ""


class Call(NamedTuple):
    """One call to make: resolved arguments only. Deadlines are seconds, already scaled.

    `concurrent` means that other calls may run while it waits, so it must not hold up the session.
    """

    id: int
    actor: str
    op: str
    args: Mapping[str, Plain]
    kind: ActorKind = ActorKind.SUT
    concurrent: bool = False
    deadline_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A pending call has ended. A call of None means that the testee as a whole has ended."""

    call: int | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Look:
    """What a pending call was seen doing.

    `state` is `blocked` (asleep in a call that waits), `busy` (running, or ready to run), `returning`
    (its answer is on the way) or `unknown` (cannot be seen here). `timed` says that the wait ends by
    itself. `cpu_s` is CPU time burnt since the call began, in seconds, as far as it is known.
    """

    state: str
    evidence: str = ""
    timed: bool = False
    cpu_s: float = 0.0


class Session(Protocol):
    """One case's conversation with a target."""

    @property
    def addresses(self) -> Mapping[str, Address]:
        """The addresses of the case, by placeholder name, made fresh."""

    def clock(self) -> int:
        """Give the time by which this session waits, in nanoseconds; where a model is asked, it is virtual."""

    def issue(self, call: Call) -> Outcome | None:
        """Begin a call. Gives its outcome if it ended at once, else None: an `Answer` will follow."""

    def wait(self, timeout_s: float) -> Answer | None:
        """Give the next answer, or None when `timeout_s` seconds have passed without one."""

    def look(self, call: int) -> Look:
        """Look at a pending call without disturbing it."""

    def is_settled(self) -> bool:
        """Say whether nothing is under way in the case's network that could still wake a pending call."""

    def output(self) -> str:
        """Give the tail of what the testee has printed."""


class Target(Protocol):
    """One implementation of sockets, opened for use."""

    @property
    def profile(self) -> Profile:
        """What it is and offers."""

    def session(self, case: Case) -> AbstractContextManager[Session]:
        """Open a session; leaving it ends every call and takes away everything the case made."""

    def close(self) -> None:
        """Let the target go; no process of it is left."""
