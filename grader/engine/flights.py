"""A step whose call has been issued and has not ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grader.engine.composites import Composite
from grader.model.errors import InternalError
from grader.model.outcomes import Outcome
from grader.model.scenarios import Step
from grader.model.values import Plain


@dataclass(slots=True)
class Flight:
    """One pending step: the composite it goes through, if it is one, and the call that it makes now."""

    step: Step
    composite: Composite | None
    op: str
    args: Mapping[str, Plain]
    call: int = -1
    outcome: Outcome | None = None


def landed(flight: Flight) -> Outcome:
    """Give the outcome of a flight that is over."""
    if flight.outcome is None:
        raise InternalError(f"the call of step {flight.step.path} was taken for ended and is pending")
    return flight.outcome
