"""How a call ended, as it was seen. An outcome is an observation, never an opinion.

What is made for every call of every case is a tuple with names, in less than half the time of a frozen dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from grader.model.values import Plain

_NO_FIELDS: Mapping[str, Plain] = {}


class Succeeded(NamedTuple):
    """The call returned; `fields` are the result fields of its operation, main one first."""

    fields: Mapping[str, Plain] = _NO_FIELDS
    signals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The call failed with an errno: its symbol and the number in the target's own table.

    `signals` are those that the call raised on the way (SIGPIPE). `partial` holds what a composite
    call had in hand when one of its calls failed.
    """

    errno: str
    number: int
    signals: tuple[str, ...] = ()
    partial: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Raised:
    """Python code raised something other than OSError, or answered in a form no call has."""

    type: str
    text: str
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The testee's process ended during the call.

    `how` is `signal` (then `name`), `exit` (then `code`), `output` (it printed more than allowed),
    `tampered` (it wrote on or closed the harness's descriptors), `lost` (another call ended it), `build`
    (there never was one, because the code could not be built), `not-ready` (a program was not there to be called),
    or what the sandbox ended it for: `cpu`, `memory`, `disk`, `killed`.
    """

    how: str
    name: str = ""
    code: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """The call had not returned when we stopped waiting; `evidence` says in what state it was seen.

    `state` is `blocked` (asleep in a call), `looping` (burning its CPU budget) or `unknown`.
    """

    state: str = "blocked"
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Unoffered:
    """The target has no such call; the case cannot be judged there."""

    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """We, or this host, could not carry the call out: never the student's fault."""

    reason: str
    cause: str = "harness"


Outcome: TypeAlias = Succeeded | Failed | Raised | Ended | Pending | Unoffered | Broken
