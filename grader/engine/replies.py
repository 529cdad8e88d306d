"""Reading what the loop and the target reply: each reply is of the kind that its command asks for."""

from __future__ import annotations

from grader.bindings import Names
from grader.engine.commands import Reply
from grader.model.errors import InternalError
from grader.model.outcomes import Outcome, Succeeded
from grader.model.scenarios import Step
from grader.model.values import Watch
from grader.targets.protocol import Answer, Look

# The operations whose result names descriptors.
READINESS = frozenset({"poll", "select"})


def outcome_of(reply: Reply) -> Outcome | None:
    """Give the reply to a call: its outcome, or None while it is pending."""
    if isinstance(reply, (Answer, Look, bool)):
        raise InternalError(f"a call was made and {reply!r} came")
    return reply


def look_of(reply: Reply) -> Look:
    """Give the reply to a look."""
    if not isinstance(reply, Look):
        raise InternalError(f"a look was asked for and {reply!r} came")
    return reply


def by_name(step: Step, outcome: Succeeded, names: Names) -> Succeeded:
    """Say `c.read` where the target said `5.read`: scenarios know sockets by name."""
    watch = step.args["watch"]
    rows = watch if isinstance(watch, tuple) else ()
    known = {str(names.resolve(row.sock)): row.sock.name for row in rows if isinstance(row, Watch)}
    ready = outcome.fields.get("ready")
    words = [str(word).rpartition(".") for word in ready] if isinstance(ready, tuple) else []
    renamed = tuple(sorted(f"{known.get(fd, fd)}.{event}" for fd, _, event in words))
    return Succeeded({**outcome.fields, "ready": renamed}, outcome.signals)
