"""What a scenario may ask of its whole case, over and above its steps (`invariants:`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from grader.model.histories import History, Issued, Returned
from grader.model.outcomes import Succeeded
from grader.model.scenarios import Case
from grader.model.verdicts import Finding

_MAKERS = frozenset({"socket", "accept", "dup", "socketpair"})


def findings(case: Case, history: History) -> Iterator[Finding]:
    """Give a finding for each invariant of the case that its history breaks."""
    for name in case.invariants:
        broken = _CHECKS[name](history)
        if broken is not None:
            issued, expected, got = broken
            step = next(step for step in case.every_step if step.path == issued.step)
            yield Finding(step.path, f"{issued.op}()", expected, got, step.mark, step.called_from)


_Broken = tuple[Issued, str, str] | None


def _descriptors(history: History) -> Iterator[tuple[Issued, list[int], int | None]]:
    """Give for each call that ended well: the call, the descriptors it made, the one it closed."""
    issued = {event.call: event for event in history.events if isinstance(event, Issued)}
    for event in history.events:
        if not isinstance(event, Returned) or not isinstance(event.outcome, Succeeded):
            continue
        call, fields = issued[event.call], event.outcome.fields
        made = [fd for name in ("sock", "other") if isinstance(fd := fields.get(name), int)]
        closed = call.args.get("sock") if call.op == "close" else None
        yield call, made if call.op in _MAKERS else [], closed if isinstance(closed, int) else None


def _lowest(history: History) -> _Broken:
    """Source: POSIX.1-2024 XSH 2.6.1, File Descriptor Allocation."""
    free: set[int] = set()
    for call, made, closed in _descriptors(history):
        for fd in made:
            if free and fd > min(free):
                return call, f"the lowest free descriptor, {min(free)}", f"descriptor {fd}"
            free.discard(fd)
        if closed is not None:
            free.add(closed)
    return None


def _distinct(history: History) -> _Broken:
    open_now: set[int] = set()
    for call, made, closed in _descriptors(history):
        for fd in made:
            if fd in open_now:
                return call, "a descriptor that no open socket has", f"descriptor {fd}, which is open"
            open_now.add(fd)
        if closed is not None:
            open_now.discard(closed)
    return None


_CHECKS: dict[str, Callable[[History], _Broken]] = {"lowest-descriptor": _lowest, "distinct-descriptors": _distinct}
