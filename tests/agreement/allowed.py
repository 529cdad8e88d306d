"""Differences between host and model that are allowed, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grader.model.scenarios import Step
from tests.agreement.sides import Seen

TCP = frozenset({("inet", "stream"), ("inet6", "stream")})


@dataclass(frozen=True, slots=True)
class Scene:
    """A call on which the sides differ, and what went before it."""

    step: Step
    host: Seen
    model: Seen
    before: tuple[Step, ...]
    seen: tuple[Seen, ...]

    @property
    def kind(self) -> tuple[str, str]:
        """Domain and type of the socket."""
        return self.host.kind


@dataclass(frozen=True, slots=True)
class Allowance:
    """One allowed difference: when it applies, what each side does, why that is right.

    `parts` says that the sides are in different states from there on, so that the conversation ends.
    """

    name: str
    fits: Callable[[Scene], bool]
    host: str
    model: str
    why: str
    parts: bool = False


def _is_shut_down_before_told(scene: Scene) -> bool:
    failed = any(
        step.op == "shutdown" and seen.errno == "ENOTCONN" for step, seen in zip(scene.before, scene.seen, strict=True)
    )
    return scene.step.op == "connect" and scene.host.errno == "EINVAL" and scene.kind in TCP and failed


ALLOWED: tuple[Allowance, ...] = (
    Allowance(
        name="connect() after a failed attempt that was shut down before connect() told of it",
        fits=_is_shut_down_before_told,
        host="EINVAL, now and for ever: the socket is of no use any more",
        model="tells of the failure (ECONNREFUSED, ECONNABORTED, a reset); after that the socket can connect again",
        why=(
            "POSIX.1-2024 connect() leaves the state of a socket unspecified after a failed attempt; Linux keeps a "
            "second state beside that of TCP for this one corner (inet_shutdown(), SS_DISCONNECTING)"
        ),
        parts=True,
    ),
)
