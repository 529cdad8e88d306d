"""Whatever the case and whatever the world: the machine comes to an end and writes a history that makes sense."""

from __future__ import annotations

import contextlib
from collections import Counter
from random import Random

from hypothesis import given, settings

from grader.model.errors import InternalError
from grader.model.histories import Done, Issued, Returned, SeenBlocked
from tests.engine.anything import any_case, run, seeds


@settings(max_examples=300, deadline=None)
@given(seeds)
def test_every_history_makes_sense(seed: int) -> None:
    """A call returns at most once, after it was issued; a step ends at most once; only what was issued is seen."""
    random = Random(seed)

    events = run(any_case(random), random)

    issued: set[int] = set()
    for event in events:
        if isinstance(event, Issued):
            assert event.call not in issued
            issued.add(event.call)
        elif isinstance(event, (Returned, SeenBlocked)):
            assert event.call in issued
    assert max(Counter(event.call for event in events if isinstance(event, Returned)).values(), default=0) <= 1
    assert max(Counter(event.step for event in events if isinstance(event, Done)).values(), default=0) <= 1


@settings(max_examples=200, deadline=None)
@given(seeds)
def test_an_impossible_reply_is_our_fault_and_nothing_worse(seed: int) -> None:
    """A session that breaks the protocol gives an internal error, which becomes UNRESOLVED."""
    random = Random(seed)

    with contextlib.suppress(InternalError):
        run(any_case(random), random, cheats=True)
