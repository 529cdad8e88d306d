"""Verdicts, causes and findings (IEEE 1003.3, section 'Test result codes')."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from grader.model.marks import Mark


class Verdict(StrEnum):
    """How a case ended; only PASS rests on evidence that everything expected was seen."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNRESOLVED = "UNRESOLVED"
    UNSUPPORTED = "UNSUPPORTED"
    UNTESTED = "UNTESTED"


class Cause(StrEnum):
    """Why a verdict is what it is; the first group is the student's to mend, the second ours."""

    MISMATCH = "mismatch"
    TIMEOUT = "timeout"
    CRASH = "crash"
    EXITED = "exited"
    OUTPUT = "output"
    TAMPERED = "tampered"
    BUILD = "build"
    NOT_READY = "not-ready"
    LEAK = "leak"

    HARNESS = "harness"
    HOST = "host"
    INVALID_SUITE = "invalid-suite"
    ADAPTER = "adapter"

    TOLERATED = "tolerated"
    NEEDS = "needs"
    DEVIATION = "deviation"


class Decision(StrEnum):
    """What an outcome means for the rest of its case: the one question the engine asks."""

    MATCHED = "matched"
    DIFFERENT = "different"
    HOPELESS = "hopeless"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was wrong, with its evidence, in sentences for the student.

    `step` is the path of the step, `call` the call as C writes it, `mark` where the step stands,
    `called_from` where the fragment was used, `hint` what a known mistake looks like from inside.
    """

    step: str
    call: str
    expected: str
    got: str
    mark: Mark
    called_from: tuple[Mark, ...] = ()
    hint: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One line of what happened, in order: the actor, the call, its answer, and a mark if it was wrong."""

    actor: str
    call: str
    answer: str
    wrong: bool = False


class Result(NamedTuple):
    """The judged case: all that any report may show."""

    case: str
    title: str
    verdict: Verdict
    cause: Cause | None = None
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    trace: tuple[TraceLine, ...] = ()
    why: str = ""
    spec: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    level: str = "core"
    section: str = ""
    points: float = 1.0
    target: str = ""
    repeat_command: str = ""
    stdout: str = ""
    seconds: float = 0.0
    tolerated: tuple[str, ...] = ()
    mark: Mark | None = None
