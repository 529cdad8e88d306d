"""Target `host`: the kernel's own sockets, call by call, in this process.

A case gets a network namespace of its own and holds both ends of a conversation in one thread. A
thread is made only for a call that others must run beside. The main thread's calls are watched: one
that outstays its deadline asleep is interrupted by a signal, so that a wrong scenario cannot hang a run.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import queue
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from grader.agent import kernel
from grader.model.errors import InternalError
from grader.model.outcomes import Broken, Failed, Outcome, Pending, Succeeded
from grader.model.scenarios import ActorKind, Case
from grader.model.values import Address
from grader.ops import FEATURES, OPERATIONS
from grader.sandbox import netns
from grader.sandbox.introspect import look_at_thread, network_is_quiet
from grader.targets.addresses import PATH_OPS, allot, path_operation, short_lived_folder
from grader.targets.protocol import Answer, Call, Look, Profile, Session, Target
from grader.targets.translate import args_to_wire, fields_from_wire

# Interrupts a thread that sleeps in a call we no longer wait for; nothing else uses it.
_WAKE = signal.SIGRTMIN + 4
_WATCH_EVERY_S = 0.05
_MAY_BLOCK = frozenset(name for name, op in OPERATIONS.items() if op.may_block)
_NOT_OFFERED = frozenset({"programs", "second-host"})


def open_host(*, fresh_networks: bool = True) -> Target:
    """Open the host's kernel as a target; call it on the main thread of a worker.

    Args:
        fresh_networks: Give each case a network of its own, where this host allows it; otherwise all
            cases share one and are given unused ports.
    """
    return HostTarget(fresh_networks=fresh_networks)


class HostTarget:
    """The kernel that runs this process."""

    def __init__(self, *, fresh_networks: bool = True) -> None:
        """Find out what this kernel and this account allow."""
        signal.signal(_WAKE, _do_nothing)
        self._no_network = netns.prepare_process()
        if not self._no_network:
            netns.enter_fresh_network()
            if not fresh_networks:
                self._no_network = "one network was asked for"
        features = set(FEATURES) - _NOT_OFFERED - {"own-net"}
        missing = dict.fromkeys(_NOT_OFFERED, "the target host is an interface, not a program")
        if not self._no_network:
            features.add("own-net")
        else:
            missing["own-net"] = self._no_network
        if not _has_inet6():
            features.discard("inet6")
            missing["inet6"] = "::1 cannot be bound on this host"
        self._profile = Profile(
            name="host",
            ops=frozenset(kernel.CALLS) | PATH_OPS,
            features=frozenset(features),
            missing=missing,
            blocking="kernel",
            isolation=_isolation(self._no_network),
            language="C",
        )
        self.watchdog = _Watchdog()
        self._made_folder: Path | None = None
        self._cases = 0
        self._agent: Target | None = None

    @property
    def profile(self) -> Profile:
        """What this kernel offers."""
        return self._profile

    @contextlib.contextmanager
    def session(self, case: Case) -> Iterator[Session]:
        """Open a session; cases with several processes run in an agent, because workers never fork."""
        if ActorKind.PROCESS in case.actors.values():
            if self._agent is None:
                from grader.targets.module import open_kernel

                self._agent = open_kernel()
            with self._agent.session(case) as session:
                yield session
            return
        if not self._no_network:
            netns.enter_fresh_network()
        with self._case_directory(case) as directory, held_signals():
            own_net = not self._no_network
            session = HostSession(allot(case, directory, own_net=own_net), self.watchdog, owns_network=own_net)
            try:
                yield session
            finally:
                session.close()

    @contextlib.contextmanager
    def _case_directory(self, case: Case) -> Iterator[Path]:
        """Make a folder for AF_UNIX names; a case without any needs none."""
        if all(spec.domain != "unix" and spec.kind != "otherfam" for spec in case.addresses.values()):
            yield Path()
            return
        self._cases += 1
        directory = self._folder / str(self._cases)
        directory.mkdir()
        try:
            yield directory
        finally:
            for path in directory.iterdir():
                path.unlink()
            directory.rmdir()

    @property
    def _folder(self) -> Path:
        """The folder of this target, made when a case first needs one."""
        if self._made_folder is None:
            self._made_folder = Path(tempfile.mkdtemp(prefix="sk-", dir=short_lived_folder()))
        return self._made_folder

    def close(self) -> None:
        """Stop the watchdog and the agent."""
        self.watchdog.stop()
        if self._made_folder is not None:
            shutil.rmtree(self._made_folder, ignore_errors=True)
        if self._agent is not None:
            self._agent.close()


class HostSession:
    """One case's calls, made in this process."""

    clock = staticmethod(time.monotonic_ns)

    def __init__(self, addresses: Mapping[str, Address], watchdog: _Watchdog, *, owns_network: bool) -> None:
        """Begin with no socket open; `watchdog` interrupts calls that outstay their deadline."""
        self.addresses = addresses
        self._owns_network = owns_network
        self._watchdog = watchdog
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._actors: dict[str, _Actor] = {}
        self._doing: dict[int, _Actor] = {}
        self._open: set[int] = set()

    def issue(self, call: Call) -> Outcome | None:
        """Begin a call; on the main thread it also ends here."""
        if call.op in PATH_OPS:
            return path_operation(call.op, call.args.get("addr"))
        if call.actor != "main" or call.concurrent:
            self._hand_over(call)
            return None
        return self._remember(call, self._perform_watched(call) if call.op in _MAY_BLOCK else perform(call))

    def wait(self, timeout_s: float) -> Answer | None:
        """Give the next answer of an actor."""
        try:
            answer = self._answers.get(timeout=timeout_s) if timeout_s > 0 else self._answers.get_nowait()
        except queue.Empty:
            return None
        actor = self._doing.pop(answer.call) if answer.call is not None else None
        if actor is not None and actor.last is not None:
            self._remember(actor.last, answer.outcome)
        return answer

    def look(self, call: int) -> Look:
        """Look at the thread that makes a pending call."""
        if not self._answers.empty():
            return Look("returning")
        return _look(self._doing[call].native_id)

    def is_settled(self) -> bool:
        """Say whether the network is ours and nothing is under way in it."""
        return self._owns_network and network_is_quiet("/proc/thread-self/net")

    def output(self) -> str:
        """Give nothing: the kernel prints nothing."""
        return ""

    def close(self) -> None:
        """End every actor and close what is open."""
        for actor in self._actors.values():
            actor.stop()
        while not self._answers.empty():
            self.wait(0)
        for fd in self._open:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _hand_over(self, call: Call) -> None:
        actor = self._actors.get(call.actor)
        if actor is None:
            actor = self._actors[call.actor] = _Actor(call.actor, self._answers)
        self._doing[call.id] = actor
        actor.take(call)

    def _perform_watched(self, call: Call) -> Outcome:
        watchdog = self._watchdog
        watched = watchdog.watched = (call.id, time.monotonic() + call.deadline_s)
        while True:
            outcome = perform(call)
            if not isinstance(outcome, Failed) or outcome.errno != "EINTR" or watchdog.fired is None:
                watchdog.watched = None
                return outcome
            fired, watchdog.fired = watchdog.fired, None
            if fired[0] is watched:
                return Pending("blocked", fired[1])
            # The signal was meant for the call before this one, which ended just in time: go on.

    def _remember(self, call: Call, outcome: Outcome) -> Outcome:
        """Keep track of open descriptors, so that none outlives the case."""
        if isinstance(outcome, Succeeded):
            for name in ("sock", "other"):
                fd = outcome.fields.get(name)
                if isinstance(fd, int):
                    self._open.add(fd)
            if call.op == "close":
                self._open.discard(call.args["sock"])
        return outcome


def perform(call: Call) -> Outcome:
    """Make one call in the calling thread."""
    try:
        return Succeeded(fields_from_wire(kernel.CALLS[call.op](args_to_wire(call.args))))
    except OSError as error:
        number = error.errno or 0
        signals = kernel.raised_signals() if number == errno.EPIPE else ()
        return Failed(errno.errorcode.get(number, f"E#{number}"), number, signals)
    except (KeyError, TypeError, ValueError, ctypes.ArgumentError) as error:
        return Broken(f"the host's driver cannot make {call.op}({dict(call.args)}): {error!r}", "adapter")


class _Actor:
    """A thread that makes one call at a time."""

    def __init__(self, name: str, answers: queue.SimpleQueue[Answer]) -> None:
        self.last: Call | None = None
        self._answers = answers
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"actor-{name}", daemon=True)
        self._thread.start()

    @property
    def native_id(self) -> int:
        if self._thread.native_id is None:
            raise InternalError("an actor's thread has no number of its own")
        return self._thread.native_id

    def take(self, call: Call) -> None:
        self.last = call
        self._calls.put(call)

    def stop(self) -> None:
        """End the thread, interrupting its call as often as it takes: a signal may come just too early."""
        self._calls.put(None)
        while self._thread.is_alive():
            with contextlib.suppress(ProcessLookupError):
                signal.pthread_kill(self._thread.ident or 0, _WAKE)
            self._thread.join(0.001)

    def _work(self) -> None:
        kernel.hold_signals()
        while (call := self._calls.get()) is not None:
            self._answers.put(Answer(call.id, perform(call)))


class _Watchdog:
    """Interrupts the worker's call when its deadline has passed and it is asleep.

    It wakes from time to time and reads two attributes; calls pay nothing but setting them.
    """

    def __init__(self) -> None:
        self.watched: tuple[int, float] | None = None
        self.fired: tuple[tuple[int, float], str] | None = None
        self._worker = threading.get_ident()
        self._worker_native = threading.get_native_id()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(_WATCH_EVERY_S):
            watched = self.watched
            if watched is None or time.monotonic() < watched[1]:
                continue
            look = _look(self._worker_native)
            if look.state in {"blocked", "unknown"} and self.watched is watched:
                self.fired = (watched, look.evidence)
                signal.pthread_kill(self._worker, _WAKE)


def _isolation(no_network: str) -> str:
    if not no_network:
        return "a network namespace for each case"
    return f"NO network of their own ({no_network}): cases use unused ports, and what runs beside may disturb them"


def _look(thread: int) -> Look:
    """Look at one thread: the kernel answers its call alone, so no other thread matters."""
    sight = look_at_thread(os.getpid(), thread)
    if sight.call == "futex":  # it waits for Python, before its call or after it
        return Look("busy", sight.evidence)
    return Look(sight.state, sight.evidence, sight.timed)


def _do_nothing(_number: int, _frame: object) -> None:
    """Exist: a signal with a handler interrupts a system call, one without would end the process."""


@contextlib.contextmanager
def held_signals() -> Iterator[None]:
    """Hold SIGPIPE back during a case only: programs started by this process must not inherit the mask."""
    before = kernel.hold_signals()
    try:
        yield
    finally:
        kernel.raised_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _has_inet6() -> bool:
    try:
        fd = kernel.CALLS["socket"]({"domain": "inet6", "type": "dgram"})["sock"]
    except OSError:
        return False
    try:
        kernel.CALLS["bind"]({"sock": fd, "addr": {"ip": "::1", "port": 0}})
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
