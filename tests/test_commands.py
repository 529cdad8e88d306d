"""What each command does: cases run and judged again, reports written, files checked, things listed."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.cli import main
from grader.ops import OPERATIONS
from tests.shell import BAD, FAILS, NEEDS, PASSES, ROOT, SUBMISSIONS, WAITS, same_network, sockgrade, write


@pytest.fixture(autouse=True)
def _network() -> Iterator[None]:
    """Run in this process and leave no trace of it: the target `host` gives the thread a network of its own."""
    with same_network():
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with one scenario of each end."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, PASSES, FAILS, NEEDS, WAITS)
    return tmp_path


def verdicts(path: Path) -> dict[str, tuple[str, str]]:
    """Give verdict and cause of each case in a JSON report."""
    return {one["case"]: (one["verdict"], one["cause"]) for one in report(path)["results"]}


def report(path: Path) -> Any:
    """Read a JSON report."""
    return json.loads(path.read_text())


ENDS = {
    "api/t/passes": ("PASS", None),
    "api/t/fails": ("FAIL", "mismatch"),
    "api/t/needs": ("UNSUPPORTED", "needs"),
    "api/t/waits": ("FAIL", "timeout"),
}


def test_a_run_tells_all_that_is_no_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the student must know, then the closing line; a call that hangs ends its own case only."""
    assert main(["run", "suites", "--json", "out/run.json"]) == 1

    told = capsys.readouterr().out
    assert verdicts(folder / "out" / "run.json") == ENDS
    assert "\nFAIL        api/t/fails  mismatch\n    a receive gives what nobody has sent\n" in told
    assert "\n    got      failure with ENOTCONN" in told
    assert "    hint     nobody is connected\n" in told
    assert re.search(r"got      no end: the call waits \(thread \d+ asleep in accept", told)
    assert "\nUNSUPPORTED api/t/needs  needs: needs programs: the target host is an interface" in told
    assert "api/t/passes" not in told
    assert re.search(r"\nwrote out/run.json\n1 PASS, 2 FAIL, 1 UNSUPPORTED in \d+\.\d s\n$", told)


@pytest.mark.parametrize(
    ("scenarios", "code", "closing"),
    [
        ([PASSES], 0, "1 PASS"),
        ([PASSES, NEEDS], 0, "1 PASS, 1 UNSUPPORTED"),
        ([PASSES, FAILS], 1, "1 PASS, 1 FAIL"),
        ([NEEDS], 1, "1 UNSUPPORTED"),  # a run in which nothing passed has shown nothing
    ],
)
def test_the_exit_code_says_who_must_act(
    scenarios: list[str], code: int, closing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A quiet run gives the closing line alone."""
    assert main(["run", str(write(tmp_path, *scenarios)), "--quiet"]) == code

    told = capsys.readouterr().out.splitlines()
    assert told[-1].startswith(f"{closing} in ")
    assert len(told) <= 2


def test_a_bad_file_does_not_hide_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is UNRESOLVED with every complaint, and the rest is run."""
    (folder / "suites" / "bad.yaml").write_text(BAD)

    assert main(["run", "suites", "--json", "run.json"]) == 3

    assert verdicts(folder / "run.json") == {"suites/bad.yaml": ("UNRESOLVED", "invalid-suite"), **ENDS}
    assert re.search(r"suites/bad\.yaml:\d+:\d+: .*'sokcet'.*socket", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("options", "cases"),
    [
        (["--level", "extended"], {"api/t/fails"}),
        (["--level", "core"], {"api/t/passes", "api/t/needs", "api/t/waits"}),
        (["--claim", "lecture.descriptor"], {"api/t/passes"}),
        (["--level", "extended", "--claim", "lecture.descriptor"], set()),
    ],
)
def test_a_run_can_be_narrowed(folder: Path, options: list[str], cases: set[str]) -> None:
    """By level and by claim of the lecture; what nobody asks for is not run."""
    main(["run", "suites", "--quiet", "--json", "run.json", *options])

    assert set(verdicts(folder / "run.json")) == cases


@pytest.mark.parametrize("report", ["--junit", "--json", "--history"])
def test_a_report_that_cannot_be_written_is_told(folder: Path, report: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line with the path and the reason."""
    (folder / "file").touch()

    assert main(["run", "suites/t.yaml", report, "file/report"]) == 2

    assert re.fullmatch(r"sockgrade: file/report: cannot be written: [A-Z][a-z ]+\n", capsys.readouterr().err)


def test_both_reports_say_the_same(folder: Path) -> None:
    """JUnit for CI, JSON for programs; both name the target and are made from the same results."""
    main(["run", "suites", "--quiet", "--json", "run.json", "--junit", "run.xml"])

    root = ET.parse(folder / "run.xml").getroot()  # noqa: S314 - our own
    cases = {
        case.get("name"): [element.tag for element in case if element.tag != "properties"]
        for case in root.iter("testcase")
    }
    assert cases == {
        "api/t/passes": [],
        "api/t/fails": ["failure"],
        "api/t/needs": ["skipped"],
        "api/t/waits": ["failure"],
    }
    assert [suite.get("name") for suite in root.iter("testsuite")] == ["sockgrade host"]
    assert report(folder / "run.json")["target"] == "host"
    assert report(folder / "run.json")["counts"] == {
        "PASS": 1,
        "FAIL": 2,
        "UNSUPPORTED": 1,
        "UNRESOLVED": 0,
        "UNTESTED": 0,
    }


def test_deadlines_are_stretched(folder: Path) -> None:
    """With a factor the call that hangs is waited for so much longer."""
    for factor, name in (("1", "one"), ("4", "four")):
        main(["run", "api/t/waits", "suites", "--quiet", "--time-scale", factor, "--json", name])

    seconds = {name: _seconds(folder / name, "api/t/waits") for name in ("one", "four")}
    assert seconds["one"] >= 0.05
    assert seconds["four"] >= 0.2


def _seconds(path: Path, case: str) -> float:
    return next(float(one["seconds"]) for one in report(path)["results"] if one["case"] == case)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["host", f"module:{SUBMISSIONS}/wrong/errno-wrong"])
def test_several_workers_give_what_one_gives(target: str, tmp_path: Path) -> None:
    """The same results in the same order, and nothing that differs but time and numbers of ports."""
    some = ("api/errors", "api/naming/peers")

    for jobs in ("1", "2"):
        sockgrade("run", *some, "-q", "-t", target, "-j", jobs, "--json", tmp_path / jobs)

    assert list(verdicts(tmp_path / "1").items()) == list(verdicts(tmp_path / "2").items())
    assert len(verdicts(tmp_path / "1")) > 40


@pytest.mark.slow
@pytest.mark.parametrize("sample", ["", "wrong/recv-gives-up", "hostile/crash", "hostile/exit"])
def test_a_recorded_run_is_judged_the_same(sample: str, tmp_path: Path) -> None:
    """The history holds all that a verdict rests on: nobody's code is run again."""
    target = f"module:{SUBMISSIONS}/{sample}" if sample else "host"
    run = sockgrade(
        "run", "api/errors", "-t", target, "--history", tmp_path / "history", "--json", tmp_path / "run.json"
    )

    again = sockgrade("judge", tmp_path / "history", "--json", tmp_path / "again.json", "--junit", tmp_path / "x.xml")

    assert again.returncode == run.returncode
    assert report(tmp_path / "again.json") == report(tmp_path / "run.json")
    assert (tmp_path / "x.xml").read_text().startswith("<?xml")


def test_a_history_is_judged_by_the_scenarios_of_today(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A scenario that has changed since is noted, and its new expectation holds."""
    main(["run", "suites", "--history", "history", "-q"])
    file = folder / "suites" / "t.yaml"
    file.write_text(file.read_text().replace("expect: {data: x}", "expect: {errno: ENOTCONN}"))
    capsys.readouterr()

    assert main(["judge", "history", "suites", "--json", "again.json"]) == 1

    told = capsys.readouterr().out
    assert "api/t/passes: its scenario has changed since; judged by what it says now\n" in told
    assert verdicts(folder / "again.json") == {**ENDS, "api/t/fails": ("PASS", None)}


def test_a_history_that_is_not_whole_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that was cut short is not taken for one that had fewer cases."""
    main(["run", "suites", "--history", "history", "-q"])
    lines = (folder / "history").read_text().splitlines(keepends=True)
    (folder / "cut").write_text("".join(lines[:-1]))

    assert main(["judge", "cut", "suites"]) == 2
    assert "cut: the history was cut short: its footer is missing" in capsys.readouterr().err


def test_a_history_without_its_scenario_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing can be said about a case that is not at hand."""
    main(["run", "suites", "--history", "history", "-q"])

    assert main(["judge", "history", str(ROOT / "suites" / "api" / "naming")]) == 2
    assert "history: no scenario for the case api/t/passes is at hand" in capsys.readouterr().err


def test_lint_tells_every_complaint(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of every file, with its place, and ends with 2; without any it ends with 0."""
    assert main(["lint", "suites"]) == 0
    assert capsys.readouterr().out == "no complaints\n"

    (folder / "suites" / "bad.yaml").write_text(BAD)
    (folder / "suites" / "worse.yaml").write_text("format: 1\nsuite: 7\nscenarioz: []\n")

    assert main(["lint", "suites"]) == 2
    *complaints, closing = capsys.readouterr().out.splitlines()
    assert {line.partition(":")[0] for line in complaints} == {"suites/bad.yaml", "suites/worse.yaml"}
    assert all(re.match(r"suites/\w+\.yaml:\d+:\d+: .+ \[\w+\]$", line) for line in complaints)
    assert closing == f"{len(complaints)} complaints"
    assert len(complaints) > 2


@pytest.mark.slow
def test_our_own_files_are_without_complaint(capsys: pytest.CaptureFixture[str]) -> None:
    """Scenarios, fragments and lists of deviations; a deviation about no case there is would be one."""
    assert main(["lint"]) == 0
    assert capsys.readouterr().out == "no complaints\n"


def test_cases_and_scenarios_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order in which they are run."""
    assert main(["list", "suites"]) == 0
    assert capsys.readouterr().out.split() == list(ENDS)

    assert main(["list", "suites", "--scenarios"]) == 0
    assert "api/t/waits: accept returns with nobody coming\n" in capsys.readouterr().out


def test_every_operation_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """With its arguments, those marked that may be left out."""
    assert main(["list", "--ops"]) == 0

    told = capsys.readouterr().out.splitlines()
    assert [line.partition("(")[0] for line in told] == list(OPERATIONS)
    assert any(line.startswith("bind(sock, addr): ") for line in told)
    assert any("proto?" in line for line in told)


@pytest.mark.slow
def test_every_claim_of_the_lecture_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has scenarios behind it, and each scenario a source."""
    assert main(["list", "--claims"]) == 0

    told = capsys.readouterr().out
    assert re.search(r"^lecture\.server: \d+ scenarios, \d+ cases\n  api/", told, re.MULTILINE)
    assert "no scenario checks" not in told
    assert "no source stands" not in told


@pytest.mark.slow
def test_a_claim_that_nothing_checks_is_a_complaint(capsys: pytest.CaptureFixture[str]) -> None:
    """So is a list of claims that is asked about too little."""
    assert main(["list", "--claims", "api/socketpair"]) == 2
    assert "no scenario checks the claim lecture." in capsys.readouterr().out


def test_a_scenario_without_a_source_is_a_complaint(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody must be able to look it up."""
    file = folder / "suites" / "t.yaml"
    file.write_text(file.read_text().replace('spec: ["POSIX.1-2024 accept()"]\n', ""))

    assert main(["list", "--claims", "suites"]) == 2
    assert "no source stands behind api/t/passes\n" in capsys.readouterr().out


def test_a_case_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """What it says, why, by which rule, where it stands, and its steps with what each must give."""
    assert main(["show", "api/listen-accept/accept/new-socket[inet-stream]"]) == 0

    told = capsys.readouterr().out
    for line in (
        "api/listen-accept/accept/new-socket[inet-stream]\n  accept makes a new connected socket",
        "\n  A server must be able",
        "  rule    POSIX.1-2024 accept()",
        "  claims  lecture.accept-new-socket, lecture.server",
        "  level   core, 2 points",
        "suites/api/listen-accept/accept.yaml:",
        "  needs   ",
        "getpeername(lst) -> failure with ENOTCONN",
    ):
        assert line in told


def test_an_actor_is_named_in_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A step of somebody else than `main` says whose it is."""
    assert main(["show", "api/sequences/two-processes"]) == 0
    assert re.search(r"^ +\S+ +\w+: \w+\(", capsys.readouterr().out, re.MULTILINE)


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """It is the one that stands beside the loader."""
    assert main(["schema"]) == 0

    told = capsys.readouterr().out
    assert told == (ROOT / "grader" / "scenario" / "scenario-1.schema.json").read_text()
    assert json.loads(told)["type"] == "object"


def test_a_starter_kit_is_written_into_a_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never over something that is there."""
    monkeypatch.chdir(tmp_path)

    assert main(["new", "module", "kit"]) == 0
    told = capsys.readouterr().out
    assert {path.name for path in Path("kit").iterdir()} == {"README.md", "sockets.py"}
    assert "wrote kit/sockets.py\n" in told
    assert told.endswith("next: sockgrade run --target module:kit\n")

    assert main(["new", "module", "kit"]) == 2
    assert capsys.readouterr().err == "sockgrade: kit is there already and not an empty folder\n"


def on_a_terminal(*arguments: str, cwd: Path) -> tuple[int, str]:
    """Run the command line on a pseudo-terminal; give its exit code and all that appeared there."""
    ours, theirs = pty.openpty()
    command = [str(Path(sys.executable).with_name("sockgrade")), *arguments]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, cwd=cwd, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b"".join(_until_hung_up(ours))
    os.close(ours)
    return process.returncode, shown.decode()


def _until_hung_up(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            yield os.read(terminal, 4096)
        except OSError:  # EIO: nobody holds the other side any more
            return


@pytest.mark.slow
def test_a_terminal_shows_how_far_the_run_is(folder: Path) -> None:
    """A line moves, and what is told stays: the same results as without a terminal."""
    code, shown = on_a_terminal("run", "suites", "--json", "run.json", cwd=folder)

    assert code == 1
    assert verdicts(folder / "run.json") == ENDS
    assert "running" in shown
    assert "4/4" in shown
    assert "\x1b[?25l" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is there again
    assert "FAIL        api/t/fails  mismatch\r\n" in shown
    assert "1 PASS, 2 FAIL, 1 UNSUPPORTED in " in shown


@pytest.mark.slow
def test_a_quiet_run_is_quiet_on_a_terminal_too(folder: Path) -> None:
    """No line moves."""
    code, shown = on_a_terminal("run", "suites", "--quiet", cwd=folder)

    assert code == 1
    assert "\x1b" not in shown
    assert "api/t/fails" not in shown


@pytest.mark.slow
def test_judging_works_on_a_terminal(folder: Path) -> None:
    """How many cases a history holds is not known before its end."""
    main(["run", "suites", "--quiet", "--history", "history"])

    code, shown = on_a_terminal("judge", "history", "suites", cwd=folder)

    assert code == 1
    assert "1 PASS, 2 FAIL, 1 UNSUPPORTED in " in shown
