"""What the tables are made of: rows, and the table of one kind of socket.

A table has three parts, and everything that a call may do to a socket is in one of them:

* *transitions*: a state and an event give the next state. An event is a call of the program, or something
  that arrives from the other end.
* *refusals*: a call and a state give an errno. The call is not for this state, whatever its arguments are.
* *conditions*: a situation gives an errno. The state is right and the world is not: the address is taken,
  nobody listens, the path does not exist.

The code of the model never spells an errno and never assigns a state: it asks the table. So a rule can be read,
drawn (`docs/states.md`) and broken on purpose (`reference.mutation`) in one place. The tables themselves stand
in `reference.states`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias, TypeVar


@dataclass(frozen=True)
class Transition:
    """In `state`, `event` leads to the state `to`."""

    state: str
    event: str
    to: str
    clause: str


@dataclass(frozen=True)
class Refusal:
    """In `state`, `call` fails with `errno`."""

    call: str
    state: str
    errno: str
    clause: str


@dataclass(frozen=True)
class Condition:
    """In the situation `name` a call fails with `errno`."""

    name: str
    errno: str
    clause: str


Row: TypeAlias = Transition | Refusal | Condition
T = TypeVar("T", Transition, Refusal, Condition)


@dataclass(frozen=True)
class Table:
    """The rules of one kind of socket: its states, the first of which is `initial`, and the rows."""

    name: str
    initial: str
    states: tuple[str, ...]
    transitions: tuple[Transition, ...]
    refusals: tuple[Refusal, ...]
    conditions: tuple[Condition, ...]

    @cached_property
    def next_state(self) -> Mapping[tuple[str, str], str]:
        """State and event to the next state."""
        return {(row.state, row.event): row.to for row in self.transitions}

    @cached_property
    def refused(self) -> Mapping[tuple[str, str], str]:
        """Call and state to the errno."""
        return {(row.call, row.state): row.errno for row in self.refusals}

    @cached_property
    def errno(self) -> Mapping[str, str]:
        """Situation to the errno."""
        return {row.name: row.errno for row in self.conditions}

    @property
    def rows(self) -> Iterator[Row]:
        """Every row, in order."""
        yield from self.transitions
        yield from self.refusals
        yield from self.conditions

    def replace(self, row: Row, changed: Row) -> Table:
        """Give a copy in which one row is another."""
        return replace(
            self,
            transitions=tuple(_swap(self.transitions, row, changed)),
            refusals=tuple(_swap(self.refusals, row, changed)),
            conditions=tuple(_swap(self.conditions, row, changed)),
        )


def _swap(rows: tuple[T, ...], row: Row, changed: Row) -> Iterator[T]:
    return (changed if one is row else one for one in rows)  # type: ignore[misc]  # of the same kind as the row


def transitions(text: str, clauses: Mapping[str, str]) -> tuple[Transition, ...]:
    """Read rows of the form `STATE -- event -> STATE, clause`; the clause is a key of `clauses`."""
    rows = []
    for line in _lines(text):
        left, _, right = line.partition(" -> ")
        state, _, event = left.partition(" -- ")
        to, _, clause = right.partition(", ")
        rows += [Transition(one, event.strip(), to.strip(), clauses[clause.strip()]) for one in state.split()]
    return tuple(rows)


def refusals(text: str, clauses: Mapping[str, str]) -> tuple[Refusal, ...]:
    """Read rows of the form `call in STATE STATE: ERRNO, clause`."""
    rows = []
    for line in _lines(text):
        left, _, right = line.partition(": ")
        call, _, states = left.partition(" in ")
        errno, _, clause = right.partition(", ")
        rows += [Refusal(call.strip(), state, errno.strip(), clauses[clause.strip()]) for state in states.split()]
    return tuple(rows)


def conditions(text: str, clauses: Mapping[str, str]) -> tuple[Condition, ...]:
    """Read rows of the form `situation: ERRNO, clause`."""
    rows = []
    for line in _lines(text):
        name, _, right = line.partition(": ")
        errno, _, clause = right.partition(", ")
        rows.append(Condition(name.strip(), errno.strip(), clauses[clause.strip()]))
    return tuple(rows)


def _lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if line.strip())
