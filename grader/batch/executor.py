"""Runs cases on one or several worker processes; each worker opens the target for itself."""

from __future__ import annotations

import atexit
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grader import pipeline
from grader.model.deviations import Deviation
from grader.model.histories import History
from grader.model.scenarios import Case
from grader.model.verdicts import Result
from grader.targets.protocol import Profile, Target
from grader.targets.resolve import open_target

if TYPE_CHECKING:  # imported when several workers are asked for: start-up is part of the product
    from concurrent.futures import Future, ProcessPoolExecutor


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run: the target by name, the known deviations, and how patient to be."""

    target: str
    deviations: tuple[Deviation, ...] = ()
    time_scale: float = 1.0
    jobs: int = 1


def profile_of(spec: str) -> Profile:
    """Open a target just long enough to know it."""
    target = open_target(spec)
    try:
        return target.profile
    finally:
        target.close()


def run(cases: Sequence[Case], order: Order) -> Generator[tuple[Result, History], None, None]:
    """Run the cases; gives result and history of each in the order of `cases`, as soon as it is there.

    A worker that dies makes the case it held UNRESOLVED; the others run on in a fresh one.
    """
    if order.jobs > 1:
        yield from _run_in_workers(cases, order)
        return
    target = open_target(order.target)
    try:
        for case in cases:
            yield pipeline.run_case(case, target, order.deviations, time_scale=order.time_scale)
    finally:
        target.close()


def _run_in_workers(cases: Sequence[Case], order: Order) -> Iterator[tuple[Result, History]]:
    left = list(cases)
    while left:
        with _pool(order) as pool:
            futures = [(case, pool.submit(_run_one, case)) for case in left]
            for done, (case, future) in enumerate(futures, 1):
                pair = _result_of(future)
                yield pair or pipeline.unresolved(case, order.target, "the worker that ran this case died")
                if pair is None:
                    left = left[done:]
                    break
            else:
                return


def _pool(order: Order) -> ProcessPoolExecutor:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # spawn: a worker must not inherit threads or descriptors of whoever starts it
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(order.jobs, context, _open, (order,))


def _result_of(future: Future[tuple[Result, History]]) -> tuple[Result, History] | None:
    from concurrent.futures.process import BrokenProcessPool

    try:
        return future.result()
    except BrokenProcessPool:
        return None


class _Worker:
    """What a worker process keeps from case to case."""

    order: Order
    target: Target


def _open(order: Order) -> None:
    _Worker.order = order
    _Worker.target = open_target(order.target)
    atexit.register(_Worker.target.close)


def _run_one(case: Case) -> tuple[Result, History]:
    return pipeline.run_case(case, _Worker.target, _Worker.order.deviations, time_scale=_Worker.order.time_scale)
