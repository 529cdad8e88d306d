"""The exceptions of this project; the type says who must act.

What a student's code does wrong is never an exception: it is an outcome (`model.outcomes`).
"""

from __future__ import annotations

from typing import NamedTuple

from grader.model.marks import Mark


class SockgradeError(Exception):
    """Something that was expected to be possible and is explained to a person, never a traceback."""


class TargetError(SockgradeError):
    """The target could not be started or spoken to."""


class SandboxError(SockgradeError):
    """This host does not let us do what isolation needs."""


class UsageError(SockgradeError):
    """The caller asked for something that does not exist."""


class InternalError(SockgradeError):
    """We broke a rule of our own."""


class Complaint(NamedTuple):
    """One thing that is wrong with a file: where, what was expected and seen, what to try.

    `code` names the rule: `syntax`, `schema`, or a lint such as `L4`.
    """

    mark: Mark
    text: str
    hint: str = ""
    code: str = "schema"

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.mark}: {self.text}{hint} [{self.code}]"


class ScenarioError(SockgradeError):
    """A scenario file is wrong; its author must act. Carries every complaint, not the first."""

    def __init__(self, complaints: tuple[Complaint, ...]) -> None:
        """Keep the complaints in the order of their places."""
        self.complaints = tuple(sorted(complaints))
        super().__init__("\n".join(map(str, self.complaints)))
