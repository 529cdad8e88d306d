"""Every complaint of the loader is provoked once, and says exactly what is expected of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.scenario.authoring import HEAD, complaints, with_keys, with_steps

TABLE: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("complaints.yaml").read_text("utf-8"))
PLACES: dict[str, Callable[[str], str]] = {
    "raw": str,  # the whole file
    "head": lambda text: HEAD + text,  # after the first keys of a scenario
    "scen": with_keys,  # keys of a scenario
    "steps": with_steps,  # steps of a scenario
}


@pytest.mark.parametrize("row", TABLE, ids=[row["gives"][0].split(" ", 1)[1][:60] for row in TABLE])
def test_each_wrong_snippet_gets_its_complaint(row: dict[str, Any], tmp_path: Path) -> None:
    """A snippet gets the complaints that the table gives for it, at their places, and no others."""
    text = PLACES[row["in"]](row["text"])

    assert complaints(tmp_path, text) == row["gives"]


def test_the_table_provokes_many_different_complaints() -> None:
    """The table has at least a hundred different complaints."""
    assert len({tuple(row["gives"]) for row in TABLE}) >= 100


def test_one_complaint_does_not_hide_the_next(tmp_path: Path) -> None:
    """A file with several faults gets a complaint for each, in the order of their places."""
    text = with_steps("- recieve: {sock: c}\n- close: {sok: c}\n- shutdown: {sock: c, how: both}")

    places = [line.split(":")[1] for line in complaints(tmp_path, text)]

    assert places == ["9", "10", "10", "11"]


def test_endless_complaints_are_cut_short(tmp_path: Path) -> None:
    """After a hundred complaints a file is given up, so that it cannot cost time."""
    text = with_steps("\n".join(["- recieve: {sock: c}", "- close: {sok: c}"] * 200))

    assert 100 <= len(complaints(tmp_path, text)) <= 101
