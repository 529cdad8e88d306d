"""Runs cases on one or several worker processes; each worker opens the target for itself."""

from __future__ import annotations

import atexit
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from grader import pipeline
from grader.model.deviations import Known
from grader.model.histories import History
from grader.model.scenarios import Case
from grader.model.verdicts import Result
from grader.targets.protocol import Target
from grader.targets.resolve import open_target

if TYPE_CHECKING:  # imported when several workers are asked for: start-up is part of the product
    from concurrent.futures import Future, ProcessPoolExecutor

    from grader.targets.compiling import Built


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run: the target by name, what is known of it, and how patient to be.

    `built` is the program, where that is the target; whoever gives the order keeps its folder.
    """

    target: str
    known: Known = Known()
    time_scale: float = 1.0
    jobs: int = 1
    built: Built | None = None


def run(cases: Sequence[Case], order: Order) -> Generator[tuple[Result, History], None, None]:
    """Run the cases; gives result and history of each in the order of `cases`, as soon as it is there.

    A worker that dies makes the case it held UNRESOLVED; the others run on in a fresh one.

    Raises:
        SockgradeError: the target cannot be opened.
    """
    if order.jobs > 1:
        yield from _run_in_workers(cases, order)
        return
    target = _open(order)
    try:
        for case in cases:
            yield pipeline.run_case(case, target, order.known, time_scale=order.time_scale)
    finally:
        target.close()


def _run_in_workers(cases: Sequence[Case], order: Order) -> Iterator[tuple[Result, History]]:
    left = deque(cases)
    while left:
        yield from _run_while_all_live(left, order)
        if left:
            yield _run_alone(left.popleft(), order)


def _run_while_all_live(left: deque[Case], order: Order) -> Iterator[tuple[Result, History]]:
    """Take each case away as its result comes; stops when a worker dies, which spoils every case then under way."""
    with _pool(order) as pool:
        for future in _submit(pool, left, order):
            pair = _result_of(future)
            if pair is None:
                return
            left.popleft()
            yield pair


def _submit(pool: ProcessPoolExecutor, cases: Iterable[Case], order: Order) -> list[Future[tuple[Result, History]]]:
    from concurrent.futures.process import BrokenProcessPool

    futures: list[Future[tuple[Result, History]]] = []
    # Workers are started here, and inherit the mask: Ctrl-C waits until they have a handler for it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    with suppress(BrokenProcessPool):  # what has died already takes no more; the results will tell
        futures.extend(pool.submit(_run_one, case, order) for case in cases)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return futures


def _run_alone(case: Case, order: Order) -> tuple[Result, History]:
    """Find out whether this case or its neighbour took the worker along, so that only the one that did is charged."""
    with _pool(replace(order, jobs=1)) as pool:
        (future,) = _submit(pool, [case], order)
        pair = _result_of(future)
    return pair or pipeline.unresolved(case, order.target, "the worker that ran this case died")


@contextmanager
def _pool(order: Order) -> Iterator[ProcessPoolExecutor]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # spawn: a worker must not inherit threads or descriptors of whoever starts it
    pool = ProcessPoolExecutor(order.jobs, multiprocessing.get_context("spawn"), _leave_interrupts)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # who stops early, or is interrupted, does not wait for the rest


def _result_of(future: Future[tuple[Result, History]]) -> tuple[Result, History] | None:
    from concurrent.futures.process import BrokenProcessPool

    try:
        return future.result()
    except BrokenProcessPool:
        return None


def _leave_interrupts() -> None:
    """Let the first process alone answer Ctrl-C, which the terminal sends to all; a handler is not inherited."""
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _run_one(case: Case, order: Order) -> tuple[Result, History]:
    return pipeline.run_case(case, _opened(order), order.known, time_scale=order.time_scale)


def _open(order: Order) -> Target:
    if order.built is None:
        return open_target(order.target)
    from grader.targets.program import open_built

    return open_built(order.built)


_targets: dict[str, Target] = {}


def _opened(order: Order) -> Target:
    """Open the target once in this worker; one that cannot be opened is told to whoever waits for the result."""
    if order.target not in _targets:
        target = _targets[order.target] = _open(order)
        atexit.register(target.close)
    return _targets[order.target]
