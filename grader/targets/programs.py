"""The programs of one case: started, watched, waited for; what the steps about programs ask is done here."""

from __future__ import annotations

import contextlib
import select
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from grader.model.errors import InternalError
from grader.model.outcomes import Broken, Ended, Failed, Outcome, Pending, Succeeded
from grader.model.values import Address, InetAddress, Plain, UnixAddress
from grader.sandbox.policy import Limits, Policy
from grader.targets.compiling import Built
from grader.targets.protocol import EXTENSIONS, LOOPING_CPU_S, Call
from grader.targets.readiness import Network, is_ready_by
from grader.targets.running import Running

_MOMENT_S = 0.001
# Twenty threads map a stack and an arena each, 72 MiB together; what is really used has a limit of its own.
_ADDRESS_SPACE = 4 << 30


@dataclass(frozen=True, slots=True)
class Together:
    """What all programs of a case were seen doing together; see `introspect.Rest`."""

    state: str
    evidence: str
    timed: bool = False

    @property
    def is_for_good(self) -> bool:
        """Whether all sleep and no wait ends by itself."""
        return self.state == "blocked" and not self.timed


class Stage:
    """The programs of one case and the network they are in."""

    def __init__(self, built: Built, directory: Path, addresses: Mapping[str, Address]) -> None:
        """Begin with no program."""
        self.network = Network()
        self.directory = directory
        self._built = built
        self._addresses = addresses
        self._running: dict[str, Running] = {}
        self._began_s = time.monotonic()

    def too_long(self) -> Outcome | None:
        """Say that the case has taken longer than the assignment lets it, if that is so."""
        limit_s = self._built.assignment.limits.scenario_s
        if limit_s is None or time.monotonic() - self._began_s < limit_s:
            return None
        return Pending("unknown", f"the assignment lets a scenario take {limit_s:g} s; {self.rest().evidence}")

    # -- all programs together --------------------------------------------------------------------------

    def attend(self) -> None:
        """Take in what the programs print."""
        for running in self._running.values():
            running.attend()

    def rest(self) -> Together:
        """Look at every thread of every program."""
        timed, shown = False, []
        for running in self._running.values():
            if running.ended is not None:
                continue
            rest = running.rest()
            if rest.state == "unknown":
                return Together("unknown", f"this host does not let us see what {running.name} is doing")
            if rest.state == "busy":
                return Together("busy", f"{running.name} is running")
            timed = timed or not rest.is_for_good
            shown += [self.network.show_wait(running.name, wait) for wait in rest.waits]
        return Together("blocked", "; ".join(shown) or "no program runs", timed)

    def cpu_s(self) -> float:
        """Give the CPU time that all programs have used."""
        return sum(running.cpu_s() for running in self._running.values())

    def wait(self, timeout_s: float, sock: int = -1, event: int = 0) -> None:
        """Wait until a program prints or ends, or `sock` is ready, at most so long."""
        poller = select.poll()
        for running in self._running.values():
            for fd in running.descriptors:
                poller.register(fd, select.POLLIN)
        if sock >= 0:
            poller.register(sock, event)
        poller.poll(timeout_s * 1000)
        self.attend()

    def told(self, *, wait: bool = True) -> dict[str, Plain]:
        """Say which program has ended unasked: `crashed` by a signal, `exited` by itself.

        With `wait` one that is just ending is waited for: its sockets are closed before it is gone.
        """
        if wait:
            patience = Patience(self, 1.0)
            while not self._has_end() and self.rest().state != "blocked" and patience.given_up() is None:
                self.wait(_MOMENT_S)
        for running in self._running.values():
            if end := running.how_it_ended():
                return {"crashed" if end.startswith("by ") else "exited": f"{running.name} ended {end}"}
        return {}

    def _has_end(self) -> bool:
        return any(running.ended is not None for running in self._running.values())

    def story(self) -> str:
        """Give what the programs have printed, and how they ended."""
        return "\n".join(story for running in self._running.values() if (story := running.story()))

    def close(self) -> None:
        """End every program."""
        with contextlib.ExitStack() as ends:
            ends.callback(self.network.close)
            for running in self._running.values():
                ends.callback(running.close)

    # -- what steps ask ---------------------------------------------------------------------------------

    def spawn(self, call: Call) -> Outcome:
        """Start a program."""
        if self._built.failure:
            return Ended("build", note=self._built.failure)
        role = str(call.args["program"])
        arguments = self._built.program.run.get(role)
        if arguments is None:
            return Broken(f"the assignment does not say how to run '{role}'", "invalid-suite")
        more = call.args.get("args")
        argv = [*map(self._filled, arguments), *map(_text, more if isinstance(more, tuple) else ())]
        count = sum(name == role or name.startswith(f"{role} ") for name in self._running)
        name = role if not count else f"{role} {count + 1}"
        running = self._running[name] = Running(name, argv, self._policy())
        if self._built.program.stdin is not None:
            running.write(self._built.program.stdin.encode())
        return Succeeded({"proc": name})

    def _filled(self, word: str) -> str:
        srv = self._addresses.get("srv")
        values = {"dir": str(self.directory)}
        if isinstance(srv, InetAddress):
            values |= {"port": str(srv.port), "host": srv.ip}
        if isinstance(srv, UnixAddress):
            values |= {"path": str(srv.path)}
        for name, value in values.items():
            word = word.replace(f"{{{name}}}", value)
        return word

    def _policy(self) -> Policy:
        home, environment = str(self.directory), self._built.program.environment
        return Policy(work=self.directory, home=home, environment=environment, limits=_limits(self._built))

    def ready(self, call: Call) -> Outcome:
        """Wait until a program is ready, or say why it never will be."""
        running = self._of(call)
        by, how = call.args.get("by"), self._built.program.ready
        address = self._addresses.get("srv")

        def is_ready() -> bool:
            if isinstance(by, tuple):
                return is_ready_by(running, by, self.network, how if how != "none" else "listen")
            return how == "none" or (address is not None and self.network.is_ready(running, how, address))

        patience = Patience(self, call.deadline_s)
        while not is_ready():
            given_up = patience.given_up(strictly=False)
            if running.ended is not None or (given_up is not None and not is_ready()):
                return given_up if isinstance(given_up, Broken) else self._not_ready(running, how, address)
            running.wait(_MOMENT_S)
        return Succeeded()

    def _not_ready(self, running: Running, how: str, address: Address | None) -> Outcome:
        words = running.last_words()
        said = f"; it printed: {words}" if words else ""
        if running.ended is not None:
            end = running.how_it_ended() or "by our signal"
            return Ended("not-ready", note=f"it ended {end} before it was ready{said}")
        instead = self.network.instead(running, how, address) if address is not None else ""
        waits = self.rest().evidence
        return Ended("not-ready", note=f"{instead}; {waits}{said}")

    def settled(self, call: Call) -> Outcome:
        """Wait until a program sleeps in calls that wait, and all that was sent has arrived."""
        running = self._of(call)
        patience = Patience(self, call.deadline_s)
        calm = False
        while running.ended is None:
            is_calm = running.rest().state == "blocked" and not self.network.is_under_way(strictly=False)
            if is_calm and calm:
                return Succeeded()
            calm = is_calm
            given_up = patience.given_up(strictly=False)
            if isinstance(given_up, Pending) and given_up.state == "blocked":
                return Succeeded()
            if given_up is not None:
                return given_up
            if not calm:
                running.wait(_MOMENT_S)
            else:
                running.attend()
        return Succeeded()

    def resources(self, call: Call) -> Outcome:
        """Count what a program holds."""
        running = self._of(call)
        if running.ended is not None:
            return replace(running.ended, note=f"{running.name} had ended {running.how_it_ended()}")
        return Succeeded(running.resources(self.network.listening(running)))

    def stdin(self, call: Call) -> Outcome:
        """Write to a program's standard input."""
        running = self._of(call)
        data = call.args.get("data")
        left = data if isinstance(data, bytes) else b""
        patience = Patience(self, call.deadline_s)
        while left:
            written = running.write(left) if running.has_input else None
            if written is None:
                return Failed("EPIPE", 32)
            left = left[written:]
            if left and not written:
                if (given_up := patience.given_up()) is not None:
                    return given_up
                running.wait(_MOMENT_S)
        if call.args.get("eof"):
            running.end_input()
        return Succeeded()

    def stdout(self, call: Call) -> Outcome:
        """Give what a program has printed."""
        return _printed(self._of(call).printed())

    def stderr(self, call: Call) -> Outcome:
        """Give what a program has printed on standard error."""
        return _printed(self._of(call).complained())

    def wait_exit(self, call: Call) -> Outcome:
        """Wait until a program ends."""
        running = self._of(call)
        patience = Patience(self, call.deadline_s)
        while running.ended is None:
            if (given_up := patience.given_up()) is not None and running.ended is None:
                return given_up
            running.wait(_MOMENT_S)
        end = running.ended
        if end.how == "exit":
            return Succeeded({"code": end.code, "signal": "none"})
        if end.how == "signal":
            return Succeeded({"signal": end.name})
        return end

    def kill(self, call: Call) -> Outcome:
        """Send a signal to a program."""
        try:
            number = signal.Signals[str(call.args["signal"])]
        except KeyError:
            return Broken(f"no signal is called {call.args['signal']!r}", "invalid-suite")
        return self._of(call).signal(number, to_everyone=call.args.get("everyone") is True)

    def _of(self, call: Call) -> Running:
        name = str(call.args["proc"])
        if name not in self._running:
            raise InternalError(f"no program was started as {name}")
        return self._running[name]


def _limits(built: Built) -> Limits:
    """Give the limits of the wall with what the assignment says of them."""
    wanted, limits = built.assignment.limits, Limits(address_space_bytes=_ADDRESS_SPACE)
    if wanted.cpu_s is not None:
        limits = replace(limits, cpu_s=max(1, round(wanted.cpu_s)), tree_cpu_s=wanted.cpu_s)
    if wanted.memory_bytes is not None:
        limits = replace(limits, resident_bytes=wanted.memory_bytes)
    if wanted.processes is not None:
        limits = replace(limits, processes=wanted.processes)
    if wanted.files is not None:
        limits = replace(limits, descriptors=wanted.files)
    if wanted.output_bytes is not None:
        limits = replace(limits, output_bytes=wanted.output_bytes)
    return replace(limits, address_space_bytes=None) if built.program.sanitize else limits


class Patience:
    """How long a call waits for programs: until they sleep for good, compute for ever, or the deadline has passed."""

    def __init__(self, stage: Stage, deadline_s: float) -> None:
        """Begin to wait."""
        self._stage = stage
        self._deadline_s = deadline_s
        self._until = time.monotonic() + deadline_s
        self._cpu_s = -1.0
        self._moved = 0
        self._last = ""

    def given_up(self, *, strictly: bool = True) -> Outcome | None:
        """Say why the call will not end, or None to wait on. A state is believed when it is seen twice."""
        rest = self._stage.rest()
        if rest.is_for_good and not self._stage.network.is_under_way(strictly=strictly):
            if rest.evidence == self._last:
                return Pending("blocked", rest.evidence)
            self._last = rest.evidence
            return None
        self._last = ""
        used_s = self._used_s() if rest.state == "busy" else 0.0
        if used_s >= LOOPING_CPU_S:
            return Pending("looping", f"{rest.evidence} and has used {used_s:.1f} s of CPU time")
        if time.monotonic() < self._until:
            return None
        if rest.state != "busy":
            ends = "; a wait of it ends by itself" if rest.timed else ""
            return Pending(rest.state, f"{rest.evidence}{ends}")
        if self._moved == EXTENSIONS:
            waited_s = self._deadline_s * (EXTENSIONS + 1)
            return Broken(f"the program got too little CPU time to answer within {waited_s:g} s", "host")
        self._moved += 1
        self._until = time.monotonic() + self._deadline_s
        return None

    def _used_s(self) -> float:
        """Give the CPU time that the programs have used since they were first seen busy."""
        cpu_s = self._stage.cpu_s()
        if self._cpu_s < 0:
            self._cpu_s = cpu_s
        return cpu_s - self._cpu_s


def _printed(content: bytes) -> Outcome:
    text = content.decode("utf-8", "replace")
    return Succeeded({"text": text, "lines": tuple(text.splitlines())})


def _text(word: Plain) -> str:
    return word.decode("ascii", "replace") if isinstance(word, bytes) else str(word)


PROGRAM_OPS: Mapping[str, Callable[[Stage, Call], Outcome]] = {
    "spawn": Stage.spawn,
    "ready": Stage.ready,
    "settled": Stage.settled,
    "resources": Stage.resources,
    "stdin": Stage.stdin,
    "stdout": Stage.stdout,
    "stderr": Stage.stderr,
    "wait_exit": Stage.wait_exit,
    "kill": Stage.kill,
}
