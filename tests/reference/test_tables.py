"""The tables are whole: every row means something, and every situation that the code names has one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import reference
from reference.states import DESCRIPTORS, OPTIONS, TABLES
from reference.tables import Condition, Table, Transition

EVERY = (*TABLES, DESCRIPTORS, OPTIONS)
SOURCES = sorted(Path(reference.__file__).parent.glob("*.py"))


def calls_in_the_code(name: str) -> Iterator[str]:
    """Give the texts among the arguments of every call of that method or function."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and name in {getattr(node.func, "attr", ""), getattr(node.func, "id", "")}:
                values = [one.value for one in node.args if isinstance(one, ast.Constant)]
                yield from (value for value in values if isinstance(value, str))


def texts_in_the_code() -> set[str]:
    """Give every text constant of the model but those of the tables."""
    return {
        node.value
        for path in SOURCES
        if path.name != "states.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize("table", EVERY, ids=lambda table: table.name)
def test_rows_speak_of_states_that_there_are(table: Table) -> None:
    """A state that is misspelt would make a rule that never holds."""
    named = {state for row in table.transitions for state in (row.state, row.to)}
    named |= {row.state for row in table.refusals}

    assert named <= set(table.states)
    assert table.initial == table.states[0]


@pytest.mark.parametrize("table", EVERY, ids=lambda table: table.name)
def test_no_rule_stands_twice(table: Table) -> None:
    """Of two rows for the same thing one would be silently without effect."""
    assert len(table.next_state) == len(table.transitions)
    assert len(table.refused) == len(table.refusals)
    assert len(table.errno) == len(table.conditions)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_state_can_be_reached(table: Table) -> None:
    """From the initial state, by events."""
    reached, frontier = {table.initial}, [table.initial]
    while frontier:
        state = frontier.pop()
        found = {row.to for row in table.transitions if row.state == state} - reached
        reached |= found
        frontier += found

    assert reached == set(table.states)


@pytest.mark.parametrize("table", EVERY, ids=lambda table: table.name)
def test_every_row_has_a_clause(table: Table) -> None:
    """A rule without a source is an opinion."""
    assert all(row.clause.startswith(("POSIX.1-2024 ", "RFC ", "Linux ")) for row in table.rows)


def test_the_code_names_only_situations_that_have_a_row() -> None:
    """Else a call would end in a KeyError instead of an errno."""
    known = {row.name for table in EVERY for row in table.conditions}

    assert set(calls_in_the_code("refusal")) <= known
    assert {text for text in calls_in_the_code("_refusal") if text != "name"} <= known


def test_every_situation_is_met_by_the_code() -> None:
    """A row that nobody asks for is no rule."""
    assert {row.name for table in EVERY for row in table.conditions} <= texts_in_the_code()


def test_every_event_is_caused_by_the_code() -> None:
    """As above."""
    assert {row.event for table in EVERY for row in table.transitions} <= texts_in_the_code()


def test_the_code_spells_no_errno() -> None:
    """They stand in the tables; the pretend file system fails like any other."""
    errnos = {errno for table in EVERY for errno in (*table.refused.values(), *table.errno.values())}
    spelled = {text for text in texts_in_the_code() if text in errnos}

    assert spelled == {"EEXIST", "ENOENT"} & spelled


def test_a_replaced_row_changes_a_copy() -> None:
    """Mutants must not break the model for others."""
    table = TABLES[0]
    row = table.transitions[0]
    changed = table.replace(row, Transition(row.state, row.event, "ENDED", row.clause))

    assert changed.next_state[row.state, row.event] == "ENDED"
    assert table.next_state[row.state, row.event] == row.to
    assert changed.replace(changed.conditions[0], Condition("x", "EDOM", "")).errno["x"] == "EDOM"
