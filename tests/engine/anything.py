"""Any case at all against any world at all: cases that the loader could have built, replies at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from hypothesis import strategies as st

from grader.bindings import Names
from grader.engine.commands import AskSettled, AwaitBlocked, Command, LookAt, Reply
from grader.engine.machine import Machine
from grader.model.expectations import (
    Between,
    Exactly,
    Expectation,
    Failure,
    Not,
    Pattern,
    StillPending,
    Success,
    Whatever,
)
from grader.model.histories import Event
from grader.model.outcomes import Broken, Ended, Failed, Outcome, Pending, Raised, Succeeded, Unoffered
from grader.model.scenarios import Case, Step
from grader.model.values import Plain, SockRef, Value, Watch
from grader.ops import OPERATIONS, Kind
from grader.targets.protocol import Answer, Call, Look
from grader.verdict.match import decide
from tests.engine.play import SOCKETS
from tests.model.build import case, step, wants

_PATTERNS: tuple[Pattern, ...] = (
    Success(),
    Success((("count", Between(1, None)),)),
    Success((("data", Not(Exactly("x"))),)),
    Failure(),
    Failure(("EAGAIN",), "none"),
    StillPending(),
    Whatever(),
)
_OUTCOMES: tuple[Callable[[Random], Outcome], ...] = (
    lambda random: Failed(random.choice(("EAGAIN", "EPIPE", "EINPROGRESS")), 1, ("SIGPIPE",) * random.randint(0, 1)),
    lambda random: Raised("TypeError", "no"),
    lambda random: Ended(random.choice(("signal", "exit", "output", "tampered", "lost")), "SIGSEGV"),
    lambda random: Pending(random.choice(("blocked", "looping", "unknown"))),
    lambda random: Unoffered("no such call"),
    lambda random: Broken("no memory", random.choice(("harness", "host", "invalid-suite", "adapter"))),
)
_FIELDS: dict[Kind, Callable[[Random], Plain]] = {
    Kind.SOCK: lambda random: random.randint(3, 9),
    Kind.INT: lambda random: random.randint(0, 4),
    Kind.BOOL: lambda random: random.random() < 0.5,
    Kind.DATA: lambda random: random.randbytes(random.randint(0, 3)),
    Kind.SET: lambda random: ("3.read", "17.error")[: random.randint(0, 2)],
}


@dataclass(slots=True)
class _Author:
    """Writes a case step by step, as the loader would let pass."""

    random: Random
    started: list[str] = field(default_factory=list)
    actors: int = 0

    def steps(self, prefix: str, depth: int, most: int) -> tuple[Step, ...]:
        return tuple(self.step(f"{prefix}{n}", depth) for n in range(self.random.randint(1, most)))

    def step(self, path: str, depth: int) -> Step:
        rules = [self.call, self.call, self.again, self.blocks, self.start, self.finish, self.collect]
        if depth:
            rules += [self.beside, self.beside, self.race]
        made = self.random.choice(rules)(path, depth)
        return made if made.op in {"race", "collect", "finish"} or made.start else self.judged(made)

    def judged(self, made: Step) -> Step:
        if made.expect.blocks or self.random.random() < 0.6:
            return made
        patterns = self.random.sample(_PATTERNS, self.random.randint(1, 2))
        return replace(made, expect=wants(*patterns, negated=self.random.random() < 0.2))

    def call(self, path: str, depth: int) -> Step:
        del depth
        op = self.random.choice(("recv", "send", "close", "accept", "poll", "send_all", "recv_exactly", "drain"))
        extra: dict[str, dict[str, Value]] = {
            "poll": {"watch": (Watch(SockRef("c"), ("read",)),)},
            "send_all": {"data": b"abc"},
            "recv_exactly": {"count": 3},
        }
        return step(path, op, **({"sock": "c"} if op != "poll" else {}), **extra.get(op, {}))

    def again(self, path: str, depth: int) -> Step:
        del depth
        return step(path, "unread", sock="c", eventually_s=0.01, give_up_on=Failure(("EPIPE",)))

    def alone(self, path: str) -> Step:
        self.actors += 1
        op = self.random.choice(("recv", "recv_exactly", "accept"))
        return step(path, op, sock="c", count=3, actor=f"anon{self.actors}", hold_s=self.random.choice((None, 0.3)))

    def blocks(self, path: str, depth: int) -> Step:
        del depth
        return replace(self.alone(path), expect=wants(StillPending(), blocks=True))

    def beside(self, path: str, depth: int) -> Step:
        release = self.random.random() < 0.6
        return replace(self.alone(path), nested=self.steps(f"{path}.", depth - 1, 2), release=release)

    def start(self, path: str, depth: int) -> Step:
        del depth
        self.started.append(f"r{path}")
        return replace(self.alone(path), start=f"r{path}", hold_s=None)

    def finish(self, path: str, depth: int) -> Step:
        if not self.started:
            return self.call(path, depth)
        if self.random.random() < 0.3:
            return step(path, "still_blocked", call=self.random.choice(self.started))
        return step(path, "finish", call=self.started.pop())

    def collect(self, path: str, depth: int) -> Step:
        del depth
        inner = tuple(step(f"{path}.{n}", "recv", sock="c", size=3) for n in range(2))
        order: tuple[Pattern, ...] = (Success(), Failure()) if self.random.random() < 0.5 else ()
        return step(path, "collect", times=2, inner=inner, expect=Expectation(in_any_order=order))

    def race(self, path: str, depth: int) -> Step:
        inner = tuple(replace(self.alone(f"{path}.{n}"), hold_s=None) for n in range(2))
        trigger = (self.call(f"{path}.2", depth),)
        returned = self.random.randint(0, 2)
        return step(
            path, "race", inner=inner, trigger=trigger, expect=Expectation(returned=returned, pending=2 - returned)
        )


@dataclass(slots=True)
class _Chance:
    """A world that replies at random, but only with what a session may reply, unless it is told to cheat."""

    random: Random
    good: float
    cheats: bool = False
    now_ns: int = 0
    pending: dict[int, str] = field(default_factory=dict)

    def reply(self, command: Command) -> Reply:
        if self.cheats and self.random.random() < 0.1:
            return self.random.choice((Look("blocked"), Answer(4711, Succeeded()), None))
        if isinstance(command, Call):
            if self.random.random() < 0.4 and OPERATIONS[command.op].may_block:
                self.pending[command.id] = command.op
                return None
            return self.outcome(command.op)
        if isinstance(command, LookAt):
            return self.look()
        if isinstance(command, AskSettled):
            return self.random.random() < 0.5
        if self.pending and self.random.random() < 0.4:
            call = self.random.choice(list(self.pending))
            return Answer(call, self.outcome(self.pending.pop(call)))
        if self.random.random() < 0.02:
            self.pending.clear()
            return Answer(None, Ended("signal", "SIGKILL"))
        self.now_ns = max(self.now_ns, command.until_ns)
        return self.look() if isinstance(command, AwaitBlocked) else None

    def look(self) -> Look:
        state = self.random.choice(("blocked", "busy", "returning", "unknown"))
        return Look(state, "seen", timed=self.random.random() < 0.3, cpu_s=self.random.choice((0.0, 9.0)))

    def outcome(self, op: str) -> Outcome:
        if self.random.random() < self.good:
            return Succeeded(
                {field.name: _FIELDS.get(field.kind, _nothing)(self.random) for field in OPERATIONS[op].fields}
            )
        return self.random.choice(_OUTCOMES)(self.random)


def _nothing(random: Random) -> Plain:
    del random
    return None


def any_case(random: Random) -> Case:
    """Give a case of a few steps, some of which hold others."""
    return case(
        *_Author(random).steps("", 2, 4), variables=SOCKETS, invariants=("lowest-descriptor", "distinct-descriptors")
    )


def run(played: Case, random: Random, *, cheats: bool = False) -> tuple[Event, ...]:
    """Give the events of the case in a world that replies at random."""
    world = _Chance(random, random.choice((0.3, 0.9, 1.0)), cheats)
    machine = Machine(played, Names({}, played.variables), decide, lambda: world.now_ns)
    script = machine.run()
    reply: Reply = None
    while True:
        try:
            command = script.send(reply)
        except StopIteration:
            return tuple(machine.events)
        reply = world.reply(command)


seeds = st.integers(0, 2**32)
