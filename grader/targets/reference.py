"""Target `reference`: the model of sockets, in this process and on virtual time.

Each case has a system of its own, with a network, a file system and a clock that nobody else sees. Nothing
here waits: where another driver would sleep, the system's time is moved to the next thing that happens.
The one module that imports `reference`.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple, Self

from grader.model.errors import InternalError
from grader.model.outcomes import Broken, Failed, Outcome, Succeeded, Unoffered
from grader.model.scenarios import ActorKind, Case
from grader.model.values import Address, InetAddress, Plain, UnixAddress
from grader.ops import FEATURES, OPERATIONS, Group, Kind
from grader.targets.addresses import PATH_OPS, PathCalls, allot, path_operation
from grader.targets.protocol import Answer, Call, Look, Profile, Session, Target
from reference import PARTS, Error, Inet, NotModelledError, Parked, Process, Refused, System, Unix
from reference.files import Files
from reference.mutation import generated, mutants_in, mutated
from reference.sockets import Fields

# Whoever tries models that are broken on purpose gets at them here.
__all__ = ["PARTS", "ReferenceTarget", "Refused", "generated", "mutants_in", "mutated", "open_reference"]

_FOLDER = Path("/a-folder-that-is-only-pretended")  # nobody's folder: the file system is pretended too
_SUT = ActorKind.SUT  # an enum's members are slow to get at, and every call asks
_NOT_OFFERED = frozenset({"programs", "second-host"})
_SOCKET_OPS = frozenset(op.name for op in OPERATIONS.values() if op.group is Group.SOCKET)
# Operation: the result field that is an address.
_ADDRESS_FIELDS = {op.name: one.name for op in OPERATIONS.values() for one in op.fields if one.kind is Kind.ADDR}
_PROFILE = Profile(
    name="reference",
    ops=_SOCKET_OPS | PATH_OPS,
    features=frozenset(FEATURES) - _NOT_OFFERED,
    missing=dict.fromkeys(_NOT_OFFERED, "the target reference is an interface on one host, not a program"),
    blocking="model",
    isolation="a simulated network of its own for each case, on virtual time",
    language="Python",
)


def open_reference(parts: Mapping[str, type] | None = None) -> Target:
    """Open the model as a target.

    Args:
        parts: The classes that it is made of, by name; none given: those of the model itself.
    """
    return ReferenceTarget(PARTS if parts is None else parts)


class ReferenceTarget:
    """A model of sockets."""

    profile = _PROFILE  # a call in a form that the model does not imitate is refused when it is made

    def __init__(self, parts: Mapping[str, type]) -> None:
        """Make every case's system of these parts."""
        self._parts = parts

    def session(self, case: Case) -> AbstractContextManager[Session]:
        """Open a session on a new system; nothing is left of it when it is dropped."""
        return _ReferenceSession(case, System(parts=self._parts))

    def close(self) -> None:
        """Do nothing: there is nothing to let go."""


class _Waiting(NamedTuple):
    call: Call
    parked: Parked


class _ReferenceSession:
    def __init__(self, case: Case, system: System) -> None:
        self.addresses = allot(case, _FOLDER, own_net=True, make_stale=system.files.make_stale)
        if UnixAddress in map(type, self.addresses.values()):
            system.files.make_folder(str(_FOLDER))
        self._system = system
        self._main = system.process()
        self._forked: dict[str, Process] = {}
        self._waiting: dict[int, _Waiting] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: who drops the session drops the system, and every call that waits in it."""

    def clock(self) -> int:
        return self._system.now

    def issue(self, call: Call) -> Outcome | None:
        number, _, op, args, kind, _, _ = call
        if op in PATH_OPS:
            return self._path_operation(call)
        process = self._main if kind is _SUT else self._process(call)
        if process is None:
            return Broken("a model has no trusted actors", "invalid-suite")
        try:
            result = process.call(op, _args_to_model(args) if "addr" in args else args)
        except NotModelledError as reason:
            return Unoffered(str(reason))
        if not isinstance(result, Parked):
            return _outcome(op, result)
        if result.outcome is not None:
            return _outcome(op, result.outcome)
        self._waiting[number] = _Waiting(call, result)
        return None

    def wait(self, timeout_s: float) -> Answer | None:
        """Let virtual time run from one timer to the next, until one of them ends a call."""
        system = self._system
        until = system.now + round(timeout_s * 1e9)
        while (answer := self._next_answer()) is None:
            timer = system.next_timer()
            if timer is None or timer > until:
                system.advance(until)
                return None
            system.advance(timer)
        return answer

    def look(self, call: int) -> Look:
        asked, parked = self._waiting[call]
        if parked.outcome is not None:
            return Look("returning", "its answer is there")
        return Look("blocked", f"{asked.op} waits for {parked.waits_for}", timed=parked.until is not None)

    def is_settled(self) -> bool:
        return self._system.next_timer() is None

    def output(self) -> str:
        return ""

    def _process(self, call: Call) -> Process | None:
        """Give the process of an actor that has one of its own, forked at its first call."""
        if call.kind is ActorKind.PROCESS and call.actor not in self._forked:
            self._forked[call.actor] = self._main.fork()
        return self._forked.get(call.actor)

    def _next_answer(self) -> Answer | None:
        ended = self._system.ended
        while ended:
            parked = ended.popleft()
            for number, waiting in self._waiting.items():
                if waiting.parked is parked and parked.outcome is not None:
                    del self._waiting[number]
                    return Answer(number, _outcome(waiting.call.op, parked.outcome))
        return None

    def _path_operation(self, call: Call) -> Outcome:
        try:
            return path_operation(call.op, call.args.get("addr"), _path_calls(self._system.files))
        except Error as error:
            return _failed(error.errno, ())


def _path_calls(files: Files) -> PathCalls:
    def make_file(path: str) -> dict[str, Plain]:
        files.make_file(path)
        return {}

    def unlink(path: str) -> dict[str, Plain]:
        files.unlink(path)
        return {}

    return {"path_type": lambda path: {"type": files.type_of(path)}, "make_file": make_file, "unlink": unlink}


# -- between our nouns and those of the model ------------------------------------------------------------


def _args_to_model(args: Mapping[str, Plain]) -> Mapping[str, object]:
    address = args["addr"]
    if isinstance(address, InetAddress):
        return {**args, "addr": Inet(address.ip, address.port, address.scope)}
    if isinstance(address, UnixAddress):
        return {**args, "addr": Unix(address.path, address.abstract)}
    return args


def _outcome(op: str, result: Fields | Refused) -> Outcome:
    if isinstance(result, Refused):
        return _failed(result.errno, result.signals)
    name = _ADDRESS_FIELDS.get(op)
    if name in result:
        result[name] = _address(result[name])
    return Succeeded(result)


@cache
def _failed(symbol: str, signals: tuple[str, ...]) -> Failed:
    return Failed(symbol, getattr(errno, symbol), signals)


@lru_cache(maxsize=4096)
def _address(name: object) -> Address:
    match name:
        case Inet(ip, port, scope):
            return InetAddress(ip, port, scope)
        case Unix(path, abstract):
            return UnixAddress(path, abstract)
        case _:
            raise InternalError(f"the model gave {name!r} for an address")
