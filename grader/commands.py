"""What each command of the command line does."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from grader import pipeline
from grader.batch.executor import Order, run
from grader.console import following
from grader.model.errors import ScenarioError, UsageError
from grader.model.exits import ExitCode
from grader.model.histories import History
from grader.model.scenarios import Case
from grader.model.verdicts import Result, Verdict
from grader.report.escape import visible
from grader.report.to_text import counts, summary
from grader.selection import (
    Selection,
    assignment_of,
    invalid_suite,
    known_for,
    known_of,
    repeated_by,
    select,
    select_for,
)


def run_cases(arguments: argparse.Namespace) -> ExitCode:
    """`run`: run scenarios against a target; those of programs, which an assignment goes with, only if asked for."""
    words = arguments.select or [str(pipeline.suites_folder() / "api")]
    selection = select(words, level=arguments.level, claim=arguments.claim)
    order = Order(arguments.target, known_of(arguments.target), arguments.time_scale, arguments.jobs)
    with _recorder(arguments, order) as record:
        return _judge_all(arguments, selection, order, lambda result: result, record)


def check(arguments: argparse.Namespace) -> ExitCode:
    """`check`: build a submission and judge it by the suites of its assignment."""
    from grader.targets.program import building

    assignment = assignment_of(arguments.assignment)
    selection = select_for(assignment, arguments.case)
    with building(assignment, arguments.submission) as built:
        if built.printed and not built.failure and not arguments.quiet:
            print(f"the compiler said:\n{visible(built.printed.rstrip())}", flush=True)
        name = f"program:{arguments.submission}"
        order = Order(name, known_for(assignment), arguments.time_scale, arguments.jobs, built)
        return _judge_all(arguments, selection, order, lambda result: repeated_by(result, arguments.assignment))


def _judge_all(
    arguments: argparse.Namespace,
    selection: Selection,
    order: Order,
    finished: Callable[[Result], Result],
    record: Callable[[History], None] = lambda _history: None,
) -> ExitCode:
    """Run what was selected, tell each result as `finished` gives it, and write the reports."""
    began = time.monotonic()
    results: list[Result] = []
    isolation = ""
    with following(len(selection.cases), quiet=arguments.quiet) as follower:
        for error in selection.errors:
            results.append(invalid_suite(error, order.target))
            follower.tell(results[-1])
        with contextlib.closing(run(selection.cases, order)) as pairs:
            for result, history in pairs:
                record(history)
                results.append(finished(result))
                if history.isolation and not isolation:
                    isolation = history.isolation
                    print(f"target {order.target}: {isolation}", flush=True)
                follower.tell(results[-1])
    return _finish(arguments, results, order.target, time.monotonic() - began, isolation)


@contextlib.contextmanager
def _recorder(arguments: argparse.Namespace, order: Order) -> Iterator[Callable[[History], None]]:
    path: Path | None = arguments.history
    if path is None:
        yield lambda _history: None
        return
    from grader.record import Recorder

    with _to_write(path) as file:
        recorder = Recorder(file, order.target, pipeline.version())
        yield recorder.add
        recorder.close()


def _finish(
    arguments: argparse.Namespace, results: Sequence[Result], target: str, seconds: float, isolation: str
) -> ExitCode:
    """Write the reports, say the closing line, and give what it all comes to."""
    if arguments.junit is not None:
        from grader.report.to_junit import to_junit

        _write(arguments.junit, to_junit(results, f"sockgrade {target}"))
    if arguments.json is not None:
        from grader.report.to_json import to_json

        _write(arguments.json, to_json(results, target=target, isolation=isolation, version=pipeline.version()))
    print(summary(results, seconds))
    return exit_code(results)


def _write(path: Path, text: str) -> None:
    with _to_write(path) as file:
        file.write(text)
    print(f"wrote {path}")


def _to_write(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


def exit_code(results: Sequence[Result]) -> ExitCode:
    """Give what a run comes to; a run in which nothing passed has shown nothing, and is no success."""
    number = counts(results)
    if number[Verdict.UNRESOLVED]:
        return ExitCode.UNRESOLVED
    return ExitCode.FAILED if number[Verdict.FAIL] or not number[Verdict.PASS] else ExitCode.PASSED


def judge_again(arguments: argparse.Namespace) -> ExitCode:
    """`judge`: give the verdicts of a recorded run again."""
    from grader.record import read

    began = time.monotonic()
    cases = {case.id: case for case in select(arguments.paths).cases}
    results: list[Result] = []
    target = isolation = ""
    with following(0, quiet=False) as follower:
        for history in read(arguments.history):
            target, isolation = history.target, isolation or history.isolation
            case = cases.get(history.case)
            if case is None:
                raise UsageError(f"{arguments.history}: no scenario for the case {history.case} is at hand")
            if case.digest != history.digest:
                print(f"{history.case}: its scenario has changed since; judged by what it says now")
            results.append(pipeline.judge_history(case, history, known_of(target)))
            follower.tell(results[-1])
    return _finish(arguments, results, target, time.monotonic() - began, isolation)


def prove(arguments: argparse.Namespace) -> ExitCode:
    """`prove`: show that every scenario can fail, on models of which a rule is broken."""
    from grader.prove import run as proof_run
    from grader.prove.show import text, to_json

    began = time.monotonic()
    selection = select(arguments.select)
    if selection.errors:
        raise ScenarioError(tuple(one for error in selection.errors for one in error.complaints))
    wanted = proof_run.Wanted(
        # a model of sockets says nothing of programs: what those get wrong is shown by wrong programs
        tuple(case for case in selection.cases if "programs" not in case.needs),
        folder=arguments.mutants or proof_run.mutants_folder(),
        only=tuple(arguments.only),
        has_ids=any(not Path(word).exists() for word in arguments.select),
        jobs=arguments.jobs,
    )
    proof = proof_run.prove_tables(wanted) if arguments.generated else proof_run.prove(wanted)
    complaints = [*proof.complaints()]
    print(text(proof))
    for complaint in complaints:
        print(visible(complaint))
    if arguments.json is not None:
        _write(arguments.json, to_json(proof, pipeline.version()))
    print(f"{len(complaints) or 'no'} complaints in {time.monotonic() - began:.1f} s")
    return ExitCode.FAILED if complaints else ExitCode.PASSED


def lint(arguments: argparse.Namespace) -> ExitCode:
    """`lint`: check scenario files, and the lists of deviations if everything is checked."""
    complaints = [str(one) for error in select(arguments.paths).errors for one in error.complaints]
    if not arguments.paths:
        complaints += _deviation_complaints()
    for complaint in complaints:
        print(complaint)
    print(f"{len(complaints)} complaints" if complaints else "no complaints")
    return ExitCode.USAGE if complaints else ExitCode.PASSED


def _deviation_complaints() -> Iterator[str]:
    cases = [case.id for case in select(()).cases]
    for path in sorted((pipeline.suites_folder() / "deviations").glob("*.yaml")):
        try:
            for deviation in known_of(path.stem).deviations:
                if not any(map(deviation.covers, cases)):
                    yield f"{deviation.mark}: this deviation is about no case there is"
        except ScenarioError as error:
            yield from map(str, error.complaints)


def list_things(arguments: argparse.Namespace) -> ExitCode:
    """`list`: cases, scenarios, claims or operations."""
    if arguments.ops:
        return _print(_operation_lines())
    selection = select(arguments.select)
    if arguments.claims:
        return _print_claims(selection.cases)
    if arguments.scenarios:
        titles = {case.id.split("[")[0]: case.scenario.title for case in selection.cases}
        return _print(f"{scenario}: {title}" for scenario, title in titles.items())
    return _print(case.id for case in selection.cases)


def _print(lines: Iterable[str]) -> ExitCode:
    for line in lines:
        print(line)
    return ExitCode.PASSED


def _operation_lines() -> Iterator[str]:
    from grader.ops import OPERATIONS

    for op in OPERATIONS.values():
        arguments = ", ".join(arg.name if arg.required else f"{arg.name}?" for arg in op.args)
        yield f"{op.name}({arguments}): {op.doc}"


def _print_claims(cases: Sequence[Case]) -> ExitCode:
    """Print claim and scenarios; a claim that nothing checks, or a scenario without a source, is a complaint."""
    from grader.scenario import load_claims

    behind: dict[str, dict[str, int]] = {claim: {} for claim in load_claims(pipeline.suites_folder())}
    for case in cases:
        for claim in case.scenario.claims:
            scenario = case.id.split("[")[0]
            counted = behind.setdefault(claim, {})  # files outside the suites may name claims of their own
            counted[scenario] = counted.get(scenario, 0) + 1
    for claim, scenarios in behind.items():
        print(f"{claim}: {len(scenarios)} scenarios, {sum(scenarios.values())} cases")
        for scenario in scenarios:
            print(f"  {scenario}")
    bare = sorted({case.id.split("[")[0] for case in cases if not case.scenario.spec})
    unchecked = [claim for claim, scenarios in behind.items() if not scenarios]
    for claim in unchecked:
        print(f"no scenario checks the claim {claim}")
    for scenario in bare:
        print(f"no source stands behind {scenario}")
    return ExitCode.USAGE if bare or unchecked else ExitCode.PASSED


def show(arguments: argparse.Namespace) -> ExitCode:
    """`show`: what a case says, why, and its steps."""
    from grader.bindings import Names
    from grader.verdict.explain import show_expectation, show_step

    selection = select([arguments.case])
    for error in selection.errors:
        raise error
    if not selection.cases:
        raise UsageError(f"{arguments.case}: no case is in it")
    case = selection.cases[0]
    scenario = case.scenario
    print(f"{case.id}\n  {scenario.title}\n  {scenario.why}")
    print(f"  rule    {'; '.join(scenario.spec)}\n  claims  {', '.join(scenario.claims)}")
    print(f"  level   {scenario.level}, {scenario.points:g} points\n  file    {scenario.mark}")
    if case.needs:
        print(f"  needs   {', '.join(case.needs)}")
    names = Names({}, case.variables)
    for step in case.every_step:
        indent = "    " + "  " * step.path.count(".")
        actor = "" if step.actor == "main" else f"{step.actor}: "
        print(f"{indent}{step.path:<6} {actor}{show_step(step, names)} -> {show_expectation(step, names)}")
    return ExitCode.PASSED


def schema(_arguments: argparse.Namespace) -> ExitCode:
    """`schema`: print the JSON Schema of scenario files."""
    from grader.scenario.schema import text

    return _print([text().rstrip("\n")])


def doctor(_arguments: argparse.Namespace) -> ExitCode:
    """`doctor`: say what this machine offers and what is missing."""
    from grader.doctor import examine

    fine = True
    for check in examine():
        fine = fine and check.is_fine
        print(f"{'ok     ' if check.is_fine else 'missing'} {check.name}: {check.found}")
        if not check.is_fine:
            print(f"        what to do: {check.advice}")
    return ExitCode.PASSED if fine else ExitCode.UNRESOLVED


def new(arguments: argparse.Namespace) -> ExitCode:
    """`new`: write a starter kit for students."""
    from grader.starter import write_kit

    directory: Path = arguments.directory
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is there already and not an empty folder")
    for path in write_kit(arguments.kind, directory):
        print(f"wrote {path}")
    print(f"next: sockgrade run --target {arguments.kind}:{directory}")
    return ExitCode.PASSED


COMMANDS: dict[str, Callable[[argparse.Namespace], ExitCode]] = {
    "run": run_cases,
    "check": check,
    "judge": judge_again,
    "prove": prove,
    "lint": lint,
    "list": list_things,
    "show": show,
    "schema": schema,
    "doctor": doctor,
    "new": new,
}
