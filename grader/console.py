"""What a run says while it goes on: a moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from grader.model.verdicts import Result, Verdict
from grader.report.to_text import explanation, headline

if TYPE_CHECKING:  # rich costs as much to import as all of ours; lines do without it
    from rich.progress import Progress, TaskID


class Follower(Protocol):
    """Something that is told each result of a run as it comes."""

    def tell(self, result: Result) -> None:
        """Take the next result."""


@contextmanager
def following(total: int, *, quiet: bool) -> Iterator[Follower]:
    """Give what shows the progress of a run of `total` cases."""
    if quiet:
        yield _Silent()
    elif sys.stdout.isatty():
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, transient=True) as progress:
            yield _Bar(progress, progress.add_task("running", total=total))
    else:
        yield _Lines()


class _Silent:
    def tell(self, result: Result) -> None:
        """Say nothing: the closing line is enough."""


class _Lines:
    def tell(self, result: Result) -> None:
        if result.verdict is not Verdict.PASS:
            print(_told(result), flush=True)


class _Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def tell(self, result: Result) -> None:
        self._progress.advance(self._task)
        if result.verdict is not Verdict.PASS:
            self._progress.console.print(_told(result), markup=False, highlight=False, soft_wrap=True)


def _told(result: Result) -> str:
    if result.verdict is Verdict.UNSUPPORTED:
        return headline(result)
    return f"{headline(result._replace(reason=''))}\n{_indented(explanation(result))}\n"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines()[1:])
