"""The verdict: a pure function of a case and its history.

The events are read in order, names are bound as the engine bound them, and the first thing that is
not as expected is the finding. A PASS needs every step's end, and every wait's evidence, in the
history: what is not there was not seen, and then the verdict is UNRESOLVED.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from grader.bindings import Names
from grader.model.histories import Done, History, Issued, Returned, SeenBlocked
from grader.model.outcomes import Broken, Ended, Outcome, Pending, Succeeded, Unoffered
from grader.model.scenarios import Case, Step
from grader.model.verdicts import Cause, Finding, Result, TraceLine, Verdict
from grader.ops import OPERATIONS
from grader.verdict import explain, invariants
from grader.verdict.match import alternative_for, fits_collected, fits_pattern, fits_step

_END_CAUSES = {
    "signal": Cause.CRASH,
    "exit": Cause.EXITED,
    "output": Cause.OUTPUT,
    "tampered": Cause.TAMPERED,
    "lost": Cause.CRASH,
}


@dataclass(slots=True)
class _Opinion:
    """What the reading of a history has come to so far."""

    verdict: Verdict = Verdict.PASS
    cause: Cause | None = None
    reason: str = ""
    findings: list[Finding] = field(default_factory=list)
    tolerated: list[str] = field(default_factory=list)


def judge(case: Case, history: History) -> Result:
    """Give the verdict on a case from what was seen of it."""
    if history.digest != case.digest and not _is_of(case, history):
        history = replace(history, events=(), fault="the scenario has other steps now: run it again")
    opinion = _opinion(case, history)
    scenario = case.scenario
    return Result(
        case=case.id,
        title=scenario.title,
        verdict=opinion.verdict,
        cause=opinion.cause,
        reason=opinion.reason,
        findings=tuple(opinion.findings),
        trace=() if opinion.verdict is Verdict.PASS else trace(case, history, {one.step for one in opinion.findings}),
        why=scenario.why,
        spec=scenario.spec,
        claims=scenario.claims,
        level=scenario.level,
        section=scenario.section,
        points=scenario.points,
        target=history.target,
        repeat_command=f"sockgrade run {_where(case)}'{case.id}' --target {history.target}",
        stdout=history.stdout,
        seconds=history.seconds,
        tolerated=tuple(opinion.tolerated),
        mark=scenario.mark,
    )


def _is_of(case: Case, history: History) -> bool:
    """Say whether a history from before a change of its scenario still speaks of the steps of the case."""
    ops = {step.path: (step.op, OPERATIONS[step.op].primitive) for step in case.every_step}
    return all(
        event.op in ops.get(event.step, ()) if isinstance(event, Issued) else event.step in ops
        for event in history.events
        if not isinstance(event, Returned)
    )


def _where(case: Case) -> str:
    """Give the file of a case that does not stand among the suites, where its id alone would find it."""
    file = case.scenario.mark.file
    return "" if "suites" in file.split("/") else f"{file} "


def _opinion(case: Case, history: History) -> _Opinion:
    if history.unsupported:
        return _Opinion(Verdict.UNSUPPORTED, Cause.NEEDS, history.unsupported)
    if history.fault:
        return _Opinion(Verdict.UNRESOLVED, Cause(history.fault_cause), history.fault)
    opinion = _read(case, history)
    if opinion.verdict is Verdict.PASS:
        missing = next(_missing(case, history), "")
        if missing or not history.complete:
            return _Opinion(Verdict.UNRESOLVED, Cause.HARNESS, missing or "the history stops before the case ended")
        opinion.findings.extend(invariants.findings(case, history))
        if opinion.findings:
            opinion.verdict, opinion.cause = Verdict.FAIL, Cause.MISMATCH
        elif opinion.tolerated:
            opinion.cause = Cause.TOLERATED
    return opinion


def _read(case: Case, history: History) -> _Opinion:
    """Read the events in order up to the first one that is wrong."""
    names = Names(history.addresses, case.variables)
    steps = {step.path: step for step in case.every_step}
    starts = {step.start: step for step in steps.values() if step.start is not None}
    collected: dict[str, list[Outcome]] = {}
    collects, races = _parents(case, "collect"), _parents(case, "race")
    won: set[str] = set()
    opinion = _Opinion()
    for event in history.events:
        if not isinstance(event, Done):
            continue
        if event.step in collects and not isinstance(event.outcome, (Broken, Unoffered)):
            collected.setdefault(collects[event.step], []).append(event.outcome)
            continue
        step = steps[event.step]
        _weigh(opinion, step, event, names, collected.get(step.path, []))
        if opinion.verdict is not Verdict.PASS:
            _name_the_real_end(opinion, history)
            return opinion
        if isinstance(event.outcome, Succeeded):
            names.bind(starts[str(step.args["call"])] if step.op == "finish" else step, event.outcome)
            if step.path in races and races[step.path] not in won:
                names.bind_winner(step, event.outcome)
        if step.path in races:
            won.add(races[step.path])
    return opinion


def _parents(case: Case, op: str) -> dict[str, str]:
    """Give for each inner call of such steps the path of the step that holds it."""
    return {inner.path: step.path for step in case.every_step if step.op == op for inner in step.inner}


def _weigh(opinion: _Opinion, step: Step, done: Done, names: Names, collected: list[Outcome]) -> None:
    outcome = done.outcome
    if isinstance(outcome, Broken):
        opinion.verdict, opinion.cause, opinion.reason = Verdict.UNRESOLVED, Cause(outcome.cause), outcome.reason
        return
    if isinstance(outcome, Unoffered):
        opinion.verdict, opinion.cause, opinion.reason = Verdict.UNSUPPORTED, Cause.NEEDS, outcome.reason
        return
    if step.op == "collect":
        fits = fits_collected(step, collected, names)
    else:
        fits = done.early is None and fits_step(step, outcome, names)
    if fits:
        if any(one.tolerated for one in step.expect.alternatives):
            alternative = alternative_for(step, outcome, names)
            if alternative is not None and alternative.tolerated:
                opinion.tolerated.append(alternative.because)
        return
    opinion.verdict = Verdict.FAIL
    opinion.cause = _cause(outcome if step.op != "collect" else next(reversed(collected), outcome))
    opinion.findings.append(_finding(step, done, names, collected))


def _cause(outcome: Outcome) -> Cause:
    if isinstance(outcome, Pending):
        return Cause.TIMEOUT
    return _END_CAUSES[outcome.how] if isinstance(outcome, Ended) else Cause.MISMATCH


def _finding(step: Step, done: Done, names: Names, collected: list[Outcome]) -> Finding:
    got = "; ".join(map(explain.show_outcome, collected)) if collected else explain.show_outcome(done.outcome)
    expected = explain.show_expectation(step, names)
    after = ""
    if done.early is not None:
        expected, after = _too_early(step, done.early, expected, names)
        got = f"the call came back at once: {got}" if not done.early else f"the call came back: {got}"
    hint = next((one.hint for one in step.mistakes if fits_pattern(one.got, done.outcome, names)), "")
    return Finding(step.path, explain.show_step(step, names), expected, got, step.mark, step.called_from, hint, after)


def _too_early(step: Step, early: int, expected: str, names: Names) -> tuple[str, str]:
    if not step.nested:
        return "the call waits", ""
    release = explain.show_step(step.nested[-1], names)
    after = explain.show_step(step.nested[early - 1], names) if early else ""
    return f"the call waits until {release}, then {expected}", after


def _name_the_real_end(opinion: _Opinion, history: History) -> None:
    """A call lost with its process has the cause of the call that ended it."""
    ends = [
        event.outcome
        for event in history.events
        if isinstance(event, Returned) and isinstance(event.outcome, Ended) and event.outcome.how != "lost"
    ]
    if ends and opinion.cause in {Cause.CRASH, Cause.TIMEOUT}:
        opinion.cause = _END_CAUSES[ends[0].how]


def _missing(case: Case, history: History) -> Iterator[str]:
    """Name what a PASS needs and the history does not hold."""
    done = {event.step for event in history.events if isinstance(event, Done)}
    blocked = {(event.step, event.after) for event in history.events if isinstance(event, SeenBlocked)}
    racers = _parents(case, "race")
    starts = {step.start: step.path for step in case.every_step if step.start is not None}
    for step in case.every_step:
        if step.start is None and step.path not in done and step.path not in racers:
            yield f"the history does not say how step {step.path} ({step.op}) ended"
        waiting = starts[str(step.args["call"])] if step.op == "still_blocked" else step.path
        must_wait = step.expect.blocks or step.op == "still_blocked" or step.path in racers
        for after in range(len(step.nested)) if step.release else range(must_wait):
            if (waiting, after) not in blocked:
                yield f"the history has no evidence that step {step.path} ({step.op}) waited"


def trace(case: Case, history: History, wrong: set[str]) -> tuple[TraceLine, ...]:
    """Tell what happened, a line for each call in the order in which they began."""
    steps = {step.path: step for step in case.every_step}
    ends = {event.call: event.outcome for event in history.events if isinstance(event, Returned)}
    issued = [event for event in history.events if isinstance(event, Issued)]
    last = {event.step: event.call for event in issued}
    return tuple(
        TraceLine(
            event.actor,
            explain.show_call(steps[event.step], event.op, event.args),
            explain.show_answer(ends[event.call]) if event.call in ends else "(still waiting)",
            event.step in wrong and last[event.step] == event.call,
        )
        for event in issued
    )
