"""From what a user calls a target to the target itself."""

from __future__ import annotations

from collections.abc import Callable

from grader.model.errors import UsageError
from grader.targets.protocol import Target


def open_target(spec: str) -> Target:
    """Open the target that `spec` names: `host`, or `module:PATH` with a file, a folder or a dotted name.

    Raises:
        UsageError: no target is called so.
        TargetError: it cannot be started.
    """
    kind, _, path = spec.partition(":")
    opener = _OPENERS.get(kind)
    if opener is None:
        raise UsageError(f"unknown target {spec!r}: expected host or module:PATH")
    return opener(path)


def _open_host(path: str) -> Target:
    if path:
        raise UsageError(f"the target host takes no path, and {path!r} was given")
    from grader.targets.host import open_host

    return open_host()


def _open_module(path: str) -> Target:
    if not path:
        raise UsageError("module: needs a path or a dotted name, as in module:sockets.py or module:socket")
    from grader.targets.module import open_module

    return open_module(path)


# Each driver is imported when it is asked for: start-up is part of the product.
_OPENERS: dict[str, Callable[[str], Target]] = {"host": _open_host, "module": _open_module}
