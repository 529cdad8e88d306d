"""The two front doors, `sockgrade run` and pytest, lead to the same verdicts."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests import shell
from tests.shell import SUBMISSIONS, sockgrade

FILES = ("suites/api/naming/peers.yaml", "suites/api/errors", "suites/api/connect/datagram.yaml")
TARGETS = {
    "host": {"PASS"},
    f"module:{SUBMISSIONS}/correct/functions": {"PASS", "UNSUPPORTED"},
    f"module:{SUBMISSIONS}/wrong/errno-wrong": {"PASS", "FAIL", "UNSUPPORTED"},
    f"module:{SUBMISSIONS}/hostile/crash": {"PASS", "FAIL", "UNSUPPORTED"},
}
# How pytest and JUnit say what a verdict is.
ELEMENTS = {"PASS": [], "FAIL": ["failure"], "UNRESOLVED": ["error"], "UNSUPPORTED": ["skipped"]}

pytestmark = pytest.mark.slow  # whole programs run here


def by_command_line(target: str, folder: Path) -> dict[str, tuple[str, str, str]]:
    """Give verdict, cause and reason of each case as the command line has it."""
    path = folder / "run.json"
    sockgrade("run", *FILES, "--target", target, "--json", path)
    results = json.loads(path.read_text())["results"]
    return {one["case"]: (one["verdict"], one["cause"] or "", one["reason"]) for one in results}


def by_pytest(target: str, folder: Path, *options: str) -> dict[str, tuple[str, str, str]]:
    """Give the same from what pytest writes for CI."""
    path = folder / "run.xml"
    shell.pytest(*FILES, "--target", target, "--junitxml", path, *options)
    return {str(case.get("name")): _read(case) for case in ET.parse(path).iter("testcase")}  # noqa: S314 - our own


def _read(case: ET.Element) -> tuple[str, str, str]:
    said = {one.get("name"): one.get("value") or "" for one in case.iter("property")}
    verdict = said["verdict"]
    elements = [element for element in case if element.tag != "properties"]
    assert [element.tag for element in elements] == ELEMENTS[verdict]
    reason = elements[0].get("message", "").removeprefix(f"{verdict}: ") if verdict == "UNSUPPORTED" else ""
    return verdict, said["cause"], reason


@pytest.mark.parametrize("target", TARGETS)
def test_both_doors_give_the_same_verdicts(target: str, tmp_path: Path) -> None:
    """The same case has the same verdict, cause and reason, on one process or on several."""
    expected = by_command_line(target, tmp_path)

    alone = by_pytest(target, tmp_path)
    side_by_side = by_pytest(target, tmp_path, "-n", "2")

    assert len(expected) > 60
    assert {verdict for verdict, _, _ in expected.values()} == TARGETS[target]
    assert alone == side_by_side == expected


@pytest.mark.parametrize("target", ["module:/nowhere", "elephant", "host:path", "module:"])
def test_a_target_that_cannot_be_opened_is_nobodys_failure(target: str, tmp_path: Path) -> None:
    """The command line says so and stops; for pytest each case is an error, never a failure."""
    refused = sockgrade("run", *FILES, "--target", target)
    verdicts = by_pytest(target, tmp_path)

    assert refused.returncode == 2
    assert refused.stderr.startswith("sockgrade: ")
    assert refused.stderr.count("\n") == 1
    assert {verdict for verdict, _, _ in verdicts.values()} == {"UNRESOLVED"}
