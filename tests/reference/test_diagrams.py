"""The page of the states and its pictures say what the tables say now."""

from __future__ import annotations

import dataclasses
import re
from html import unescape

import pytest

from docs.draw_states import PAGE, PICTURES, TABLES, digest, drawn, is_current, page, picture_of, source
from reference.tables import Table

each_drawn = pytest.mark.parametrize("table", drawn(), ids=lambda table: table.name)
each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


def test_the_committed_page_is_current() -> None:
    """`python docs/draw_states.py` makes it."""
    assert PAGE.read_text("utf-8") == page()


@each_drawn
def test_the_committed_picture_is_current(table: Table) -> None:
    """A picture was drawn from the table as it is; `python docs/draw_states.py` draws it again."""
    assert is_current(table)


def test_there_is_no_picture_without_a_table() -> None:
    """A table that was renamed or taken out leaves no picture behind."""
    assert sorted(PICTURES.iterdir()) == sorted(picture_of(table) for table in drawn())


@each_drawn
def test_a_picture_shows_every_state_and_every_event(table: Table) -> None:
    """Each state and each event can be read in the picture, which is text, and nothing else can."""
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", picture_of(table).read_text("utf-8"))

    assert {unescape(text).strip() for text in texts} == {
        *table.states,
        *(row.event for row in table.transitions),
    }


@each_drawn
def test_two_states_have_one_arrow(table: Table) -> None:
    """Events that lead the same way share an arrow, and the dot has one to the initial state."""
    arrows = re.findall(r'^  "(.*)" -> "(.+)" \[', source(table), re.MULTILINE)

    assert sorted(arrows) == sorted({("", table.initial), *((row.state, row.to) for row in table.transitions)})


@each_drawn
def test_a_changed_row_makes_the_picture_stale(table: Table) -> None:
    """The digest follows every transition, so a picture cannot be forgotten."""
    changed = [table.replace(row, dataclasses.replace(row, event="knock")) for row in table.transitions]

    assert len({digest(source(one)) for one in (table, *changed)}) == len(changed) + 1


@each_table
def test_the_page_has_every_row(table: Table) -> None:
    """The section of a table has a line for each transition, each refused call and each situation, with its clause."""
    section = page().partition(f"## {table.name}\n")[2].partition("\n## ")[0]
    lines = section.splitlines()

    for row in table.transitions:
        assert any(row.state in line and f"| {row.event} | {row.to} | {row.clause} |" in line for line in lines)
    for refusal in table.refusals:
        reasons = [line for line in lines if line.startswith(f"- `{refusal.call}` in ")]
        assert any(refusal.state in line and line.endswith(f": {refusal.clause}") for line in reasons)
    for condition in table.conditions:
        assert f"| {condition.name} | {condition.errno} | {condition.clause} |" in lines


@each_drawn
def test_the_matrix_has_each_errno_under_its_state(table: Table) -> None:
    """A refusal stands in the row of its call and the column of its state, and an empty cell refuses nothing."""
    heads = f"| call | {' | '.join(table.states)} |\n"
    matrix = page().partition(f"## {table.name}\n")[2].partition(heads)[2].partition("\n\n")[0]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in matrix.splitlines()[1:]]

    cells = {(call, state): errno for call, *errnos in rows for state, errno in zip(table.states, errnos, strict=True)}
    assert {place: errno for place, errno in cells.items() if errno} == table.refused
