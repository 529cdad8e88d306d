"""Nouns made short, for the tests of every room: steps, cases, outcomes, histories, results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grader.model.expectations import Alternative, Expectation, Pattern
from grader.model.histories import Done, Event, History, Issued, Returned, SeenBlocked
from grader.model.marks import Mark
from grader.model.outcomes import Failed, Outcome, Succeeded
from grader.model.scenarios import Case, Scenario, Step
from grader.model.values import Plain, SockRef, Value
from grader.model.verdicts import Cause, Finding, Result, TraceLine, Verdict

NUMBERS = {"EAGAIN": 11, "EPIPE": 32, "ECONNREFUSED": 111, "EINVAL": 22, "ENOTCONN": 107}


def mark(line: int = 1) -> Mark:
    """Give a place in a file of scenarios."""
    return Mark("suites/api/t.yaml", line, 3)


def step(path: str, op: str, **given: Any) -> Step:
    """Give a step; keys that are no fields of a step are its arguments, and `sock` takes a bare name."""
    fields = {name: given.pop(name) for name in tuple(given) if name in Step.__dataclass_fields__}
    args: dict[str, Value] = {
        name: SockRef(value) if name == "sock" and isinstance(value, str) else value for name, value in given.items()
    }
    return Step(path, op, mark(1 + int(path.split(".", maxsplit=1)[0])), args, **fields)


def case(*steps: Step, **fields: Any) -> Case:
    """Give a case of these steps."""
    scenario = Scenario("one", "api/t", "a fact about sockets", mark(), why="people rely on it", spec=("POSIX",))
    return Case("api/t/one[inet]", scenario, steps, **fields)


def wants(*patterns: Pattern, **fields: Any) -> Expectation:
    """Give the expectation that allows any of these outcomes."""
    return Expectation(tuple(map(Alternative, patterns)), **fields)


def ok(*signals: str, **fields: Plain) -> Succeeded:
    """Give a success with these fields."""
    return Succeeded(fields, signals)


def err(name: str, *signals: str, **partial: Plain) -> Failed:
    """Give a failure with this errno."""
    return Failed(name, NUMBERS.get(name, 1), signals, partial)


def issued(path: str, call: int, op: str, actor: str = "main", **args: Plain) -> Issued:
    """Give the event of a call that was made."""
    return Issued(path, call, actor, op, {"sock": 3, **args})


def one_call(path: str, call: int, op: str, outcome: Outcome, **args: Plain) -> tuple[Event, ...]:
    """Give the three events of a step that is one call."""
    return issued(path, call, op, "main", **args), Returned(call, outcome), Done(path, outcome)


def blocked(path: str, call: int, after: int = 0) -> SeenBlocked:
    """Give the event of a call that was seen blocked."""
    return SeenBlocked(path, call, after, "blocked: asleep in recv")


def history(*events: Event, complete: bool = True, **fields: Any) -> History:
    """Give the history of the case `case` gives."""
    return History("api/t/one[inet]", "host", events=events, complete=complete, **fields)


def finding(**fields: Any) -> Finding:
    """Give a finding."""
    plain: Mapping[str, Any] = {
        "step": "1",
        "call": 'send(c, "hi")',
        "expected": "success",
        "got": "failure with EPIPE (Broken pipe)",
        "mark": mark(7),
    }
    return Finding(**{**plain, **fields})


def result(verdict: Verdict = Verdict.PASS, cause: Cause | None = None, **fields: Any) -> Result:
    """Give a result."""
    plain: Mapping[str, Any] = {
        "case": "api/t/one[inet]",
        "title": "a fact about sockets",
        "trace": (TraceLine("main", "close(c)", "0"),),
        "section": "t",
        "target": "host",
        "repeat_command": "sockgrade run 'api/t/one[inet]' --target host",
        "mark": mark(),
    }
    return Result(verdict=verdict, cause=cause, **{**plain, **fields})
