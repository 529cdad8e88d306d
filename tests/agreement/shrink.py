"""Makes a conversation as short as it can be while it still ends in the same difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from grader.model.scenarios import Step
from grader.model.values import Value
from grader.targets.protocol import Target
from tests.agreement.author import case_of
from tests.agreement.compare import Difference, compare
from tests.agreement.sides import SKIPPED

Steps = tuple[Step, ...]


def shrink(found: Difference, host: Target, model: Target) -> Difference:
    """Take away steps, then parts of steps, until nothing more can go."""

    def still(steps: Steps) -> Difference | None:
        again = compare(case_of(steps), host, model)
        return again if again is not None and again.signature == found.signature else None

    best = found
    while True:
        shorter = _without_steps(_without_skipped(best, still), still)
        simpler = _simplified(shorter, still)
        if simpler.steps == best.steps:
            return best
        best = simpler


Still = Callable[[Steps], Difference | None]


def _without_skipped(found: Difference, still: Still) -> Difference:
    kept = tuple(step for step, seen in zip(found.steps, found.seen, strict=False) if seen != SKIPPED)
    return (still(kept) if len(kept) < len(found.steps) else None) or found


def _without_steps(found: Difference, still: Still) -> Difference:
    """Take away runs of steps, long ones first; the last step is where the sides differ and stays."""
    size = len(found.steps)
    while size := size // 2:
        start = 0
        while start < len(found.steps) - 1:
            end = min(start + size, len(found.steps) - 1)
            shorter = still(found.steps[:start] + found.steps[end:])
            if shorter is None:
                start = end
            else:
                found = shorter
    return found


def _simplified(found: Difference, still: Still) -> Difference:
    for number in range(len(found.steps)):
        for simpler in _simpler(found.steps[number]):
            again = still((*found.steps[:number], simpler, *found.steps[number + 1 :]))
            if again is not None and len(again.steps) == len(found.steps):
                found = again
    return found


def _simpler(step: Step) -> Iterator[Step]:
    """Give simpler forms of a step: without an argument it can do without, or with a plainer value."""
    for name, plain in _PLAINER.items():
        if name in step.args and step.args[name] != plain:
            args = dict(step.args)
            if plain is None:
                del args[name]
            else:
                args[name] = plain
            yield replace(step, args=args)
    watch = step.args.get("watch")
    if isinstance(watch, tuple) and len(watch) > 1:
        for one in watch:
            yield replace(step, args={**step.args, "watch": (one,)})
    if step.op in ("write", "sendmsg") and "addr" not in step.args:
        flags = {"flags": step.args["flags"]} if "flags" in step.args else {}
        yield replace(step, op="send", args={"sock": step.args["sock"], "data": b"x", **flags})
    if step.op in ("read", "recvfrom", "recvmsg"):
        kept = {name: step.args[name] for name in ("sock", "size", "flags") if name in step.args}
        yield replace(step, op="recv", args={"size": 64, **kept}, binds=())


_PLAINER: dict[str, Value] = {
    "flags": None, "level": None, "proto": None, "nonblock": None,
    "data": b"x", "parts": (b"x",), "size": 64, "sizes": (64,), "backlog": 5,
}  # fmt: skip
