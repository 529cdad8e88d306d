"""From what a user calls a target to the target itself."""

from __future__ import annotations

from collections.abc import Callable

from grader.model.errors import UsageError
from grader.targets.protocol import Target


def open_target(spec: str) -> Target:
    """Open the target that `spec` names.

    It is `host`, `reference`, `module:PATH` (a file, folder or dotted name), or `library:PATH` (a .so, a C source, or a
    folder).

    Raises:
        UsageError: no target is called so.
        TargetError: it cannot be started.
    """
    kind, _, path = spec.partition(":")
    opener = _OPENERS.get(kind)
    if opener is None:
        raise UsageError(f"unknown target {spec!r}: expected host, reference, module:PATH or library:PATH")
    return opener(path)


def _open_host(path: str) -> Target:
    if path:
        raise UsageError(f"the target host takes no path, and {path!r} was given")
    from grader.targets.host import open_host

    return open_host()


def _open_reference(path: str) -> Target:
    if path:
        raise UsageError(f"the target reference takes no path, and {path!r} was given")
    from grader.targets.reference import open_reference

    return open_reference()


def _open_module(path: str) -> Target:
    if not path:
        raise UsageError("module: needs a path or a dotted name, as in module:sockets.py or module:socket")
    from grader.targets.module import open_module

    return open_module(path)


def _open_library(path: str) -> Target:
    if not path:
        raise UsageError("library: needs a path, as in library:libsock.so or library:my-folder")
    from grader.targets.library import open_library

    return open_library(path)


# Each driver is imported when it is asked for: start-up is part of the product.
_OPENERS: dict[str, Callable[[str], Target]] = {
    "host": _open_host,
    "reference": _open_reference,
    "module": _open_module,
    "library": _open_library,
}
