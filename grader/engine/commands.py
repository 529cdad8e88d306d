"""What the machine asks of the loop. A `targets.protocol.Call` is a command too: make this call."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from grader.bindings import Names
from grader.model.outcomes import Outcome
from grader.model.scenarios import Step
from grader.model.verdicts import Decision
from grader.targets.protocol import Answer, Call, Look


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for any answer until this time; the reply is the `Answer`, or None when the time has come."""

    until_ns: int


@dataclass(frozen=True, slots=True)
class AwaitBlocked:
    """Wait until the call is seen blocked; the reply is a `Look`, or an `Answer` if one came first.

    When the time has come, the reply is the last look, whatever it saw.
    """

    call: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class LookAt:
    """Look at a pending call once; the reply is a `Look`."""

    call: int


@dataclass(frozen=True, slots=True)
class AskSettled:
    """Ask whether nothing is under way that could still wake a pending call; the reply is a bool."""


Command: TypeAlias = Call | Await | AwaitBlocked | LookAt | AskSettled
Reply: TypeAlias = Outcome | Answer | Look | bool | None
T = TypeVar("T")
Script: TypeAlias = Generator[Command, Reply, T]


Decide: TypeAlias = Callable[[Step, Outcome, Names], Decision]
Clock: TypeAlias = Callable[[], int]
