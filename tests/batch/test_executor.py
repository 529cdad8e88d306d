"""Cases on one process or on several: the same results in order, and a worker that dies is survived."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from grader.batch.executor import Order, run
from grader.model.deviations import Deviation, Known
from grader.model.errors import TargetError
from grader.model.marks import Mark
from grader.model.scenarios import Case
from grader.model.verdicts import Cause, Result, Verdict
from grader.sandbox.introspect import look_at_process
from grader.scenario import load
from tests.shell import FAILS, PASSES, WAITS, same_network, write

pytestmark = pytest.mark.slow  # workers are processes that load everything


@pytest.fixture(autouse=True)
def _network() -> Iterator[None]:
    with same_network():
        yield


def make(folder: Path, *scenarios: str) -> tuple[Case, ...]:
    """Give the cases of these scenarios."""
    return load([write(folder, *scenarios)]).cases


def many(scenario: str, count: int) -> list[str]:
    """Give a scenario again and again, each with an id of its own."""
    word = scenario.partition("id: ")[2].partition("\n")[0]
    return [scenario.replace(f"id: {word}", f"id: {word}-{number}") for number in range(count)]


def told(result: Result) -> tuple[str, Verdict, Cause | None]:
    """Give what must be the same however a case was run."""
    return result.case, result.verdict, result.cause


@contextmanager
def killing_who_waits_in(call: str) -> Iterator[list[int]]:
    """Kill, as long as this lasts, every worker of ours that is seen asleep in that call; gives their numbers."""
    ended = threading.Event()
    killed: list[int] = []

    def hunt() -> None:
        while not ended.is_set():
            for worker in _children():
                if worker not in killed and look_at_process(worker, worker).call == call:
                    killed.append(worker)
                    os.kill(worker, signal.SIGKILL)  # still ours: nobody else waits for it

    hunter = threading.Thread(target=hunt)
    hunter.start()
    try:
        yield killed
    finally:
        ended.set()
        hunter.join()


def _children() -> list[int]:
    tasks = Path(f"/proc/{os.getpid()}/task")
    children: list[int] = []
    for task in tasks.iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            children += map(int, (task / "children").read_text().split())
    return children


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_cases(jobs: int, tmp_path: Path) -> None:
    """Whoever was ready first; each with its history."""
    cases = make(tmp_path, WAITS, *many(PASSES, 5), FAILS)

    pairs = list(run(cases, Order("host", jobs=jobs)))

    assert [history.case for _, history in pairs] == [case.id for case in cases]
    assert [told(result) for result, _ in pairs] == [
        ("api/t/waits", Verdict.FAIL, Cause.TIMEOUT),
        *((f"api/t/passes-{number}", Verdict.PASS, None) for number in range(5)),
        ("api/t/fails", Verdict.FAIL, Cause.MISMATCH),
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_known_reaches_every_worker(jobs: int, tmp_path: Path) -> None:
    """A deviation is one wherever the case is run."""
    deviation = Deviation(("api/t/fails",), "it is another system", "its manual", Mark("list.yaml", 1, 1))
    cases = make(tmp_path, PASSES, FAILS)

    results = [result for result, _ in run(cases, Order("host", Known({}, (deviation,)), jobs=jobs))]

    assert [told(result)[1:] for result in results] == [
        (Verdict.PASS, None),
        (Verdict.UNSUPPORTED, Cause.DEVIATION),
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_target_that_cannot_be_opened_is_told_at_once(jobs: int, tmp_path: Path) -> None:
    """By the same error, wherever it was to be opened."""
    with pytest.raises(TargetError, match="/nowhere: there is no such file or folder"):
        list(run(make(tmp_path, PASSES), Order("module:/nowhere", jobs=jobs)))


def test_a_worker_that_dies_takes_one_case_along(tmp_path: Path) -> None:
    """The case that it held is UNRESOLVED, and those that ran beside it are not charged with it."""
    waits = WAITS.replace("50ms", "20s")
    cases = make(tmp_path, *many(PASSES, 3), waits, *many(FAILS, 3))

    with killing_who_waits_in("accept") as killed:
        results = [result for result, _ in run(cases, Order("host", jobs=2))]

    assert [told(result)[1:] for result in results] == [
        *[(Verdict.PASS, None)] * 3,
        (Verdict.UNRESOLVED, Cause.HARNESS),
        *[(Verdict.FAIL, Cause.MISMATCH)] * 3,
    ]
    assert results[3].reason == "the worker that ran this case died"
    assert killed


def test_who_stops_early_does_not_wait_for_the_rest(tmp_path: Path) -> None:
    """The cases that have not begun are let go, and no worker is left."""
    cases = make(tmp_path, PASSES, *many(WAITS.replace("50ms", "500ms"), 80))  # 20 seconds for two workers
    before = _children()

    with closing(run(cases, Order("host", jobs=2))) as pairs:
        first, _ = next(pairs)
        began = time.monotonic()

    assert time.monotonic() - began < 15
    assert first.verdict is Verdict.PASS
    workers = [child for child in _children() if child not in before]
    assert all("resource_tracker" in Path(f"/proc/{worker}/cmdline").read_text() for worker in workers)
