"""The reference page is current and leaves nothing out."""

from __future__ import annotations

from pathlib import Path

from grader.ops import ADDRESS_KINDS, FEATURES, OPERATIONS
from grader.scenario.forms import MODIFIERS
from grader.scenario.lint import LINTS
from grader.scenario.reference import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "language.md"


def test_the_committed_page_is_current() -> None:
    """`python -m grader.scenario.reference docs/language.md` makes it."""
    assert PAGE.read_text("utf-8") == page()


def test_every_operation_has_its_paragraph() -> None:
    """Each operation has a heading, its text, and a row for each argument and field."""
    text = page()

    for op in OPERATIONS.values():
        paragraph = text.partition(f"#### `{op.name}`\n")[2].partition("\n#### ")[0]
        assert op.doc in paragraph
        names = [arg.name for arg in op.args] + [field.name for field in op.fields]
        assert all(f"| `{name}` |" in paragraph for name in names)


def test_every_table_is_on_the_page() -> None:
    """Modifiers, address kinds, features and lints are all listed."""
    text = page()

    for word in (*MODIFIERS, *FEATURES):
        assert f"| `{word}` |" in text
    for word in (*ADDRESS_KINDS, *LINTS):
        assert f"| {word} |" in text
