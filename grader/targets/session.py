"""One case's conversation with a cell: calls out, answers in, and who gets the blame when it ends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from grader.model.errors import TargetError
from grader.model.outcomes import Broken, Ended, Outcome, Pending, Raised, Unoffered
from grader.model.scenarios import ActorKind
from grader.model.values import Address
from grader.ops import OPERATIONS
from grader.sandbox import introspect
from grader.targets import addresses, wire
from grader.targets.processes import Cell, ended_process
from grader.targets.protocol import Answer, Call, Look

_LOAD_S = 10.0  # for a module to be imported; a module of sockets has nothing to compute
_MAIN = "main"


class AgentSession:
    """A session with one cell of an agent."""

    clock = staticmethod(time.monotonic_ns)

    def __init__(
        self, cell: Cell, allotted: Mapping[str, Address], *, owns_network: bool = False, printed: str = ""
    ) -> None:
        """Hold the cell and the addresses made for its case; `printed` stands before what it prints."""
        self._printed = printed
        self._owns_network = owns_network
        self.loaded: Mapping[str, Any] | None = None
        self._cell = cell
        self._addresses = allotted
        self._pending: dict[int, Call] = {}
        self._answers: deque[Answer] = deque()
        self._places: dict[int, tuple[int, int]] = {}
        self._cpu_before: dict[int, float] = {}
        self._ended_actors: dict[str, Ended] = {}
        self._is_walled = False
        self._refusal: Outcome | None = None
        self._fate: Ended | None = None
        self._is_fate_told = False

    def load(self) -> None:
        """Wait until the module is loaded, or it is clear how that failed; the calls then say so.

        Raises:
            TargetError: the cell ended before it reached the student's code.
        """
        deadline = time.monotonic() + _LOAD_S
        while not self._is_settled and (left := deadline - time.monotonic()) > 0:
            self._cell.take_in(left)
            while self._cell.messages and not self._is_settled:
                self._take_loaded(self._cell.messages.popleft())
        if self._cell.end is not None and not self._is_walled:
            raise TargetError(f"a case could not be walled off: {self._cell.output().strip()}")
        if not self._is_settled and self._cell.end is None:
            self._refusal = self._stuck_import()
        self._settle_end()

    @property
    def _is_settled(self) -> bool:
        """Whether it is known how loading went; a message still on the way may say so after the end."""
        is_over = self._cell.end is not None and not self._cell.messages
        return is_over or self.loaded is not None or self._refusal is not None

    def _take_loaded(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"t": "walled"}:
                self._is_walled = True
            case {"t": "loaded", "exc": {"type": str(type_), "text": str(text), "trace": str(trace)}}:
                self._refusal = Raised(type_, text, trace)
            case {"t": "loaded", "ops": list(), "missing": dict(), "features": list()}:
                self.loaded = message
            case _:
                self._cell.accuse("tampered", f"a message that no agent writes: {message!r:.200}")

    def _stuck_import(self) -> Outcome:
        is_looping = self._cpu() > _LOAD_S / 2
        return Pending("looping" if is_looping else "unknown", f"the module was not imported within {_LOAD_S:g} s")

    @property
    def pid(self) -> int:
        """The number of the cell's first process."""
        return self._cell.pid

    @property
    def refusal(self) -> Outcome | None:
        """Why the code cannot be called at all, None if it can."""
        return self._refusal

    @property
    def addresses(self) -> Mapping[str, Address]:
        """The addresses of the case."""
        return self._addresses

    def issue(self, call: Call) -> Outcome | None:
        """Begin a call; gives its outcome at once if it cannot be made."""
        if call.op in addresses.PATH_OPS:
            return addresses.path_operation(call.op, call.args.get("addr"))
        if (obstacle := self._obstacle(call)) is not None:
            return obstacle
        self._pending[call.id] = call
        place = _place(call)
        if place == "inline":
            self._places[call.id] = (self._cell.pid, self._cell.pid)
        args = {name: wire.to_wire(value) for name, value in call.args.items() if value is not None}
        self._cell.send({"t": "call", "id": call.id, "actor": call.actor, "op": call.op, "place": place, "args": args})
        return None

    def _obstacle(self, call: Call) -> Outcome | None:
        if call.kind is ActorKind.TRUSTED:
            return Broken("a module has no trusted actors", "invalid-suite")
        if self._refusal is not None:
            return self._refusal
        if self._fate is not None:
            return self._tell_fate()
        if call.actor in self._ended_actors:
            return self._ended_actors[call.actor]
        missing = (self.loaded or {}).get("missing", {})
        if call.op in missing:
            reason = missing[call.op]
            return Raised("missing", reason) if OPERATIONS[call.op].required else Unoffered(reason)
        return None

    def _tell_fate(self) -> Ended:
        if self._fate is None or self._is_fate_told:
            return Ended("lost", note="the process had ended before this call")
        self._is_fate_told = True
        return self._fate

    def wait(self, timeout_s: float) -> Answer | None:
        """Give the next answer, or None when the time has passed without one."""
        deadline = time.monotonic() + timeout_s
        while not self._answers and self._cell.end is None:
            left = deadline - time.monotonic()
            self._take_in(left)
            if left <= 0:
                break
        if not self._answers and self._fate is not None and not self._is_fate_told:
            return Answer(None, self._tell_fate())
        return self._answers.popleft() if self._answers else None

    def look(self, call: int) -> Look:
        """Look at a pending call through /proc."""
        self._take_in(0)
        if call not in self._pending:
            return Look("returning", "its answer is there")
        if call not in self._places:
            return Look("busy", "the call has not reached its actor yet", cpu_s=self._cpu_since(call))
        sight = introspect.look_at_process(self._cell.pid, self._places[call][1])
        self._take_in(0)
        if call not in self._pending:
            return Look("returning", "its answer is there")
        return Look(sight.state, sight.evidence, timed=sight.timed, cpu_s=self._cpu_since(call))

    def is_settled(self) -> bool:
        """Say whether the network of the cell is at rest; in a network that others use too, nobody knows."""
        try:
            return self._owns_network and introspect.network_is_quiet(f"/proc/{self._cell.pid}/net")
        except OSError:
            return False

    def output(self) -> str:
        """Give the tail of what the module has printed."""
        return self._printed + self._cell.output()

    def _cpu(self) -> float:
        try:
            return introspect.cpu_seconds(self._cell.pid)
        except OSError:
            return 0.0

    def _cpu_since(self, call: int) -> float:
        """Give the CPU time since the first look at the call: before that nobody asked."""
        now = self._cpu()
        return max(0.0, now - self._cpu_before.setdefault(call, now))

    def _take_in(self, timeout_s: float) -> None:
        self._cell.take_in(timeout_s)
        while self._cell.messages:
            message = self._cell.messages.popleft()
            try:
                self._take(message)
            except wire.MalformedError as error:
                self._cell.accuse("tampered", str(error))
        self._settle_end()

    def _take(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"t": "started", "id": int(call), "pid": int(pid), "tid": int(tid)} if call in self._pending:
                self._places[call] = (pid, tid)
            case {"t": "ret", "id": int(call)} if call in self._pending:
                outcome = wire.to_outcome(self._pending[call].op, message)
                del self._pending[call]
                self._answers.append(Answer(call, outcome))
            case {"t": "gone", "actor": str(actor), "code": int(code)}:
                self._end_actor(actor, ended_process(code))
            case _:
                raise wire.MalformedError(f"a message that no agent writes: {message!r:.200}")

    def _end_actor(self, actor: str, end: Ended) -> None:
        self._ended_actors[actor] = end
        for call in [call.id for call in self._pending.values() if call.actor == actor]:
            del self._pending[call]
            self._answers.append(Answer(call, end))

    def _settle_end(self) -> None:
        """Once the cell has ended: the call in flight ended it, the others are lost."""
        end = self._cell.end
        if end is None or self._fate is not None:
            return
        self._fate = end
        if not self._pending:
            return
        self._is_fate_told = True
        # What `main` does runs in the cell's first thread; the other actors were there before and waited.
        culprit = max(self._pending.values(), key=lambda call: (_place(call) == "inline", call.id))
        others = [call for call in self._pending if call != culprit.id]
        self._pending.clear()
        self._answers.append(Answer(culprit.id, end))
        self._answers.extend(Answer(call, Ended("lost", note="another call ended the process")) for call in others)


def _place(call: Call) -> str:
    if call.kind is ActorKind.PROCESS:
        return "process"
    return "inline" if call.actor == _MAIN and not call.concurrent else "thread"
