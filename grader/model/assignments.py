"""What an instructor asks for: which program, how it is built, run and spoken to, and which suites judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.model.marks import Mark

PLACEHOLDERS = ("port", "host", "path", "dir")  # what may stand in braces in the arguments of a program


@dataclass(frozen=True, slots=True)
class Exchange:
    """How a server answers, and where a message ends.

    `reply` is same, upper, prefix (`text` before the request), text (always `text`) or table (request: reply).
    `framing` is raw (the bytes as they are), line, nul, fixed (padded with NUL to `size`) or close (end-of-file ends
    request and reply).
    """

    reply: str = "same"
    framing: str = "raw"
    text: bytes = b""
    table: tuple[tuple[bytes, bytes], ...] = ()
    size: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the program is spoken to: the address `srv` of its cases. A port or path of None is made fresh."""

    domain: str = "inet"
    type: str = "stream"
    port: int | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """How a program is made from what is handed in, and started.

    `build` is the compiler's command (empty: by the language), in which `{sources}` stands for every source; `run`
    gives for each role the arguments, in which `PLACEHOLDERS` may stand. `ready` is what is waited for: listen, bound
    or none. `files` are put there first. `ends` says how a signal must end it: an exit status, `signal` or `any`.
    """

    run: Mapping[str, tuple[str, ...]]
    language: str = "any"
    build: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    ready: str = "listen"
    files: Mapping[str, str] = field(default_factory=dict)
    stdin: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    sanitize: tuple[str, ...] = ()
    ends: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Cases (ids in which `*` stands for any text) that the assignment does not ask for, and why."""

    cases: tuple[str, ...]
    reason: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Limits:
    """What a submission may use; None is what the sandbox does anyway. Seconds and bytes."""

    wall_s: float | None = None
    scenario_s: float | None = None
    cpu_s: float | None = None
    memory_bytes: int | None = None
    processes: int | None = None
    files: int | None = None
    output_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """One assignment. `program` is None where a module or a library is asked for.

    `suites` are folders or files of suites with the places where they are named.
    """

    id: str
    title: str
    mark: Mark
    target: str = "program"
    program: Program | None = None
    exchange: Exchange | None = None
    place: Place = Place()
    suites: tuple[tuple[str, Mark], ...] = ()
    without: tuple[LeftOut, ...] = ()
    limits: Limits = Limits()
