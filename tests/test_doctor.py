"""What this machine offers, found out by doing it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from grader.cli import main
from grader.doctor import Check, _target, examine
from tests.shell import same_network

pytestmark = pytest.mark.slow  # targets are opened, all suites read

PROBES = (
    *("bubblewrap", "networks", "level A", "level B", "level C", "level D", "seccomp", "Landlock", "sock_diag"),
    *("safe paths", "seeing programs asleep"),
)
PROMISES = (
    *("SIGPIPE kills", "the limit of processes bites", "other address families are refused", "io_uring is refused"),
    *("a program cannot hide from /proc", "new namespaces are refused", "there is no way out of the network"),
    "the harness cannot be seen",
)


@pytest.fixture(scope="module")
def checks() -> Iterator[dict[str, Check]]:
    """Look at this machine once."""
    with same_network():
        yield {check.name: check for check in examine()}


def test_everything_a_run_stands_on_is_looked_at(checks: dict[str, Check]) -> None:
    """In the order in which one rests on the other."""
    assert list(checks) == [
        "Python",
        "system",
        "YAML",
        "suites",
        "isolation",
        *PROBES,
        *PROMISES,
        "seeing blocked calls",
        "target host",
        "target module:socket",
    ]


def test_what_must_be_here_is_fine(checks: dict[str, Check]) -> None:
    """These tests could not run without them."""
    for name in ("Python", "system", "suites", "seeing blocked calls", "target host", "target module:socket"):
        assert checks[name].is_fine, checks[name]
    assert re.match(r"\d{4,} cases in /", checks["suites"].found)
    assert checks["target host"].found.startswith("starts; ")
    assert "no raw-calls (" in checks["target module:socket"].found


def test_what_can_be_missing_comes_with_advice(checks: dict[str, Check]) -> None:
    """Nobody is told that something is wrong without what to do about it."""
    for check in checks.values():
        assert check.found
        assert check.advice or check.is_fine


def test_the_command_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each check; its end is 3 if something of ours or of this host is missing."""
    with same_network():
        code = main(["doctor"])

    told = capsys.readouterr().out.splitlines()
    missing = [line for line in told if line.startswith("missing ")]
    assert code == (3 if missing else 0)
    assert sum(line.startswith("ok      ") for line in told) + len(missing) == 8 + len(PROBES) + len(PROMISES)
    assert sum(line.startswith("        what to do: ") for line in told) == len(missing)


def test_a_target_that_does_not_start_is_told() -> None:
    """With the reason, and no check is lost; only `module:socket` is asked for, which is always there."""
    check = _target("module:/nowhere")

    assert (check.name, check.is_fine) == ("target module:/nowhere", False)
    assert check.found == "/nowhere: there is no such file or folder"
    assert check.advice == "see the checks above"
