"""Many conversations, one after the other, each on both sides: what a run finds."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from grader.targets.protocol import Target
from tests.agreement.compare import Difference, Tally, compare
from tests.agreement.rules import conversation

Signature = tuple[str, ...]


@dataclass(slots=True)
class Found:
    """What a run has found: by signature the shortest difference, how often it came, and under which seed first."""

    tally: Tally = field(default_factory=Tally)
    differences: dict[Signature, Difference] = field(default_factory=dict)
    times: Counter[Signature] = field(default_factory=Counter)
    seeds: dict[Signature, int] = field(default_factory=dict)
    unsteady: list[Difference] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """How many calls were made and compared."""
        return self.tally.calls.total()

    def take(self, found: Difference, seed_: int) -> None:
        """Take in a difference."""
        key = found.signature
        self.times[key] += 1
        self.seeds.setdefault(key, seed_)
        known = self.differences.get(key)
        if known is None or len(found.steps) < len(known.steps):
            self.differences[key] = found


def explore(host: Target, model: Target, *, calls: int, first_seed: int, stop: bool = False) -> Found:
    """Compare until so many calls are made; with `stop`, until the first difference.

    Conversations come from seeds that follow one another: the seed of a failure, given as the first, finds it at once.
    """
    found = Found()
    for seed in itertools.count(first_seed):
        look(seed, host, model, found)
        if found.calls >= calls or (stop and found.differences):
            break
    return found


def look(seed: int, host: Target, model: Target, found: Found) -> None:
    """Compare one conversation, and take in what comes of it.

    A difference is looked at twice: what does not come again is chance on the host (two sockets of one case that
    were given the same port number, say) and is kept apart.
    """
    case = conversation(Random(seed).randrange)
    difference = compare(case, host, model, found.tally)
    if difference is not None:
        again = compare(case, host, model)
        if again is None or again.signature != difference.signature:
            found.unsteady.append(difference)
        else:
            found.take(difference, seed)
