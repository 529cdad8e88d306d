"""Where a target lawfully or knowingly differs from what the scenarios say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.model.assignments import LeftOut
from grader.model.marks import Mark


@dataclass(frozen=True, slots=True)
class Deviation:
    """Cases (ids in which `*` stands for any text) that fail on a target, why, and who says so."""

    cases: tuple[str, ...]
    reason: str
    source: str
    mark: Mark

    def covers(self, case: str) -> bool:
        """Say whether this is about the case of that id."""
        return any(id_matches(pattern, case) for pattern in self.cases)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a target: features it lacks, with the reason; cases that deviate; cases not asked for."""

    lacks: Mapping[str, str] = field(default_factory=dict)
    deviations: tuple[Deviation, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def id_matches(pattern: str, case: str) -> bool:
    """Compare a case id with a pattern; only `*` is special, because ids hold brackets."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), case) is not None
