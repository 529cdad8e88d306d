"""Target `program`: a student's program behind the wall, and our own sockets in the same network.

The calls of a case are the kernel's, made by this process as those of the target `host`; what its steps say of
programs is carried out here. A call that would wait is not made before it can end. Meanwhile both sides are looked
at: when the program sleeps for good and nothing is under way, the call will never end, and that is said at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from grader.model.assignments import Assignment
from grader.model.errors import TargetError
from grader.model.outcomes import Failed, Outcome, Pending, Succeeded
from grader.model.scenarios import Case
from grader.model.values import Address, InetAddress, Plain, UnixAddress
from grader.sandbox import levels, netns, plans, safefs, wall
from grader.targets.addresses import allot
from grader.targets.compiling import Built, build
from grader.targets.host import HostSession, HostTarget, held_signals, perform
from grader.targets.programs import PROGRAM_OPS, Patience, Stage
from grader.targets.protocol import Answer, Call, Look, Profile, Session, Target

_POLLS = {
    **dict.fromkeys(("recv", "read", "recvfrom", "recvmsg", "accept"), select.POLLIN),
    **dict.fromkeys(("send", "write", "sendto", "sendmsg"), select.POLLOUT),
}
_WITH_FLAGS = frozenset({"send", "sendto", "sendmsg"})
_LOOK_EVERY_S = 0.001
_ATTEND_EVERY_S = 0.02
MISSING = {
    "second-host": "the network of a case has one host",
    "exchange": "the assignment says nothing of an exchange",
    "exchange:several": "a connection of this assignment carries one exchange",
    "exchange:framed": "the replies of this assignment depend on where a request ends, and nothing ends it",
    "exchange:any-bytes": "the requests of this assignment are not any bytes",
    "exchange:any-length": "the messages of this assignment have a fixed length",
}


def open_program(assignment: Assignment, submission: Path) -> Target:
    """Build what is handed in and open it as a target; call it on the main thread of a worker.

    Raises:
        TargetError: there is nothing to build, or this host lets nobody have a network of their own.
        SandboxError: this host cannot build or run it behind the wall.
    """
    stack = contextlib.ExitStack()
    with stack:
        folder = stack.enter_context(wall.fresh_directory())
        target = ProgramTarget(build(assignment, submission, folder))
        target.keep(stack.pop_all())
    return target


def open_built(built: Built) -> Target:
    """Open what was built already, by whoever keeps its folder."""
    return ProgramTarget(built)


@contextlib.contextmanager
def building(assignment: Assignment, submission: Path) -> Iterator[Built]:
    """Build what is handed in, once for several workers, and keep its folder meanwhile.

    Raises:
        TargetError: there is nothing to build.
        SandboxError: this host cannot build it behind the wall.
    """
    with wall.fresh_directory() as folder:
        yield build(assignment, submission, folder)


class ProgramTarget:
    """A program that was built, or the reason why it was not."""

    def __init__(self, built: Built) -> None:
        """Take the host's kernel for our own sockets."""
        self._host = HostTarget()
        self._built = built
        self._kept = contextlib.ExitStack()
        host = self._host.profile
        if "own-net" not in host.features:
            self._host.close()
            raise TargetError(f"programs need a network of their own: {host.missing['own-net']}")
        level = levels.best()
        roles = {f"program:{role}" for role in built.program.run}
        self._profile = Profile(
            name=f"program:{built.submission}",
            ops=host.ops | PROGRAM_OPS.keys(),
            features=host.features | {"programs"} | roles,
            missing={**host.missing, **MISSING},
            blocking="kernel",
            isolation=f"{host.isolation}; the program at level {level}: {levels.PROMISES[level]}",
            language=built.program.language,
        )

    @property
    def profile(self) -> Profile:
        """What this program is and may be asked."""
        return self._profile

    def keep(self, stack: contextlib.ExitStack) -> None:
        """Keep something open until this target is closed."""
        self._kept = stack

    @contextlib.contextmanager
    def session(self, case: Case) -> Iterator[Session]:
        """Open a session: a fresh network, a fresh copy of the program's folder, and no program yet."""
        netns.enter_fresh_network()
        with wall.fresh_directory() as directory, held_signals():
            owner = plans.uid()
            safefs.copy_tree(self._built.folder, directory, owner=-1 if owner is None else owner)
            addresses = _placed(allot(case, directory, own_net=True), self._built.assignment, directory)
            session = ProgramSession(self._host, addresses, Stage(self._built, directory, addresses))
            before = os.umask(0)  # who is behind the wall is somebody else, and connects to paths that we bind
            try:
                yield session
            finally:
                os.umask(before)
                session.close()

    def close(self) -> None:
        """Let the host and the folder go."""
        self._host.close()
        self._kept.close()


def _placed(addresses: dict[str, Address], assignment: Assignment, directory: Path) -> dict[str, Address]:
    """Put the server where the assignment says that it is."""
    place, srv = assignment.place, addresses.get("srv")
    if place.port is not None and isinstance(srv, InetAddress):
        addresses["srv"] = InetAddress(srv.ip, place.port)
    if place.path is not None and isinstance(srv, UnixAddress):
        addresses["srv"] = UnixAddress(str(directory / place.path))
    return addresses


class ProgramSession(HostSession):
    """One case: our sockets, and the programs on the stage."""

    def __init__(self, host: HostTarget, addresses: dict[str, Address], stage: Stage) -> None:
        """Begin with no program."""
        super().__init__(addresses, host.watchdog, owns_network=True)
        self._stage = stage

    def issue(self, call: Call) -> Outcome | None:
        """Begin a call; one of ours that would wait is watched from both sides."""
        self._stage.attend()
        if (too_long := self._stage.too_long()) is not None:
            return too_long
        if call.op in PROGRAM_OPS:
            return self._explained(PROGRAM_OPS[call.op](self._stage, call))
        if call.op not in _POLLS or call.actor != "main" or call.concurrent:
            at_once = super().issue(call)
            return None if at_once is None else self._explained(at_once)
        outcome = self._when_it_can_end(call)
        if outcome is None:
            return super().issue(call._replace(concurrent=True))
        return self._explained(self._remember(call, outcome))

    def wait(self, timeout_s: float) -> Answer | None:
        """Give the next answer; meanwhile what programs print is taken in."""
        until = time.monotonic() + timeout_s
        while True:
            self._stage.attend()
            answer = super().wait(max(0.0, min(_ATTEND_EVERY_S, until - time.monotonic())))
            if answer is not None:
                return replace(answer, outcome=self._explained(answer.outcome))
            if time.monotonic() >= until:
                return None

    def look(self, call: int) -> Look:
        """Look at both sides: a call waits for good only if the program does."""
        look = super().look(call)
        if look.state != "blocked":
            return look
        rest = self._stage.rest()
        cpu_s = self._stage.cpu_s()
        if rest.state != "blocked":
            return Look("busy", f"{look.evidence}; {rest.evidence}", cpu_s=cpu_s)
        return Look("blocked", rest.evidence, look.timed or rest.timed, cpu_s)

    def is_settled(self) -> bool:
        """Say whether nothing is under way in the network."""
        return not self._stage.network.is_under_way(strictly=True)

    def output(self) -> str:
        """Give what the programs have printed, and how they ended."""
        return self._stage.story()

    def close(self) -> None:
        """End every program, then every call and socket of ours."""
        self._stage.close()
        super().close()

    def _when_it_can_end(self, call: Call) -> Outcome | None:
        """Make a call as soon as it can end, or say that it never will.

        None: it must be made beside others, because one of those has ended and the next step of it may wake this one.
        """
        sock, event = call.args["sock"], _POLLS[call.op]
        if not isinstance(sock, int) or _never_waits(sock, call):
            return perform(call)
        once = call._replace(args={**call.args, "flags": (*_flags(call), "MSG_DONTWAIT")})
        patience = Patience(self._stage, call.deadline_s)
        while True:
            if _is_ready(sock, event):
                outcome = perform(once if call.op in _WITH_FLAGS else call)
                if not isinstance(outcome, Failed) or outcome.errno != "EAGAIN":
                    return outcome
                self._stage.wait(_LOOK_EVERY_S)
            else:
                self._stage.wait(_LOOK_EVERY_S, sock, event)
            given_up = patience.given_up()
            if given_up is not None and not _is_ready(sock, event):
                if not self._answers.empty():
                    return None
                if self._all_wait():
                    return given_up

    def _all_wait(self) -> bool:
        """Whether every other call of ours is asleep: one that runs may be about to wake the program."""
        return all(super(ProgramSession, self).look(call).state == "blocked" for call in self._doing)

    def _explained(self, outcome: Outcome) -> Outcome:
        """Add how a program has ended to what a call of ours saw of that."""
        match outcome:
            case Succeeded(fields, signals) if fields.get("eof") is True and (told := self._stage.told()):
                return Succeeded({**fields, **told}, signals)
            case Failed(name, number, signals, partial) if told := self._stage.told():
                return Failed(name, number, signals, {**partial, **told})
            case Pending(state, evidence) if told := self._stage.told(wait=False):
                return Pending(state, "; ".join(filter(None, (evidence, *map(str, told.values())))))
            case _:
                return outcome


def _flags(call: Call) -> tuple[Plain, ...]:
    flags = call.args.get("flags")
    return flags if isinstance(flags, tuple) else ()


def _never_waits(sock: int, call: Call) -> bool:
    try:
        return "MSG_DONTWAIT" in _flags(call) or bool(fcntl.fcntl(sock, fcntl.F_GETFL) & os.O_NONBLOCK)
    except OSError:  # not open: the call itself will say so
        return True


def _is_ready(sock: int, event: int) -> bool:
    poller = select.poll()
    poller.register(sock, event)
    return bool(poller.poll(0))
