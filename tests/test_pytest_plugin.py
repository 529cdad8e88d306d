"""The door through pytest: scenario files are test files, cases are tests, verdicts are told as pytest tells them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader.selection import select
from tests import shell
from tests.shell import BAD, FAILS, NEEDS, PASSES, ROOT, SUBMISSIONS, write

pytestmark = pytest.mark.slow  # whole programs run here

PEERS = "suites/api/naming/peers.yaml"


def collected(*arguments: str | Path, cwd: Path = ROOT) -> list[str]:
    """Give the names of the tests that pytest would run."""
    listed = shell.pytest("--collect-only", "-q", *arguments, cwd=cwd)
    return [line.partition("::")[2] for line in listed.stdout.splitlines() if "::" in line]


def outcomes(*arguments: str | Path, cwd: Path = ROOT) -> dict[str, str]:
    """Run pytest and give the outcome of each test."""
    told = shell.pytest("-rA", "-q", *arguments, cwd=cwd).stdout
    return {name: word for word, name in re.findall(r"^(PASSED|FAILED|ERROR) \S+?::(\S+)", told, re.MULTILINE)}


def test_a_case_is_named_by_its_id() -> None:
    """The name of a test is what every report calls the case, so it can be copied from one to the other."""
    names = collected(PEERS)

    assert names == [case.id for case in select([PEERS]).cases]
    assert collected(f"{PEERS}::{names[3]}") == [names[3]]


@pytest.mark.parametrize(
    "option",
    [
        ("-m", "level(name='extended')"),
        ("-m", "claim(id='lecture.server')"),
        ("-m", "section(name='backlog')"),
        ("-k", "extended"),
        ("-k", "lecture.server"),
        ("-k", "backlog"),
    ],
    ids=" ".join,
)
def test_cases_are_chosen_by_level_claim_and_section(option: tuple[str, str]) -> None:
    """Some are chosen and some are not."""
    every = collected("suites/api/listen-accept")

    chosen = collected("suites/api/listen-accept", *option)

    assert 0 < len(chosen) < len(every)
    assert set(chosen) < set(every)


def test_tests_in_python_may_stand_beside(tmp_path: Path) -> None:
    """Somebody else's test keeps its own properties, and the closing line is about cases only."""
    write(tmp_path, PASSES)
    (tmp_path / "test_own.py").write_text("def test_own(record_property): record_property('numbers', [1])\n")

    told = shell.pytest("suites", "test_own.py", cwd=tmp_path)

    assert told.returncode == 0, told.stdout
    assert "2 passed" in told.stdout
    assert told.stdout.count("\nsockgrade: ") == 1


def test_markers_are_declared() -> None:
    """`pytest --markers` explains them, and strict markers accept them."""
    told = shell.pytest("--markers").stdout

    for marker in ("level(name)", "claim(id)", "section(name)"):
        assert f"@pytest.mark.{marker}: " in told


def test_a_failure_tells_the_student_all_and_no_code_of_ours() -> None:
    """Step, expectation, what came, hint, rule, what happened and how to repeat it; no traceback."""
    target = f"module:{SUBMISSIONS}/wrong/accept-closes-listener"

    told = shell.pytest("suites/api/listen-accept/accept.yaml", "--target", target, "-k", "new-socket[inet-s")

    assert told.returncode == 1
    for line in (
        "FAIL mismatch",
        "  accept makes a new connected socket and the listener goes on listening",
        "  step     getpeername(lst)",
        "           suites/api/listen-accept/accept.yaml:",
        "  expected failure with ENOTCONN",
        "  got      failure with EBADF",
        "  hint     accept closed the listening socket",
        "  why      A server must",
        "  rule     POSIX.1-2024 accept()",
        "  what happened:",
        "  > main   getpeername(lst) = -1 EBADF",
        f"  repeat   sockgrade run 'api/listen-accept/accept/new-socket[inet-stream]' --target {target}",
    ):
        assert f"\n{line}" in told.stdout
    assert "Traceback" not in told.stdout
    assert ".py:" not in told.stdout


def test_a_case_that_does_not_apply_is_skipped_with_its_reason() -> None:
    """UNSUPPORTED is no failure, and says what is missing."""
    told = shell.pytest("suites/api/errors", "--target", f"module:{SUBMISSIONS}/correct/functions", "-rs")

    assert told.returncode == 0
    assert re.search(r"^SKIPPED \[\d+\] .*: UNSUPPORTED: needs (raw-calls|sigpipe): Python ", told.stdout, re.MULTILINE)


def test_what_is_our_fault_is_an_error_and_no_failure() -> None:
    """A target that cannot be opened makes each case UNRESOLVED, in words and without a traceback."""
    told = shell.pytest(PEERS, "--target", "module:/nowhere")

    assert told.returncode == 1
    assert "ERROR at setup of api/naming/peers/" in told.stdout
    assert "\nUNRESOLVED harness\n" in told.stdout
    assert "/nowhere: there is no such file or folder" in told.stdout
    assert "Traceback" not in told.stdout
    assert ".py:" not in told.stdout
    assert " failed" not in told.stdout


def test_a_bad_file_is_one_failing_test_and_the_others_run(tmp_path: Path) -> None:
    """The complaint has the place; nobody else pays for it."""
    write(tmp_path, PASSES, FAILS, NEEDS)
    (tmp_path / "suites" / "bad.yaml").write_text(BAD)

    told = shell.pytest("suites", "-rA", cwd=tmp_path)

    assert outcomes("suites", cwd=tmp_path) == {"bad.yaml": "FAILED", "api/t/passes": "PASSED", "api/t/fails": "FAILED"}
    assert "\nUNRESOLVED invalid-suite\n" in told.stdout
    assert re.search(r"suites/bad\.yaml:\d+:\d+: .*sokcet.*socket", told.stdout)
    assert "1 skipped" in told.stdout


def test_what_is_no_scenario_is_no_test(tmp_path: Path) -> None:
    """Fragments, lists of deviations and of claims stand among the suites and are left alone, as is other YAML."""
    write(tmp_path, PASSES)
    for name in ("suites/fragments/f.yaml", "suites/deviations/host.yaml", "suites/notes.yml", "other/x.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("anything: at all\n")
    (tmp_path / "suites" / "claims.yaml").write_text("claims: [{id: lecture.descriptor, text: x}]\n")

    assert collected(cwd=tmp_path) == ["api/t/passes"]


@pytest.mark.parametrize("value", ["0", "-1", "nan", "x"])
def test_a_time_scale_that_is_none_is_refused(value: str) -> None:
    """A wrong option is the caller's to mend, and no case runs."""
    told = shell.pytest(PEERS, f"--time-scale={value}")

    assert told.returncode == 4
    assert "--time-scale" in told.stderr
