"""Known deviations laid over verdicts, strictly both ways.

A listed case that fails is UNSUPPORTED with the listed reason. A listed case that passes means that
the list is wrong, and that is ours to mend: UNRESOLVED, until the line is taken out.
"""

from __future__ import annotations

from grader.model.deviations import Known
from grader.model.verdicts import Cause, Result, Verdict


def apply(known: Known, result: Result) -> Result:
    """Give the result as it stands in the light of what is known of its target."""
    if not known.deviations:
        return result
    deviation = next((one for one in known.deviations if one.covers(result.case)), None)
    if deviation is None:
        return result
    if result.verdict is Verdict.FAIL:
        reason = f"known deviation: {deviation.reason} ({deviation.source})"
        return result._replace(verdict=Verdict.UNSUPPORTED, cause=Cause.DEVIATION, reason=reason)
    if result.verdict is Verdict.PASS:
        reason = f"{deviation.mark}: this case is listed as a deviation and passes; take it out of the list"
        return result._replace(verdict=Verdict.UNRESOLVED, cause=Cause.INVALID_SUITE, reason=reason)
    return result
