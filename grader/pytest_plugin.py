"""Front door 1, pytest: a YAML file is a collector, a case is an item. Thin: `pipeline` does the work.

The verdict is found while the item is set up and spoken in the call, so that what is our fault shows
as an error of the set-up and what is the student's as a failure; a case that does not apply is a skip.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from grader import pipeline
from grader.model.assignments import Assignment
from grader.model.deviations import Known
from grader.model.errors import ScenarioError, SockgradeError
from grader.model.scenarios import Case
from grader.model.verdicts import Result, Verdict
from grader.report.to_text import explanation
from grader.scenario import is_scenario_file, load
from grader.selection import assignment_of, invalid_suite, known_for, known_of, paths_for, repeated_by
from grader.targets.protocol import Target
from grader.targets.resolve import open_target

_target = pytest.StashKey[Target]()
_known = pytest.StashKey[Known]()
_assignment = pytest.StashKey[Assignment]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a run."""
    group = parser.getgroup("sockgrade")
    group.addoption("--target", default="host", help="host (default), reference, module:PATH or library:PATH")
    group.addoption("--assignment", metavar="FILE", help="judge a program by this assignment, with --submission")
    group.addoption("--submission", metavar="PATH", help="the program: what is handed in, a file or a folder")
    group.addoption("--time-scale", type=float, default=1.0, help="stretch every deadline by this factor")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers by which scenarios can be chosen, and look at the options."""
    if not 0 < config.getoption("time_scale") < 1000:
        raise pytest.UsageError("--time-scale: expected a factor between 0 and 1000")
    if bool(config.getoption("assignment")) != bool(config.getoption("submission")):
        raise pytest.UsageError("--assignment and --submission go together")
    if config.getoption("assignment"):
        try:
            config.stash[_assignment] = assignment_of(Path(config.getoption("assignment")))
        except ScenarioError as error:
            raise pytest.UsageError(str(error)) from error
    config.addinivalue_line("markers", "level(name): how far from the lecture: core, standard, extended")
    config.addinivalue_line("markers", "claim(id): a claim of the lecture that the scenario rests on")
    config.addinivalue_line("markers", "section(name): the suite the scenario belongs to")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take YAML files below a folder of suites; with an assignment those of its suites."""
    is_one = file_path.suffix == ".yaml" and "suites" in file_path.parts and is_scenario_file(file_path)
    return (
        ScenarioFile.from_parent(parent, path=file_path) if is_one and _is_asked_for(file_path, parent.config) else None
    )


def _is_asked_for(path: Path, config: pytest.Config) -> bool:
    assignment = config.stash.get(_assignment, None)
    return assignment is None or any(path.resolve().is_relative_to(place) for place in paths_for(assignment))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how the cases were kept apart: a verdict is worth as much as that."""
    reports = [report for kind in ("passed", "failed", "error") for report in terminalreporter.getreports(kind)]
    facts = (fact for report in reports for fact in getattr(report, "user_properties", ()))
    for isolation in sorted({str(value) for name, value in facts if name == "isolation" and value}):
        terminalreporter.write_line(f"sockgrade: {isolation}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the target go."""
    target = config.stash.get(_target, None)
    if target is not None:
        target.close()


class ScenarioFile(pytest.File):
    """One file of scenarios; a file that cannot be read is one failing item."""

    def collect(self) -> Iterable[pytest.Item]:
        """Give an item for each case, or the one that says why there is none."""
        loaded = load([self.path], assignment=self.config.stash.get(_assignment, None))
        for error in loaded.errors:
            yield InvalidFile.from_parent(self, name=self.path.name, error=error)
        for case in loaded.cases:
            yield CaseItem.from_parent(self, name=case.id, case=case)


class InvalidFile(pytest.Item):
    """A file that cannot be read as scenarios."""

    def __init__(self, *, error: ScenarioError, **rest: Any) -> None:  # noqa: ANN401 - pytest passes what it likes
        """Keep the error for the report."""
        super().__init__(**rest)
        self._error = error

    def runtest(self) -> None:
        """Fail with every complaint."""
        pytest.fail(explanation(invalid_suite(self._error, _name(self.config))), pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Say where the item stands."""
        return self.path, self._error.complaints[0].mark.line - 1, f"invalid-suite {self.name}"


class CaseItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Case, **rest: Any) -> None:  # noqa: ANN401 - pytest passes what it likes
        """Mark the item with level, claims and section."""
        super().__init__(**rest)
        self._case = case
        self._result: Result | None = None
        scenario = case.scenario
        self.add_marker(pytest.mark.level(name=str(scenario.level)))
        self.add_marker(pytest.mark.section(name=scenario.section))
        for claim in scenario.claims:
            self.add_marker(pytest.mark.claim(id=claim))
        self.extra_keyword_matches |= {str(scenario.level), scenario.section, *scenario.claims, *scenario.tags}

    def setup(self) -> None:
        """Run the case; what is not the student's doing ends here."""
        config = self.config
        try:
            target = _open(config)
            result, history = pipeline.run_case(
                self._case, target, config.stash[_known], time_scale=config.getoption("time_scale")
            )
        except SockgradeError as error:
            result, history = pipeline.unresolved(self._case, _name(config), str(error))
        if config.getoption("assignment"):
            result = repeated_by(result, Path(config.getoption("assignment")))
        self._result = result
        self._note(result, history.isolation)
        if result.verdict is Verdict.UNRESOLVED:
            pytest.fail(explanation(result), pytrace=False)
        if result.verdict in {Verdict.UNSUPPORTED, Verdict.UNTESTED}:
            pytest.skip(f"{result.verdict}: {result.reason}")

    def runtest(self) -> None:
        """Speak the verdict."""
        if self._result is None:
            pytest.fail("the case was not run", pytrace=False)
        if self._result.verdict is Verdict.FAIL:
            pytest.fail(explanation(self._result), pytrace=False)

    def _note(self, result: Result, isolation: str) -> None:
        """Leave the facts for JUnit; plain text only, anything else breaks a run under xdist."""
        for name, value in (
            ("verdict", str(result.verdict)),
            ("cause", str(result.cause or "")),
            ("points", f"{result.points:g}"),
            ("claims", " ".join(result.claims)),
            ("isolation", isolation),
        ):
            self.user_properties.append((name, value))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Say where the scenario stands."""
        return self.path, self._case.scenario.mark.line - 1, self.name


def _open(config: pytest.Config) -> Target:
    """Open the target once for this worker."""
    target = config.stash.get(_target, None)
    if target is None:
        assignment = config.stash.get(_assignment, None)
        spec = config.getoption("target")
        config.stash[_known] = known_of(spec) if assignment is None else known_for(assignment)
        target = config.stash[_target] = open_target(spec) if assignment is None else _open_program(config, assignment)
    return target


def _open_program(config: pytest.Config, assignment: Assignment) -> Target:
    from grader.targets.program import open_program  # noqa: PLC0415 - start-up is part of the product

    return open_program(assignment, Path(config.getoption("submission")))


def _name(config: pytest.Config) -> str:
    submission = config.getoption("submission")
    return f"program:{submission}" if submission else str(config.getoption("target"))
