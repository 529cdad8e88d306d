"""Tries cases on the model and on broken models, in this process or in several.

A model cannot hang a proof: its time is virtual, so every deadline passes at once, and a model that itself goes
round for ever is stopped after half a second of CPU time.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, zip_longest
from pathlib import Path
from types import FrameType

from grader import pipeline
from grader.model.errors import UsageError
from grader.model.scenarios import Case
from grader.model.verdicts import Result, Verdict
from grader.prove.proof import HANG, Row, Seen
from grader.targets import reference as model
from grader.targets.protocol import Target

_LIMIT_S = 0.5  # of CPU time for a case; the longest takes a tenth of that
_PATIENCE = 10  # cases that may hang: a model that hangs in more shows no more, and each costs its limit
_STUCK = f"it hangs in {_PATIENCE} cases: let it break a rule and come to an end"
# Generated mutants of one table that one worker tries in turn: who killed the last is asked first.
_CHUNK = 25
_NOBODY = "the worker that tried it died, or one beside it did: try it alone, with --only and -j 1"


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to be tried: what it is called, what it does, the clause it breaks, and what it is made of."""

    name: str
    sentence: str = ""
    clause: str = ""
    parts: Mapping[str, type] | None = None


@dataclass(frozen=True)
class Bench:
    """The cases, and the broken models they are tried on: those of a folder, or the generated ones.

    Of a folder's every case is tried on each; a generated one is done with when a case has caught it.
    """

    cases: tuple[Case, ...]
    folder: Path | None

    @cached_property
    def subjects(self) -> dict[str, Subject]:
        """The broken models by name, in order.

        Raises:
            UsageError: the folder cannot be read as mutants.
        """
        return generated() if self.folder is None else mutants_in(self.folder)

    def tasks(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        """Deal the names out: what is tried in one go, by one worker."""
        if self.folder is not None:
            return [(name,) for name in names]
        tables = [list(group) for _, group in groupby(names, lambda name: _touched(self.subjects[name]))]
        return [tuple(table[at : at + _CHUNK]) for table in tables for at in range(0, len(table), _CHUNK)]

    def tried(self, names: Sequence[str]) -> list[Row]:
        """Try the cases on these models; those that caught one go first on the next."""
        cases, rows = list(self.cases), []
        for name in names:
            row = tried(cases, self.subjects[name], stop_when_caught=self.folder is None)
            cases.sort(key=lambda case: case.id not in row.caught_by)
            rows.append(row)
        return rows


def mutants_in(folder: Path) -> dict[str, Subject]:
    """Give the mutants of a folder by name.

    Raises:
        UsageError: a file of it cannot be loaded, two mutants share a name, or there are none.
    """
    with _blaming(folder):
        subjects = [
            Subject(one.__name__, (one.__doc__ or "").strip().partition("\n")[0], one.clause, model.mutated(one))
            for one in model.mutants_in(folder)
        ]
    if not subjects:
        raise UsageError(f"{folder}: no mutant is in it")
    return _by_name(subjects, str(folder))


def generated() -> dict[str, Subject]:
    """Give the mutants that are made from the tables, by name."""
    subjects = (Subject(one.name, one.description, one.clause, one.parts) for one in model.generated())
    return _by_name(subjects, "the tables")


def _by_name(subjects: Iterable[Subject], where: str) -> dict[str, Subject]:
    named: dict[str, Subject] = {}
    for subject in subjects:
        if named.setdefault(subject.name, subject) is not subject:
            raise UsageError(f"{where}: two mutants are called {subject.name}")
    return named


@contextmanager
def _blaming(folder: Path) -> Iterator[None]:
    """Turn whatever goes wrong in loading a file of the folder into one line that names the place."""
    try:
        yield
    except Exception as error:
        cause = error.__cause__ or error
        if isinstance(cause, SyntaxError):
            raise UsageError(f"{cause.filename}:{cause.lineno}: {cause.msg}") from error
        raise UsageError(f"{_place(cause, folder)}: {type(cause).__name__}: {cause}") from error


def _place(error: BaseException, folder: Path) -> str:
    """Give the last line of the folder's own that the error came through."""
    place, step = str(folder), error.__traceback__
    while step is not None:
        path = Path(step.tb_frame.f_code.co_filename)
        if path.resolve().parent == folder.resolve():
            place = f"{path}:{step.tb_lineno}"
        step = step.tb_next
    return place


def reference_row(cases: Sequence[Case]) -> Row:
    """Try the cases on the model as it is."""
    return tried(cases, Subject("reference"))


def stub_row(cases: Sequence[Case]) -> Row:
    """Try the cases on the stub, where every call fails."""
    process = model.PARTS["process"]
    nothing = type("Stub", (process,), {"call": lambda _self, _op, _args: model.Refused("ENOSYS")})
    return tried(cases, Subject("stub", parts={**model.PARTS, "process": nothing}))


def rows(bench: Bench, names: Sequence[str], jobs: int) -> Iterator[Row]:
    """Try the models of these names; gives a row for each, in their order, as soon as it is there."""
    tasks = bench.tasks(names)
    if min(jobs, len(tasks)) <= 1:
        for task in tasks:
            yield from bench.tried(task)
        return
    with _pool(bench, min(jobs, len(tasks))) as pool:
        for task, future in zip_longest(tasks, _submit(pool, tasks)):
            yield from _result_of(future) or [Row(name, fault=_NOBODY) for name in task]


# -- one model --------------------------------------------------------------------------------------------


class _SpunError(BaseException):
    """A case used up its CPU time. No `Exception`: nothing on the way up may take it for a fault of its own."""


def tried(cases: Sequence[Case], subject: Subject, *, stop_when_caught: bool = False) -> Row:
    """Try the cases on a model, and give what was no PASS."""
    seen: dict[str, Seen] = {}
    hangs = 0
    with _spinning_ends():
        target = model.open_reference(subject.parts)
        for case in cases:
            found = _try(case, target)
            if found is not None:
                seen[case.id] = found
                hangs += found.cause == HANG
                if hangs == _PATIENCE or (stop_when_caught and found.verdict is Verdict.FAIL):
                    break
        target.close()
    return Row(subject.name, subject.sentence, subject.clause, seen, _STUCK if hangs == _PATIENCE else "")


def _try(case: Case, target: Target) -> Seen | None:
    try:
        with _limited():
            result, _ = pipeline.run_case(case, target)
    except _SpunError:
        return Seen(Verdict.FAIL, HANG, "the model goes round for ever")
    except Exception as error:  # noqa: BLE001 - what a broken model gives may be more than a judge can read
        return Seen(Verdict.UNRESOLVED, "harness", f"{type(error).__name__}: {error}")
    return None if result.verdict is Verdict.PASS else Seen(result.verdict, str(result.cause or ""), _reason(result))


@contextmanager
def _limited() -> Iterator[None]:
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, _LIMIT_S, _LIMIT_S)  # again and again: one may fall into a finalizer
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _reason(result: Result) -> str:
    told = (f"{one.call}: expected {one.expected}, got {one.got}" for one in result.findings)
    return result.reason or "; ".join(told)


@contextmanager
def _spinning_ends() -> Iterator[None]:
    """Let the timer of a case end it, and leave no trace of that."""
    before = signal.signal(signal.SIGVTALRM, _end_case)
    try:
        yield
    finally:
        signal.signal(signal.SIGVTALRM, before)


def _end_case(_number: int, _frame: FrameType | None) -> None:
    raise _SpunError


def _touched(subject: Subject) -> tuple[str, ...]:
    """Name the parts that are not as they should be: mutants of one table share them."""
    return tuple(name for name, part in (subject.parts or {}).items() if part is not model.PARTS.get(name))


# -- many workers -----------------------------------------------------------------------------------------

_at_work: list[Bench] = []  # in a worker: what it works on, sent once and not with each task


@contextmanager
def _pool(bench: Bench, jobs: int) -> Iterator[ProcessPoolExecutor]:
    # spawn: a worker must not inherit threads of whoever starts it
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (Bench(bench.cases, bench.folder),))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(bench: Bench) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process alone answers Ctrl-C
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _at_work.append(bench)


def _submit(pool: ProcessPoolExecutor, tasks: Iterable[Sequence[str]]) -> list[Future[list[Row]]]:
    futures: list[Future[list[Row]]] = []
    # Workers are started here, and inherit the mask: Ctrl-C waits until they have a handler for it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    with suppress(BrokenProcessPool):  # what has died already takes no more; the results will tell
        futures.extend(pool.submit(_work, task) for task in tasks)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return futures


def _work(names: Sequence[str]) -> list[Row]:
    return _at_work[0].tried(names)


def _result_of(future: Future[list[Row]] | None) -> list[Row]:
    with suppress(BrokenProcessPool):
        return future.result() if future else []
    return []
