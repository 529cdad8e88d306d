"""A proof as text for a terminal or a CI log, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from grader.prove.proof import HANG, Generated, Proof, Row, scenario_of
from grader.report.escape import visible

FORMAT = 1
_EXAMPLES = 3
_BLOCK = 10  # columns of the matrix that stand together, so that an eye can count them


def text(proof: Proof | Generated) -> str:
    """Tell a proof: who caught each mutant, the matrix, the sums; of generated mutants those that survive."""
    if isinstance(proof, Generated):
        return visible("\n".join(_survivors(proof)))
    parts = [_mutants(proof.mutants), _matrix(proof), _sums(proof)]
    return visible("\n\n".join("\n".join(lines) for lines in parts))


def _mutants(rows: Sequence[Row]) -> list[str]:
    """Give a line for each mutant: its number, which is its column, and who catches it."""
    width = max((len(row.name) for row in rows), default=0)
    return [
        f"{number:>3} {row.name:<{width}} {len(row.caught_by):>5} cases {len(row.scenarios):>4} scenarios"
        f"{_hangs(row)}  {row.clause}: {_examples(row)}"
        for number, row in enumerate(rows, start=1)
    ]


def _hangs(row: Row) -> str:
    hangs = sum(cause == HANG for cause in row.caught_by.values())
    return f" ({hangs} by {HANG})" if hangs else ""


def _examples(row: Row) -> str:
    """Name a few of the cases, each of another scenario as far as there are so many."""
    first = {scenario_of(case): case for case in reversed(row.caught_by)}
    return ", ".join([*first.values()][::-1][:_EXAMPLES]) or "NOT CAUGHT"


def _matrix(proof: Proof) -> list[str]:
    """Give a line for each scenario, and above those of a suite the number of the first column of each block."""
    suites = [scenario.rpartition("/") for scenario in proof.scenarios]
    width = max((max(len(suite), len(name) + 2) for suite, _, name in suites), default=0)
    heads = [str(number + 1) for number in range(0, len(proof.mutants), _BLOCK)]
    head = " ".join(f"{number:<{_BLOCK}}" for number in heads).rstrip()
    lines = ["each column a mutant by its number; # all cases of the scenario catch it, + some, ! it hangs, . none"]
    before = None
    for suite, _, name in suites:
        if suite != before:
            lines += [f"{suite:<{width}} {head}"]
            before = suite
        scenario = f"{suite}/{name}" if suite else name
        lines.append(f"  {name:<{width - 2}} {_cells(proof, scenario)}")
    return lines


def _cells(proof: Proof, scenario: str) -> str:
    cases = [case for case in proof.scenarios[scenario] if case not in proof.reference.seen]
    marks = "".join(_cell(row, cases) for row in proof.mutants)
    return " ".join(marks[start : start + _BLOCK] for start in range(0, len(marks), _BLOCK))


def _cell(row: Row, cases: Sequence[str]) -> str:
    causes = [row.caught_by[case] for case in cases if case in row.caught_by]
    if not causes:
        return "."
    if set(causes) == {HANG}:
        return "!"
    return "#" if len(causes) == len(cases) else "+"


def _sums(proof: Proof) -> list[str]:
    count = len(proof.cases)
    caught = sum(bool(row.caught_by) for row in proof.mutants)
    able = sum(map(bool, proof.catches.values()))
    return [
        f"the reference passes {count - len(proof.reference.seen)} of {count} cases",
        f"the stub, where every call fails, passes {len(proof.passed_by_stub)} of {count} cases",
        f"{caught} of {len(proof.mutants)} mutants are caught",
        f"{able} of {len(proof.scenarios)} scenarios catch at least one",
    ]


def _survivors(proof: Generated) -> Iterator[str]:
    for row in proof.survivors:
        yield from _survivor(row, proof.explained.get(row.name, ""))
    survive = len(proof.survivors)
    explained = sum(row.name in proof.explained for row in proof.survivors)
    yield f"{len(proof.rows) - survive} of {len(proof.rows)} generated mutants are caught"
    yield f"{survive} survive, {explained} of them explained"


def _survivor(row: Row, reason: str) -> Iterator[str]:
    yield f"survives {row.name}: {row.sentence} ({row.clause})"
    if row.fault or row.spoilt:
        yield f"         breaks the model: {row.fault or next(iter(row.spoilt.values()))}"
    if reason:
        yield f"         explained: {reason}"


def to_json(proof: Proof | Generated, version: str) -> str:
    """Give a proof as JSON text."""
    facts: dict[str, Any] = {
        "format": FORMAT,
        "sockgrade": version,
        "reference": _row(proof.reference),
        "complaints": [*proof.complaints()],
        **(_generated(proof) if isinstance(proof, Generated) else _proof(proof)),
    }
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"


def _proof(proof: Proof) -> dict[str, Any]:
    return {
        "stub": {"passes": proof.passed_by_stub},
        "mutants": [_row(row) for row in proof.mutants],
        "scenarios": [
            {"scenario": scenario, "cases": proof.scenarios[scenario], "catches": mutants}
            for scenario, mutants in proof.catches.items()
        ],
    }


def _generated(proof: Generated) -> dict[str, Any]:
    return {"generated": [{**_row(row), "explained": proof.explained.get(row.name, "")} for row in proof.rows]}


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "sentence": row.sentence,
        "clause": row.clause,
        "fault": row.fault,
        "caught_by": row.caught_by,
        "spoilt": row.spoilt,
        "unsupported": [case for case in row.seen if case not in row.caught_by and case not in row.spoilt],
    }
