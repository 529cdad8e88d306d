"""Scenarios as they come out of the files, and cases as they go into the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from grader.model.expectations import SUCCESS, Expectation, Mistake, Pattern
from grader.model.marks import Mark
from grader.model.values import Value


class Level(StrEnum):
    """How far from the lecture a scenario is."""

    CORE = "core"
    STANDARD = "standard"
    EXTENDED = "extended"


class ActorKind(StrEnum):
    """Who carries out a call: a thread of the testee, a process of it, or our own trusted code."""

    SUT = "sut"
    PROCESS = "process"
    TRUSTED = "trusted"


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a case, with what it must give; every fragment, loop and `when` already resolved.

    `path` names the step within its case (`3`, `3.0` for the first nested one). `binds` are the names
    of `as`. `nested` runs while the call is pending: `release` says that only the last nested step may
    let it return (`blocks_until`), otherwise it may return at any time (`overlaps`). `inner` are the
    calls of a `collect` or `race`, `trigger` what sets a race off. Times are seconds before scaling.
    """

    path: str
    op: str
    mark: Mark
    args: Mapping[str, Value] = field(default_factory=dict)
    called_from: tuple[Mark, ...] = ()
    actor: str = "main"
    binds: tuple[str, ...] = ()
    expect: Expectation = SUCCESS
    nested: tuple[Step, ...] = ()
    release: bool = False
    start: str | None = None
    hold_s: float | None = None
    within_s: float = 2.0
    eventually_s: float | None = None
    give_up_on: Pattern | None = None
    mistakes: tuple[Mistake, ...] = ()
    note: str = ""
    inner: tuple[Step, ...] = ()
    trigger: tuple[Step, ...] = ()
    concurrent: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find out once whether other calls may run while this one is pending: every run of the step asks."""
        is_concurrent = bool(self.nested or self.start is not None or self.expect.blocks)
        object.__setattr__(self, "concurrent", is_concurrent)


@dataclass(frozen=True, slots=True)
class AddressSpec:
    """An address to be made fresh for a case: its kind (`fresh`, `stale`, ...) and domain."""

    kind: str
    domain: str


@dataclass(frozen=True, slots=True)
class Translation:
    """Title and reason of a scenario in another language."""

    title: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fact about sockets: what is said about it, without its steps."""

    id: str
    suite: str
    title: str
    mark: Mark
    why: str = ""
    spec: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    behaviours: tuple[str, ...] = ()
    level: Level = Level.CORE
    points: float = 1.0
    tags: tuple[str, ...] = ()
    ru: Translation = Translation()

    @property
    def section(self) -> str:
        """The last part of the suite's name, such as `listen-accept`."""
        return self.suite.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario for one combination of its matrix: the thing with an id, a run and a verdict.

    `variables` are the axis values and `vars` of the scenario, `digest` the SHA-256 of the text that
    the case was built from (file and fragments), as hex.
    """

    id: str
    scenario: Scenario
    steps: tuple[Step, ...]
    variables: Mapping[str, Value] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    actors: Mapping[str, ActorKind] = field(default_factory=dict)
    addresses: Mapping[str, AddressSpec] = field(default_factory=dict)
    invariants: tuple[str, ...] = ()
    digest: str = ""
    every_step: tuple[Step, ...] = field(init=False, repr=False, compare=False)
    ops: frozenset[str] = field(init=False, repr=False, compare=False)
    is_sequential: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Lay out all steps once, nested ones after the step that holds them: every room asks for them.

        A case is sequential if it makes one call after another, and each step is one call.
        """
        every_step = tuple(step for top in self.steps for step in _with_children(top))
        object.__setattr__(self, "every_step", every_step)
        object.__setattr__(self, "ops", frozenset(step.op for step in every_step))
        is_sequential = not any(step.concurrent or step.inner for step in every_step)
        object.__setattr__(self, "is_sequential", is_sequential)


def _with_children(step: Step) -> tuple[Step, ...]:
    children = step.nested + step.inner + step.trigger
    return (step, *(deeper for child in children for deeper in _with_children(child)))
