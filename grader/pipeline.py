"""The spine: a case and a target in, a judged result out. Both front doors go through here, and only here."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from grader.engine import loop
from grader.model.deviations import Known, id_matches
from grader.model.errors import UsageError
from grader.model.histories import History
from grader.model.scenarios import Case
from grader.model.verdicts import Result
from grader.ops import OPERATIONS, Group
from grader.targets.protocol import Profile, Target
from grader.verdict import deviations
from grader.verdict.judge import judge
from grader.verdict.match import decide

_CALLED = frozenset({Group.SOCKET, Group.PATH, Group.PROGRAM})
# What a target is asked to do for a step: a composite asks for its primitive, some steps ask for nothing.
_ASKED = {
    name: op.primitive or name for name, op in OPERATIONS.items() if OPERATIONS[op.primitive or name].group in _CALLED
}

_NOTHING = Known()


def version() -> str:
    """Give the version of this distribution."""
    from importlib import metadata  # noqa: PLC0415 - costs as much as a whole run of one case

    return metadata.version("sockgrade")


def suites_folder() -> Path:
    """Give the folder of the suites: the one an installed package carries, or the one beside the package."""
    here = Path(__file__).resolve().parent
    for folder in (here / "suites", here.parent / "suites"):
        if folder.is_dir():
            return folder
    raise UsageError("the suites are missing: neither an installed copy nor a checkout has a folder `suites`")


@lru_cache(maxsize=4096)
def _needed(needs: tuple[str, ...], ops: frozenset[str]) -> frozenset[str]:
    """Give the features and operations that a target must have for such a case: few cases differ in that."""
    return frozenset({*needs, *(_ASKED[op] for op in ops if op in _ASKED)})


def unsupported(case: Case, profile: Profile, known: Known = _NOTHING) -> str:
    """Say what the case needs and the target does not offer, or give an empty text."""
    for left_out in known.left_out:
        if any(id_matches(pattern, case.id) for pattern in left_out.cases):
            return f"the assignment leaves it out: {left_out.reason}"
    needed = _needed(case.needs, case.ops)
    lacking = needed - profile.features - profile.ops
    if known.lacks:
        lacking |= needed & known.lacks.keys()
    if not lacking:
        return ""
    missing = {**profile.missing, **known.lacks}
    return "; ".join(f"needs {need}: {missing.get(need, 'this target does not offer it')}" for need in sorted(lacking))


def observe(case: Case, target: Target, known: Known = _NOTHING, *, time_scale: float = 1.0) -> History:
    """Run a case, or say in its history why it cannot be run here."""
    reason = unsupported(case, target.profile, known)
    if reason:
        return History(case.id, target.profile.name, case.digest, complete=True, unsupported=reason)
    return loop.run(case, target, decide, time_scale=time_scale)


def run_case(case: Case, target: Target, known: Known = _NOTHING, *, time_scale: float = 1.0) -> tuple[Result, History]:
    """Run one case and judge it; the history comes along, and holds all that the result was made from."""
    history = observe(case, target, known, time_scale=time_scale)
    return judge_history(case, history, known), history


def judge_history(case: Case, history: History, known: Known = _NOTHING) -> Result:
    """Give the result that a history is worth in the light of what is known of its target."""
    return deviations.apply(known, judge(case, history))


def unresolved(case: Case, target: str, reason: str) -> tuple[Result, History]:
    """Give the result of a case that could not be run for a reason of ours."""
    history = History(case.id, target, case.digest, fault=reason)
    return judge(case, history), history
