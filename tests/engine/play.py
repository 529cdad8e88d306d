"""A stage for the machine: no process, no socket, no waiting; a table says what the world replies.

The clock moves only while the machine waits: to the end of its patience if nothing comes, and by a
millisecond if an answer does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from grader.bindings import Names
from grader.engine.commands import AskSettled, Await, AwaitBlocked, Command, LookAt, Reply
from grader.engine.machine import Machine
from grader.model.histories import Done, Event, Issued, Returned, SeenBlocked
from grader.model.outcomes import Broken, Ended, Failed, Outcome, Pending, Raised, Succeeded, Unoffered
from grader.model.scenarios import Step
from grader.targets.protocol import Answer, Call, Look
from grader.verdict.match import decide
from tests.model.build import case

SOCKETS = {"c": 3, "d": 4, "listener": 5}
ASLEEP = Look("blocked", "asleep in recv")
NAPPING = Look("blocked", "asleep in nanosleep", timed=True)
HIDDEN = Look("unknown", "cannot be seen")
STARVED = Look("busy", "ready to run")
LOOPING = Look("busy", "running", cpu_s=1.9)
_MOMENT_NS = 1_000_000
_MOST_COMMANDS = 50_000


class Row:
    """What the world does next."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Calls(Row):
    """The next command is a call of this operation; an outcome of None leaves it pending."""

    op: str
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Lands(Row):
    """While the machine waits, this answer comes; a call of None is the end of the testee."""

    call: int | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Sees(Row):
    """The next look, awaited or not, sees this."""

    look: Look


@dataclass(frozen=True, slots=True)
class Quiet(Row):
    """For so many seconds, or until the machine does something, nothing comes and every look sees this."""

    look: Look = ASLEEP
    seconds: float = 1e6


class World:
    """Replies to commands from a table, and owns the clock."""

    def __init__(self, rows: Iterable[Row], *, is_settled: bool = True) -> None:
        """Begin at the time zero; an unsettled world has something under way all the time."""
        self.now_ns = 0
        self.is_settled = is_settled
        self.calls: list[Call] = []
        self.rows = deque(rows)
        self._quiet_until: int | None = None

    def reply(self, command: Command) -> Reply:
        """Give the reply to a command, and let the time pass that it takes."""
        if isinstance(command, Call):
            return self._call(command)
        if isinstance(command, AskSettled):
            return self.is_settled
        row = self.rows[0] if self.rows else None
        if isinstance(row, Quiet):
            return self._quiet(row, command)
        if isinstance(row, Lands) and not isinstance(command, LookAt):
            self.rows.popleft()
            self.now_ns += _MOMENT_NS
            return Answer(row.call, row.outcome)
        if isinstance(row, Sees) and not isinstance(command, Await):
            self.rows.popleft()
            return row.look
        assert isinstance(command, Await), f"{command} where the table has {row}"
        self.now_ns = max(self.now_ns, command.until_ns)
        return None

    def _call(self, call: Call) -> Outcome | None:
        if self.rows and isinstance(self.rows[0], Quiet):
            self._end_quiet()
        row = self.rows.popleft() if self.rows else None
        assert isinstance(row, Calls), f"{call} where the table has {row}"
        assert row.op == call.op, f"{call} where the table has {row}"
        self.calls.append(call)
        return row.outcome

    def _quiet(self, row: Quiet, command: Await | AwaitBlocked | LookAt) -> Reply:
        if self._quiet_until is None:
            self._quiet_until = self.now_ns + int(row.seconds * 1e9)
        if isinstance(command, LookAt) or (isinstance(command, AwaitBlocked) and row.look.state != "busy"):
            return row.look
        if command.until_ns > self._quiet_until:
            self.now_ns = max(self.now_ns, self._quiet_until)
            self._end_quiet()
            return self.reply(command)
        self.now_ns = max(self.now_ns, command.until_ns)
        return None if isinstance(command, Await) else row.look

    def _end_quiet(self) -> None:
        self.rows.popleft()
        self._quiet_until = None


@dataclass(frozen=True, slots=True)
class Played:
    """What the machine wrote down and asked for, and how late it was at the end, in seconds."""

    events: tuple[Event, ...]
    calls: tuple[Call, ...]
    seconds: float

    @property
    def brief(self) -> list[str]:
        """The events, a short line each."""
        return list(map(brief, self.events))


def play(steps: Iterable[Step], rows: Iterable[Row], time_scale: float = 1.0, *, is_settled: bool = True) -> Played:
    """Run the steps as a case against the table, and see that all of the table was used."""
    world = World(rows, is_settled=is_settled)
    machine = _machine(tuple(steps), world, time_scale)
    script = machine.run()
    reply: Reply = None
    for _ in range(_MOST_COMMANDS):
        try:
            command = script.send(reply)
        except StopIteration:
            break
        reply = world.reply(command)
    else:
        raise AssertionError("the machine does not come to an end")
    left = [row for row in world.rows if not isinstance(row, Quiet)]
    assert not left, f"the machine ended before {left}; it wrote {list(map(brief, machine.events))}"
    return Played(tuple(machine.events), tuple(world.calls), world.now_ns / 1e9)


def _machine(steps: tuple[Step, ...], world: World, time_scale: float) -> Machine:
    played = case(*steps, variables=SOCKETS)
    return Machine(played, Names({}, played.variables), decide, lambda: world.now_ns, time_scale)


def brief(event: Event) -> str:
    """Write an event as a short line."""
    match event:
        case Issued(path, call, actor, op):
            return f"{path} {actor}: {op} #{call}"
        case Returned(call, outcome):
            return f"#{call} = {brief_outcome(outcome)}"
        case SeenBlocked(path, call, after):
            return f"{path} blocked #{call} after {after}"
        case Done(path, outcome, early, tries):
            return " ".join(_done(path, outcome, early, tries))


def _done(path: str, outcome: Outcome, early: int | None, tries: int) -> Iterator[str]:
    yield f"{path} done {brief_outcome(outcome)}"
    if early is not None:
        yield f"early {early}"
    if tries != 1:
        yield f"tries {tries}"


def brief_outcome(outcome: Outcome) -> str:
    """Write an outcome as one word or a few."""
    match outcome:
        case Succeeded(fields):
            return " ".join(["ok", *(f"{name}={value!r}" for name, value in fields.items())])
        case Failed(errno, partial=partial):
            return " ".join([errno, *(f"{name}={value!r}" for name, value in partial.items())])
        case Raised(kind):
            return f"raised {kind}"
        case Ended(how, name):
            return f"ended {how} {name}".strip()
        case Pending(state):
            return f"pending {state}"
        case Broken(_, cause):
            return f"broken {cause}"
        case Unoffered():
            return "unoffered"
