"""A conversation on both sides, and the first step at which they do not say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from grader.model.scenarios import Case, Step
from grader.targets.protocol import Target
from tests.agreement.allowed import ALLOWED, Scene
from tests.agreement.sides import SKIPPED, Seen, play


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two sides part: `steps` end with the call whose outcomes differ, `seen` is what the host gave for each."""

    steps: tuple[Step, ...]
    seen: tuple[Seen, ...]
    host: Seen
    model: Seen

    @property
    def signature(self) -> tuple[str, ...]:
        """What the difference is about, whatever led to it: the call, the kind of socket, both outcomes in short."""
        mine, theirs = dict(self.host.fields), dict(self.model.fields)
        parted = tuple(name for name in sorted(mine | theirs) if mine.get(name) != theirs.get(name))
        option = str(self.steps[-1].args.get("name", ""))
        outcomes = _short(self.host, self.model, parted), _short(self.model, self.host, parted)
        return (self.steps[-1].op, option, *self.host.kind, *outcomes)

    def __str__(self) -> str:
        before = [f"  {shown(step):70}  {seen}" for step, seen in zip(self.steps[:-1], self.seen, strict=False)]
        last = f"  {shown(self.steps[-1])}", f"      host   {self.host}", f"      model  {self.model}"
        return "\n".join((*before, *last))


def _short(seen: Seen, other: Seen, parted: Sequence[str]) -> str:
    """Give an outcome without what differs from one conversation to the next, such as which socket is ready."""
    more = {word.partition(".")[2] for word in set(_ready(seen)) - set(_ready(other))}
    return " ".join((seen.errno or seen.how, *seen.signals, *parted, *sorted(more)))


def _ready(seen: Seen) -> tuple[str, ...]:
    ready = dict(seen.fields).get("ready", ())
    return ready if isinstance(ready, tuple) else ()


@dataclass(slots=True)
class Tally:
    """What a run came to: calls by operation, outcomes, how often each difference was allowed."""

    calls: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    allowed: Counter[str] = field(default_factory=Counter)
    unmodelled: Counter[str] = field(default_factory=Counter)


def compare(case: Case, host: Target, model: Target, tally: Tally | None = None) -> Difference | None:
    """Make the calls of a case on both sides; gives the first difference that is not allowed, or None.

    The model goes first: a call of a form that it refuses to imitate is not made on the host either.
    """
    theirs = play(case, model)
    unmodelled = frozenset(number for number, seen in enumerate(theirs) if seen.how == "unmodelled")
    ours = play(case, host, unmodelled)
    tally = tally or Tally()
    for number, (step, mine, other) in enumerate(zip(case.steps, ours, theirs, strict=False)):
        if number in unmodelled:
            tally.unmodelled[str(dict(other.fields)["reason"])] += 1
        if SKIPPED in (mine, other):
            continue
        tally.calls[step.op] += 1
        tally.outcomes[mine.errno or mine.how] += 1
        if mine == other:
            if mine.how == "waits":
                return None  # none was to be made that does; there is no telling when it ends
            continue
        scene = Scene(step, mine, other, case.steps[:number], ours[:number])
        row = next((row for row in ALLOWED if row.fits(scene)), None)
        if row is None:
            return Difference(case.steps[: number + 1], ours, mine, other)
        tally.allowed[row.name] += 1
        if row.parts or mine.how != other.how:
            return None  # from here on the two are in different states
    return None


def shown(step: Step) -> str:
    """Give a step in one line."""
    names = f" as {', '.join(step.binds)}" if step.binds else ""
    words = [f"{name}={_value(value)}" for name, value in step.args.items()]
    return f"{step.op}({', '.join(words)}){names}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value) if isinstance(value, bytes) else str(value)
