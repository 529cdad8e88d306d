"""The verdict: a pure function of a case and its history.

The events are read in order, names are bound as the engine bound them, and the first thing that is
not as expected is the finding. A PASS needs every step's end, and every wait's evidence, in the
history: what is not there was not seen, and then the verdict is UNRESOLVED.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from grader.bindings import Names
from grader.model.expectations import SUCCESS
from grader.model.histories import Done, History, Issued, Returned, SeenBlocked
from grader.model.outcomes import Broken, Ended, Failed, Outcome, Pending, Succeeded, Unoffered
from grader.model.scenarios import Case, Step
from grader.model.verdicts import Cause, Finding, Result, TraceLine, Verdict
from grader.ops import OPERATIONS
from grader.verdict import explain, invariants
from grader.verdict.match import alternative_for, fits_collected, fits_pattern, fits_step

Collected: TypeAlias = dict[str, list[Outcome]]  # by the path of the `collect`
_END_CAUSES = {
    "signal": Cause.CRASH,
    "exit": Cause.EXITED,
    "output": Cause.OUTPUT,
    "tampered": Cause.TAMPERED,
    "lost": Cause.CRASH,
    "build": Cause.BUILD,
    "not-ready": Cause.NOT_READY,
    "cpu": Cause.TIMEOUT,
    "memory": Cause.CRASH,
    "disk": Cause.OUTPUT,
    "killed": Cause.CRASH,
}
# What a call of ours may bring along about a program that had ended unasked.
_PROGRAM_ENDS = {"crashed": Cause.CRASH, "exited": Cause.EXITED}


@dataclass(slots=True)
class _Opinion:
    """What the reading of a history has come to so far."""

    verdict: Verdict = Verdict.PASS
    cause: Cause | None = None
    reason: str = ""
    findings: list[Finding] = field(default_factory=list)
    tolerated: list[str] = field(default_factory=list)
    done: set[str] = field(default_factory=set)  # paths of the steps whose end has been read


def judge(case: Case, history: History) -> Result:
    """Give the verdict on a case from what was seen of it."""
    if history.digest != case.digest and not _is_of(case, history):
        history = history._replace(events=(), fault="the scenario has other steps now: run it again")
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
    places = _Places(case)
    opinion = _read(case, history, places)
    if opinion.verdict is Verdict.PASS:
        missing = next(_missing(case, history, places, opinion.done), "")
        if missing or not history.complete:
            return _Opinion(Verdict.UNRESOLVED, Cause.HARNESS, missing or "the history stops before the case ended")
        opinion.findings.extend(invariants.findings(case, history))
        if opinion.findings:
            opinion.verdict, opinion.cause = Verdict.FAIL, Cause.MISMATCH
        elif opinion.tolerated:
            opinion.cause = Cause.TOLERATED
    return opinion


class _Places:
    """Where the steps of a case stand: by their paths, and what an event alone does not tell."""

    __slots__ = ("collects", "races", "starts", "steps", "waits")

    def __init__(self, case: Case) -> None:
        self.steps = {step.path: step for step in case.every_step}
        self.starts: dict[str, Step] = {}  # by the name of the call
        self.collects: dict[str, str] = {}  # path of an inner call: that of the step that holds it
        self.races: dict[str, str] = {}
        self.waits: list[tuple[Step, str, int]] = []  # step, path of the call that must be seen waiting, how often
        for step in () if case.is_sequential else case.every_step:
            if step.start is not None:
                self.starts[step.start] = step
            if step.inner:
                holders = self.collects if step.op == "collect" else self.races
                holders.update((inner.path, step.path) for inner in step.inner)
            if step.release:
                self.waits.append((step, step.path, len(step.nested)))
            elif step.op == "still_blocked":
                self.waits.append((step, self.starts[str(step.args["call"])].path, 1))
            elif step.expect.blocks or step.path in self.races:
                self.waits.append((step, step.path, 1))

    def bound_by(self, step: Step) -> Step:
        """Give the step whose names the end of this one binds: the end of a started call is told elsewhere."""
        return self.starts[str(step.args["call"])] if step.op == "finish" else step


def _read(case: Case, history: History, places: _Places) -> _Opinion:
    """Read the events in order up to the first one that is wrong."""
    names = Names(history.addresses, case.variables)
    collected: Collected = {}
    steps, collects, races = places.steps, places.collects, places.races
    won: set[str] = set()
    opinion = _Opinion()
    for event in history.events:
        if not isinstance(event, Done):
            continue
        path, outcome, _, _ = event
        opinion.done.add(path)
        if path in collects and not isinstance(outcome, (Broken, Unoffered)):
            collected.setdefault(collects[path], []).append(outcome)
            continue
        step = steps[path]
        if not _fits(step, event, names, collected):
            _condemn(opinion, step, event, names, collected)
            _name_the_real_end(opinion, history)
            return opinion
        if step.expect is not SUCCESS:
            opinion.tolerated.extend(_tolerated(step, outcome, names))
        if isinstance(outcome, Succeeded) and (step.binds or step.op == "finish"):
            names.bind(places.bound_by(step), outcome)
        if path in races:
            if races[path] not in won and isinstance(outcome, Succeeded):
                names.bind_winner(step, outcome)
            won.add(races[path])
    return opinion


def _fits(step: Step, done: Done, names: Names, collected: Collected) -> bool:
    if step.op == "collect":
        return fits_collected(step, collected.get(step.path, []), names)
    return done.early is None and fits_step(step, done.outcome, names)


def _tolerated(step: Step, outcome: Outcome, names: Names) -> Iterator[str]:
    """Give why the outcome is let pass, if it is only tolerated."""
    for one in step.expect.alternatives:
        if one.tolerated and one is alternative_for(step, outcome, names):
            yield one.because


def _condemn(opinion: _Opinion, step: Step, done: Done, names: Names, collected: Collected) -> None:
    """Say what is wrong with a step that did not end as it had to."""
    outcome = done.outcome
    if isinstance(outcome, Broken):
        opinion.verdict, opinion.cause, opinion.reason = Verdict.UNRESOLVED, Cause(outcome.cause), outcome.reason
    elif isinstance(outcome, Unoffered):
        opinion.verdict, opinion.cause, opinion.reason = Verdict.UNSUPPORTED, Cause.NEEDS, outcome.reason
    else:
        gathered = collected.get(step.path, [])
        opinion.verdict, opinion.cause = Verdict.FAIL, _cause(next(reversed(gathered), outcome))
        opinion.findings.append(_finding(step, done, names, gathered))


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
    for name, text in _end_of_program(history):
        if opinion.cause in {Cause.MISMATCH, Cause.TIMEOUT}:
            opinion.cause = _PROGRAM_ENDS[name]
        opinion.findings = [replace(one, got=_with_end(one.got, text)) for one in opinion.findings]


def _end_of_program(history: History) -> Iterator[tuple[str, str]]:
    """Give how a program had ended when the last call came back, if it had."""
    last = next((event.outcome for event in reversed(history.events) if isinstance(event, Returned)), None)
    seen = last.fields if isinstance(last, Succeeded) else last.partial if isinstance(last, Failed) else {}
    yield from ((name, str(seen[name])) for name in _PROGRAM_ENDS if name in seen)


def _with_end(got: str, end: str) -> str:
    return got if end in got else f"{got}; {end}"


def _missing(case: Case, history: History, places: _Places, done: set[str]) -> Iterator[str]:
    """Name what a PASS needs and the history does not hold."""
    unended = places.steps.keys() - done
    for step in case.every_step if unended else ():
        if step.path in unended and step.start is None and step.path not in places.races:
            yield f"the history does not say how step {step.path} ({step.op}) ended"
    if not places.waits:
        return
    blocked = {(event.step, event.after) for event in history.events if isinstance(event, SeenBlocked)}
    for step, path, times in places.waits:
        if any((path, after) not in blocked for after in range(times)):
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
