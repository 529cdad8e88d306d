"""A result as text for a person: what a student reads when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grader.model.verdicts import Finding, Result, Verdict
from grader.report.escape import visible

_TRACE_LINES = 40


def headline(result: Result) -> str:
    """Give the one line of a result: verdict, case, cause and reason."""
    cause = f"  {result.cause}" if result.cause else ""
    reason = f": {result.reason}" if result.reason else ""
    return visible(f"{result.verdict:<11} {result.case}{cause}{reason}")


def explanation(result: Result) -> str:
    """Tell all there is to tell about a result that is not a PASS."""
    return visible("\n".join(_lines(result)))


def _lines(result: Result) -> Iterator[str]:
    yield f"{result.verdict} {result.cause or ''}".rstrip()
    yield f"  {result.title}"
    if result.reason:
        yield f"  {result.reason}"
    for finding in result.findings:
        yield ""
        yield from _finding(finding)
    if result.why and result.verdict is Verdict.FAIL:
        yield f"  why      {result.why}"
    if result.spec and result.verdict is Verdict.FAIL:
        yield f"  rule     {'; '.join(result.spec)}"
    if result.trace and result.verdict is not Verdict.UNSUPPORTED:
        yield ""
        yield "  what happened:"
        yield from _trace(result)
    if result.stdout:
        yield ""
        yield "  the code printed:"
        yield from (f"    {line}" for line in result.stdout.splitlines())
    if result.verdict is not Verdict.UNSUPPORTED:
        yield ""
        yield f"  repeat   {result.repeat_command}"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"  step     {finding.call}"
    yield f"           {_places(finding)}"
    yield f"  expected {finding.expected}"
    yield f"  got      {finding.got}"
    if finding.after:
        yield f"  after    {finding.after}"
    if finding.hint:
        yield f"  hint     {finding.hint}"


def _places(finding: Finding) -> str:
    used = "".join(f" (from {mark.file}:{mark.line})" for mark in finding.called_from)
    return f"{finding.mark.file}:{finding.mark.line}{used}"


def _trace(result: Result) -> Iterator[str]:
    lines = result.trace
    if len(lines) > _TRACE_LINES:
        yield f"    ... {len(lines) - _TRACE_LINES} earlier calls"
        lines = lines[-_TRACE_LINES:]
    width = max(len(line.actor) for line in lines)
    for line in lines:
        mark = ">" if line.wrong else " "
        yield f"  {mark} {line.actor:<{width}}  {line.call} = {line.answer}"


def counts(results: Sequence[Result]) -> dict[Verdict, int]:
    """Count the results of each verdict, all verdicts named."""
    return {verdict: sum(result.verdict is verdict for result in results) for verdict in Verdict}


def summary(results: Sequence[Result], seconds: float) -> str:
    """Give the closing line of a run."""
    shown = ", ".join(f"{number} {verdict}" for verdict, number in counts(results).items() if number)
    return f"{shown or 'no cases'} in {seconds:.1f} s"
