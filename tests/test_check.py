"""Both doors judge a submission by its assignment, and come to the same verdicts."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests import shell
from tests.shell import ROOT, sockgrade

ASSIGNMENT = "fixtures/assignments/tcp-echo.yaml"
RIGHT = "reference/programs/tcp-server/poll.c"
WRONG = "fixtures/submissions/programs/tcp-server/zombies"
CAUGHT = "programs/tcp-server/resources/no-zombies"

pytestmark = pytest.mark.slow  # whole programs run here


def by_command_line(submission: str, folder: Path, *options: str) -> dict[str, tuple[str, str]]:
    """Give verdict and cause of each case as the command line has it."""
    path = folder / "check.json"
    sockgrade("check", submission, "--assignment", ASSIGNMENT, "--json", path, *options)
    return {one["case"]: (one["verdict"], one["cause"] or "") for one in json.loads(path.read_text())["results"]}


def by_pytest(submission: str, folder: Path, *options: str) -> dict[str, tuple[str, str]]:
    """Give the same from what pytest writes for CI."""
    path = folder / "check.xml"
    shell.pytest("suites", "--assignment", ASSIGNMENT, "--submission", submission, "--junitxml", path, *options)
    found = {}
    for case in ET.parse(path).iter("testcase"):  # noqa: S314 - our own
        said = {one.get("name"): one.get("value") or "" for one in case.iter("property")}
        found[str(case.get("name"))] = (said["verdict"], said["cause"])
    return found


@pytest.mark.parametrize("submission", [RIGHT, WRONG])
def test_both_doors_judge_a_submission_alike(submission: str, tmp_path: Path) -> None:
    """The same cases come to the same verdicts, on one process or on several."""
    expected = by_command_line(submission, tmp_path)

    assert len(expected) > 40
    assert by_command_line(submission, tmp_path, "-j", "2") == expected
    assert by_pytest(submission, tmp_path) == expected
    assert by_pytest(submission, tmp_path, "-n", "2") == expected


def test_the_wrong_program_fails_where_it_is_wrong_and_the_right_one_nowhere() -> None:
    """The exit status says it, and the explanation names the command that repeats it."""
    right, wrong = (sockgrade("check", one, "--assignment", ASSIGNMENT) for one in (RIGHT, WRONG))

    assert (right.returncode, wrong.returncode) == (0, 1)
    assert f"repeat   sockgrade check {WRONG} --assignment {ASSIGNMENT} --case {CAUGHT}" in wrong.stdout


def test_one_case_can_be_repeated() -> None:
    """The command that an explanation names runs that case alone."""
    told = sockgrade("check", WRONG, "--assignment", ASSIGNMENT, "--case", CAUGHT)

    assert "\n1 FAIL in " in told.stdout


def test_what_an_assignment_leaves_out_is_shown_and_not_judged(tmp_path: Path) -> None:
    """A case that is not asked for is UNSUPPORTED with the instructor's reason."""
    text = (ROOT / ASSIGNMENT).read_text() + 'without: [{cases: ["*/no-zombies"], reason: comes next week}]\n'
    (tmp_path / "a.yaml").write_text(text)

    told = sockgrade("check", WRONG, "--assignment", tmp_path / "a.yaml")

    assert told.returncode == 0
    assert "the assignment leaves it out: comes next week" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check", "nothing-here", "--assignment", ASSIGNMENT), "nothing-here: no such file or folder"),
        (("check", RIGHT, "--assignment", "nothing.yaml"), "nothing.yaml:1:1: the file cannot be read"),
        (("check", RIGHT, "--assignment", ASSIGNMENT, "--case", "programs/nothing"), "no case is called so"),
    ],
)
def test_what_is_not_there_is_told(arguments: tuple[str, ...], words: str) -> None:
    """A submission, an assignment or a case that does not exist is a fault of the caller's."""
    told = sockgrade(*arguments)

    assert (told.returncode, words in told.stderr) == (2, True)


def test_pytest_wants_both_options() -> None:
    """An assignment without a submission is no order."""
    told = shell.pytest("suites", "--assignment", ASSIGNMENT)

    assert "--assignment and --submission go together" in told.stderr


def test_without_an_assignment_the_cases_of_programs_are_unsupported() -> None:
    """Nobody says which program is meant, and the report says so."""
    told = sockgrade("run", "suites/programs/tcp-server/exchange.yaml")

    assert "UNSUPPORTED programs/tcp-server/exchange/reply" in told.stdout
    assert "needs programs: " in told.stdout
