"""Results as JSON: the form for programs, and the one from which others can be made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from grader.model.verdicts import Finding, Result
from grader.report.to_text import counts

FORMAT = 1


def to_json(results: Sequence[Result], *, target: str, isolation: str, version: str) -> str:
    """Give the JSON text of a run: a header, the counts and one object for each case."""
    return (
        json.dumps(
            {
                "format": FORMAT,
                "sockgrade": version,
                "target": target,
                "isolation": isolation,
                "counts": {str(verdict): number for verdict, number in counts(results).items()},
                "results": [_result(result) for result in results],
            },
            indent=1,
            sort_keys=True,
        )
        + "\n"
    )


def _result(result: Result) -> dict[str, Any]:
    return {
        "case": result.case,
        "title": result.title,
        "verdict": result.verdict,
        "cause": result.cause,
        "reason": result.reason,
        "level": result.level,
        "section": result.section,
        "points": result.points,
        "claims": result.claims,
        "spec": result.spec,
        "why": result.why,
        "tolerated": result.tolerated,
        "seconds": round(result.seconds, 6),
        "findings": [_finding(finding) for finding in result.findings],
        "trace": [f"{line.actor}: {line.call} = {line.answer}" for line in result.trace],
        "printed": result.stdout,
        "repeat": result.repeat_command,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "step": finding.step,
        "call": finding.call,
        "expected": finding.expected,
        "got": finding.got,
        "after": finding.after,
        "hint": finding.hint,
        "place": str(finding.mark),
        "called_from": [str(mark) for mark in finding.called_from],
    }
