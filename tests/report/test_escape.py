"""What a student prints cannot act on the terminal of whoever reads it."""

from __future__ import annotations

import pytest

from grader.report.escape import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nof two lines", "plain\ttext\nof two lines"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b[2J", "\\x1b[2J"),
        ("carriage\rreturn", "carriage\\x0dreturn"),
        ("c1 \x9b31m", "c1 \\x9b31m"),
        ("turned \u202eround", "turned \\u202eround"),
        ("half a pair \ud800", "half a pair \\ud800"),
        ("дом, 房子", "дом, 房子"),
    ],
)
def test_characters_that_act_are_written_out(text: str, shown: str) -> None:
    """Letters of every script stay, and so do newline and tab."""
    assert visible(text) == shown
