"""poll() and select(): waiting for several sockets at once.

Both report what would not wait *now*, as long as it is so: level-triggered. Source: POSIX.1-2024 poll(), select().
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from reference.sockets import Fields, Wait, Waiting

if TYPE_CHECKING:
    from reference.descriptors import Process

_NS_PER_MS = 1_000_000


def poll(process: Process, args: Mapping[str, Any]) -> Waiting[Fields]:
    """Wait for events; a hang-up and an error are reported unasked. Source: POSIX.1-2024 poll()."""
    return _wait(process, args, _polled)


def select(process: Process, args: Mapping[str, Any]) -> Waiting[Fields]:
    """Wait for bits; every descriptor must be open. Source: POSIX.1-2024 select()."""
    return _wait(process, args, _selected)


def _wait(process: Process, args: Mapping[str, Any], look: Callable[..., tuple[list[str], int]]) -> Waiting[Fields]:
    timeout = args.get("timeout")
    until = None if timeout is None else process.system.now + timeout * _NS_PER_MS
    wait = Wait("an event on one of its sockets", until, is_allowed=timeout != 0)
    while True:
        words, count = look(process, args["watch"])
        if count or not (yield wait):
            return {"ready": tuple(words), "count": count}


def _polled(process: Process, watch: Any) -> tuple[list[str], int]:  # noqa: ANN401 - rows of descriptor and events
    words: list[str] = []
    count = 0
    for number, events in watch:
        sock = process.open_socket(number)
        if sock is None:
            found = ["invalid"]
        else:
            ready = sock.readiness()
            found = [event for event in ("read", "write") if event in events and getattr(ready, event)]
            found += [event for event in ("error", "hangup") if getattr(ready, event)]
        words += [f"{number}.{event}" for event in found]
        count += bool(found)
    return words, count


def _selected(process: Process, watch: Any) -> tuple[list[str], int]:  # noqa: ANN401 - as above
    words: list[str] = []
    for number, events in watch:
        ready = process.socket_of(number).readiness()
        if "read" in events and (ready.read or ready.hangup or ready.error):
            words.append(f"{number}.read")
        if "write" in events and (ready.write or ready.error):
            words.append(f"{number}.write")
    return words, len(words)
