"""How this room complains: one collector for each file, and the words that every complaint is made of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from types import TracebackType

from grader.model.errors import Complaint, ScenarioError
from grader.model.marks import Mark

MOST_COMPLAINTS = 100  # of one file: more helps nobody, and a hostile file must not cost time
LONGEST_SHOWN = 40  # characters of a value that a message repeats


class TooMuchError(ScenarioError):
    """A file asks for more than one file may cost; nothing more is read from it."""


def wrong(mark: Mark, text: str, hint: str = "", code: str = "schema") -> ScenarioError:
    """Give the error that says one thing is wrong at one place."""
    return ScenarioError((Complaint(mark, text, hint, code),))


def did_you_mean(word: object, words: Iterable[str]) -> str:
    """Give a hint that names the nearest of `words`, or all of them if they are few, or nothing."""
    known = sorted(words) if isinstance(words, frozenset) else list(words)
    if isinstance(word, str) and len(word) <= LONGEST_SHOWN:
        near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
        if near:
            return f"did you mean '{near[0]}'?"
    return "one of " + ", ".join(known) if 0 < len(known) <= 8 else ""


def shown(value: object) -> str:
    """Give a value as a message repeats it: quoted if it is text, on one line, not too long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


class Notes:
    """The complaints about one file, each once."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        """Start with nothing to complain about."""
        self._seen: dict[Complaint, None] = {}

    def __bool__(self) -> bool:
        return bool(self._seen)

    def __iter__(self) -> Iterator[Complaint]:
        return iter(self._seen)

    def say(self, mark: Mark, text: str, hint: str = "", code: str = "schema") -> None:
        """Note one complaint.

        Raises:
            TooMuchError: there are too many; carries all of them.
        """
        self.take((Complaint(mark, text, hint, code),))

    def take(self, complaints: Iterable[Complaint]) -> None:
        """Note the complaints of an error that was caught.

        Raises:
            TooMuchError: there are too many; carries all of them.
        """
        self._seen.update(dict.fromkeys(complaints))
        if len(self._seen) >= MOST_COMPLAINTS:
            raise TooMuchError(tuple(self._seen)) from None

    def catching(self) -> Notes:
        """Note what goes wrong inside a `with` and go on after it."""
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if not isinstance(error, ScenarioError) or isinstance(error, TooMuchError):
            return False
        self.take(error.complaints)
        return True

    def finish(self) -> None:
        """End a stage.

        Raises:
            ScenarioError: there was something to complain about.
        """
        if self._seen:
            raise ScenarioError(tuple(self._seen))
