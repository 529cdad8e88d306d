"""What a proof is made of, and what is wrong with one: pure functions of what was seen."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from grader.model.verdicts import Verdict

HANG = "crash/hang"  # the cause of a case in which the model itself never came to an end


class Seen(NamedTuple):
    """How a case ended that is not a PASS: its verdict, the cause, and the reason in words."""

    verdict: Verdict
    cause: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """What all cases came to on one implementation: the reference, the stub, or a mutant.

    `seen` holds the cases that did not pass, in the order in which they ran. `fault` says why it could
    not be tried to the end. Only a FAIL is a catch: a mutant must break a rule, not the model.
    """

    name: str
    sentence: str = ""
    clause: str = ""
    seen: Mapping[str, Seen] = field(default_factory=dict)
    fault: str = ""

    @cached_property
    def caught_by(self) -> dict[str, str]:
        """The cases that caught it, each with the cause."""
        return {case: seen.cause for case, seen in self.seen.items() if seen.verdict is Verdict.FAIL}

    @cached_property
    def spoilt(self) -> dict[str, str]:
        """The cases that could not be judged because the model itself broke, each with the reason."""
        return {case: seen.reason for case, seen in self.seen.items() if seen.verdict is Verdict.UNRESOLVED}

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The scenarios that caught it, in order."""
        return tuple(dict.fromkeys(map(scenario_of, self.caught_by)))

    @property
    def seen_by(self) -> tuple[str, ...]:
        """The scenarios that saw what is broken: a model that hangs is caught by all, whatever they are about."""
        return tuple(dict.fromkeys(scenario_of(case) for case, cause in self.caught_by.items() if cause != HANG))


@dataclass(frozen=True)
class Scope:
    """What must be shown: that the mutants are caught, that the scenarios catch, or both."""

    mutants: bool = True
    scenarios: bool = True


@dataclass(frozen=True)
class Proof:
    """All cases against the reference, the stub and every mutant."""

    cases: tuple[str, ...]
    reference: Row
    stub: Row
    mutants: tuple[Row, ...]
    scope: Scope = Scope()

    @cached_property
    def scenarios(self) -> dict[str, tuple[str, ...]]:
        """The cases of each scenario."""
        found: dict[str, list[str]] = {}
        for case in self.cases:
            found.setdefault(scenario_of(case), []).append(case)
        return {scenario: tuple(cases) for scenario, cases in found.items()}

    @cached_property
    def catches(self) -> dict[str, tuple[str, ...]]:
        """The mutants in which each scenario sees what is broken."""
        found: dict[str, list[str]] = {scenario: [] for scenario in self.scenarios}
        for row in self.mutants:
            for scenario in row.seen_by:
                found[scenario].append(row.name)
        return {scenario: tuple(mutants) for scenario, mutants in found.items()}

    @property
    def passed_by_stub(self) -> tuple[str, ...]:
        """The cases that pass where every call fails."""
        return tuple(case for case in self.cases if case not in self.stub.seen)

    def complaints(self) -> Iterator[str]:
        """Say all that keeps this from being a proof, each with what to do."""
        yield from unproved(self.reference)
        for case in self.passed_by_stub:
            yield f"{case}: passes where every call fails: let it expect something that only a socket that works gives"
        for row in self.mutants:
            yield from _defects(row)
            if self.scope.mutants and not row.caught_by:
                yield f"{row.name}: no case catches it: write a scenario that sees the broken rule ({row.clause})"
        for scenario, mutants in self.catches.items():
            if self.scope.scenarios and not mutants:
                yield f"{scenario}: catches no mutant: break the rule it is about in a new mutant, or mend the scenario"


@dataclass(frozen=True)
class Generated:
    """Every mechanical mutant with the first case that caught it, and why survivors may survive."""

    reference: Row
    rows: tuple[Row, ...]
    explained: Mapping[str, str]
    explained_in: str
    every_name: frozenset[str]

    @property
    def survivors(self) -> tuple[Row, ...]:
        """The mutants that no case catches."""
        return tuple(row for row in self.rows if not row.caught_by)

    def complaints(self) -> Iterator[str]:
        """Say which survivors nobody explains and which explanations explain nothing."""
        yield from unproved(self.reference)
        advice = f"write a scenario that catches it, or say in {self.explained_in} why none can"
        yield from (f"{row.name}: survives: {advice}" for row in self.survivors if row.name not in self.explained)
        for row in self.rows:
            if row.caught_by and row.name in self.explained:
                catcher = next(iter(row.caught_by))
                yield f"{self.explained_in}: {row.name} is explained, but {catcher} catches it: take the line out"
        for name in self.explained:
            if name not in self.every_name:
                hint = near(name, self.every_name) or "take the line out"
                yield f"{self.explained_in}: no generated mutant is called {name}: {hint}"


def unproved(reference: Row) -> Iterator[str]:
    """Say which cases the reference does not pass: what they say of a mutant is worth nothing."""
    if reference.fault:
        yield f"reference: not tried to the end: {reference.fault}"
    for case, seen in reference.seen.items():
        if seen.verdict is Verdict.UNSUPPORTED:
            yield f"{case}: not proved, the reference cannot run it ({seen.reason}): teach the model what it lacks"
        else:
            cause = f"{seen.verdict} {seen.cause}".rstrip()
            yield f"{case}: not proved, {cause} on the reference ({seen.reason}): mend the model or the scenario"


def _defects(row: Row) -> Iterator[str]:
    if row.fault:
        yield f"{row.name}: not tried to the end: {row.fault}"
    if row.spoilt:
        case, reason = next(iter(row.spoilt.items()))
        more = f", as {len(row.spoilt) - 1} more cases do" if len(row.spoilt) > 1 else ""
        yield f"{row.name}: breaks the model, not a rule: {case} ends in {reason}{more}: mend the mutant"


def scenario_of(case: str) -> str:
    """Give the scenario of a case by its id."""
    return case.split("[", maxsplit=1)[0]


def near(word: str, words: Sequence[str] | frozenset[str]) -> str:
    """Ask whether the nearest of the words was meant, or give an empty text."""
    found = difflib.get_close_matches(word, sorted(words), n=1)
    return f"did you mean {found[0]}?" if found else ""
