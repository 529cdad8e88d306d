"""Breaking the model on purpose, one rule at a time: a suite that does not notice has a hole.

A mutant is a class that is laid over parts of the model and overrides one rule. Those written by hand stand in
`fixtures/mutants/` and are mistakes that people make. Those generated from the tables change each row in turn.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from reference.descriptors import Process
from reference.sockets import Socket
from reference.states import OPTIONS
from reference.system import PARTS
from reference.tables import Condition, Refusal, Row, Table, Transition

# Names of parts, by what they have in common.
TCP = ("inet-stream", "inet6-stream")
UDP = ("inet-dgram", "inet6-dgram")
STREAMS = (*TCP, "unix-stream")
CONNECTIONS = (*STREAMS, "unix-seqpacket")
UNIX_CONNECTIONS = ("unix-stream", "unix-seqpacket")
DATAGRAMS = (*UDP, "unix-dgram")
MESSAGES = (*DATAGRAMS, "unix-seqpacket")
UNIX = (*UNIX_CONNECTIONS, "unix-dgram")
INTERNET = (*TCP, *UDP)
EVERY = (*CONNECTIONS, *DATAGRAMS)

# An errno that no call of this interface gives.
_WRONG_ERRNO = "EDOM"


class Mutant:
    """One rule broken. The docstring says what the mutant does, `clause` where the rule stands.

    The class is put in front of the class of each of `parts`, so its methods override theirs and `super()` is
    the correct rule.
    """

    clause: ClassVar[str]
    parts: ClassVar[tuple[str, ...]]


def mutated(mutant: type[Mutant]) -> Mapping[str, type]:
    """Give the parts of a model in which this rule is broken."""
    return {**PARTS, **{name: type(PARTS[name].__name__, (mutant, PARTS[name]), {}) for name in mutant.parts}}


def mutants_in(folder: Path) -> list[type[Mutant]]:
    """Load every mutant of a folder, in the order of files and of their lines.

    Raises:
        ImportError: A file cannot be loaded. What is wrong with it is the exception's cause.
    """
    return [mutant for path in sorted(folder.glob("*.py")) for mutant in _mutants_of(path)]


def _mutants_of(path: Path) -> Iterator[type[Mutant]]:
    spec = importlib.util.spec_from_file_location(f"mutants_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file", path=str(path))
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ImportError(f"{path} cannot be loaded: {error}", path=str(path)) from error
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Mutant) and value.__module__ == module.__name__:
            yield value


@dataclass(frozen=True)
class Generated:
    """A mutant made from a table: the row that was changed, and the parts of the broken model."""

    name: str
    table: str
    description: str
    clause: str
    parts: Mapping[str, type]


def generated() -> Iterator[Generated]:
    """Change each transition and each errno of every table in turn."""
    for table, names in _tables():
        for row in table.rows:
            changed, name, description = _changed(table, row)
            parts = {**PARTS, **{part: _with_table(PARTS[part], table, table.replace(row, changed)) for part in names}}
            yield Generated(f"{table.name}/{name}", table.name, description, row.clause, parts)


def _tables() -> Iterator[tuple[Table, tuple[str, ...]]]:
    """Give every table and the parts that follow it."""
    parts: dict[Table, list[str]] = {}
    for name, part in PARTS.items():
        if issubclass(part, (Socket, Process)):
            parts.setdefault(part.table, []).append(name)
    yield from ((table, tuple(names)) for table, names in parts.items())
    yield OPTIONS, EVERY


def _with_table(part: type, table: Table, changed: Table) -> type:
    attribute = "option_table" if table is OPTIONS else "table"
    return type(part.__name__, (part,), {attribute: changed})


def _changed(table: Table, row: Row) -> tuple[Row, str, str]:
    """Break one row: an event is not noticed, or an errno is another."""
    match row:
        case Transition(state, event, to):
            elsewhere = state if to != state else table.states[(table.states.index(state) + 1) % len(table.states)]
            name = f"{state} -- {event}"
            return replace(row, to=elsewhere), name, f"in {state}, {event} leads to {elsewhere} and not to {to}"
        case Refusal(call, state, errno):
            name = f"{call} in {state}"
            return replace(row, errno=_WRONG_ERRNO), name, f"in {state}, {call} fails with {_WRONG_ERRNO}, not {errno}"
        case Condition(situation, errno):
            return replace(row, errno=_WRONG_ERRNO), situation, f"{situation}: {_WRONG_ERRNO} and not {errno}"
