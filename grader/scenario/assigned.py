"""What an assignment says, put into the steps of a case: exchanges become calls, ends become expectations.

A case needs `exchange:...`, which nothing offers, where the assignment's exchange cannot say what the scenario wants.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from grader.model.assignments import Assignment, Exchange
from grader.model.expectations import SUCCESS, Alternative, Exactly, Expectation, Success
from grader.model.values import SockRef, Value
from grader.ops import OPERATIONS
from grader.scenario.atoms import items
from grader.scenario.complaints import wrong
from grader.scenario.read import Mapping, Node, Scalar
from grader.scenario.scopes import Scope, name_of
from grader.scenario.steps import StepForm
from grader.scenario.values import argument

# A message that surely fits into the buffers of both sides; a longer one is sent while its reply is received.
_SHORT = 16 << 10
_LONGEST_DATAGRAM = 65535
_KEPT = ("within", "mistakes", "note", "by")  # keys beside an exchange that are those of its calls
_SENDING = frozenset({"send", "sendto", "sendmsg", "write", "send_all", "shutdown"})
_ENDS = {"line": b"\n", "nul": b"\0"}


def calls_of(form: StepForm, scope: Scope) -> Iterator[StepForm | tuple[Node, ...]]:
    """Give the steps that an `exchange` stands for, and those inside it; itself where nobody says what it is.

    Raises:
        ScenarioError: the exchange asks for something that none can have.
    """
    assignment = scope.table.assignment
    if assignment is None or assignment.exchange is None:
        yield form
        yield _meanwhile(form)
        return
    for key in form.modifiers:
        if key not in (*_KEPT, "when"):
            raise wrong(form.at(key), f"'{key}' is not allowed for 'exchange'", "its calls are those of the assignment")
    requests = _requests(form, scope)
    _see_that_it_fits(assignment.exchange, requests, form, scope)
    writer = _Writer(form, scope)
    pairs = [_pair(assignment.exchange, request, scope) for request in requests]
    if assignment.place.type == "stream":
        yield from _stream(writer, assignment.exchange, pairs)
    else:
        yield from _datagrams(writer, pairs)
    scope.table.exchanged.add(scope.outer(name_of(form.args["sock"], scope, "the bare name of a socket")))


def note_call(op: str, args: dict[str, Value], scope: Scope) -> None:
    """Note what a call on a socket needs after an exchange that has ended our side of the connection."""
    table, sock = scope.table, args.get("sock")
    exchange = table.assignment.exchange if table.assignment else None
    has_ended = exchange is not None and exchange.framing == "close"
    if has_ended and op in _SENDING and isinstance(sock, SockRef) and sock.name in table.exchanged:
        table.need("exchange:several")


def _meanwhile(form: StepForm) -> tuple[Node, ...]:
    return items(form.args["meanwhile"], "a list of steps") if "meanwhile" in form.args else ()


def _requests(form: StepForm, scope: Scope) -> list[bytes]:
    key = "data" if "data" in form.args else "requests"
    arg = OPERATIONS["exchange"].arg(key)
    found = argument("exchange", arg, form.args[key], scope, None) if arg else ()
    requests = []
    for request in found if isinstance(found, tuple) else (found,):
        if not isinstance(request, bytes):
            raise wrong(form.at(key), "the request of an exchange must be known when the file is loaded")
        requests.append(request)
    return requests


def _see_that_it_fits(exchange: Exchange, requests: list[bytes], form: StepForm, scope: Scope) -> None:
    """Note what this exchange would need of the assignment's and that one has not."""
    need = scope.table.need
    sock = scope.outer(name_of(form.args["sock"], scope, "the bare name of a socket"))
    is_plain = exchange.reply in ("same", "upper")  # the reply is the same however the request is cut into messages
    if exchange.framing == "close" and (sock in scope.table.exchanged or len(requests) > 1):
        need("exchange:several")
    is_cut = "segments" in form.args or len(requests) > 1
    if exchange.framing == "raw" and not is_plain and is_cut:
        need("exchange:framed")
    end = _ENDS.get(exchange.framing)
    if end is not None and not is_plain and any(end in request for request in requests):
        need("exchange:any-bytes")
    if exchange.reply == "table" and any(len(request) > _SHORT or not _is_text(request) for request in requests):
        need("exchange:any-bytes")
    if exchange.reply == "text" and any(len(request) > _SHORT for request in requests):
        need("exchange:any-bytes")
    if exchange.framing == "fixed" and any(len(request) > exchange.size for request in requests):
        need("exchange:any-length")


def _is_text(request: bytes) -> bool:
    return all(32 <= byte < 127 for byte in request)


def _pair(exchange: Exchange, request: bytes, scope: Scope) -> tuple[bytes, bytes]:
    """Give what is sent and what must come back, each with what ends it."""
    match exchange.reply:
        case "upper":
            reply = request.upper()
        case "prefix":
            reply = exchange.text + request
        case "text":
            reply = exchange.text
        case "table":
            request, reply = exchange.table[sum(request) % len(exchange.table)]
        case _:
            reply = request
    return _framed(exchange, request), _framed(exchange, reply)


def _framed(exchange: Exchange, message: bytes) -> bytes:
    if exchange.framing == "fixed":
        return message[: exchange.size].ljust(exchange.size, b"\0")
    return message + _ENDS.get(exchange.framing, b"")


class _Writer:
    """Writes the steps that stand in the place of one."""

    def __init__(self, form: StepForm, scope: Scope) -> None:
        self.form = form
        self.scope = scope

    def step(self, op: str, args: dict[str, Node], *kept: str, **modifiers: Node) -> StepForm:
        """Write a step; `kept` are the keys beside the exchange that this call of it takes over."""
        form = self.form
        given = {key: node for key, node in form.modifiers.items() if key in ("within", "by", *kept)}
        allowed = {key: node for key, node in given.items() if op != "finish" or key != "by"}
        return StepForm(OPERATIONS[op], form.mark, args, {**allowed, **modifiers}, form.marks, {})

    def call(self, op: str, *kept: str, **args: Node) -> StepForm:
        """Write a call on the socket of the exchange."""
        return self.step(op, {"sock": self.form.args["sock"], **args}, *kept)

    def send(self, op: str, content: bytes) -> StepForm:
        """Write a call that sends."""
        return self.call(op, data=self.data(content))

    def receive(self, op: str, reply: bytes, **args: Node) -> StepForm:
        """Write the call that must give the reply."""
        if "as" in self.form.args and reply:
            args["as"] = self.form.args["as"]
        call = self.call(op, "mistakes", "note", **args)
        expect = self.mapping({"data": self.data(reply)})
        return call._replace(modifiers={**call.modifiers, "expect": expect})

    def settled(self) -> StepForm:
        """Write that the program is seen waiting."""
        return self.step("settled", {"proc": self._program()})

    def is_set(self, name: str) -> bool:
        """Whether an argument of the exchange is true."""
        node = self.form.args.get(name)
        return isinstance(node, Scalar) and node.value is True

    def scalar(self, value: int | str) -> Scalar:
        """Write a value at the place of the exchange."""
        return Scalar(self.form.mark, value)

    def mapping(self, parts: dict[str, Node]) -> Mapping:
        """Write a mapping at the place of the exchange."""
        return Mapping(self.form.mark, parts, dict.fromkeys(parts, self.form.mark))

    def data(self, content: bytes) -> Node:
        """Write bytes."""
        return self.mapping({"hex": self.scalar(content.hex())})

    def _program(self) -> Node:
        if "proc" in self.form.args:
            return self.form.args["proc"]
        started = [name for name, binding in self.scope.table.bound.items() if binding.op == "spawn"]
        names = [own for own in self.scope.own_names() if self.scope.outer(own) in started]
        if not names:
            hint = "`proc` says which"
            raise wrong(self.form.mark, "no program that was started before this step can be seen waiting", hint)
        return self.scalar(names[-1])


def _stream(
    writer: _Writer, exchange: Exchange, pairs: list[tuple[bytes, bytes]]
) -> Iterator[StepForm | tuple[Node, ...]]:
    request, reply = (b"".join(parts) for parts in zip(*pairs, strict=True))
    if not request and exchange.framing != "close":
        raise wrong(writer.form.mark, "there is nothing to send", "an exchange has at least one byte")
    ends = exchange.framing == "close"
    if max(len(request), len(reply)) <= _SHORT:
        yield from _short(writer, request)
        if ends or writer.is_set("eof"):
            yield writer.call("shutdown", how=writer.scalar("wr"))
            yield writer.receive("recv_until_eof", reply, limit=writer.scalar(len(reply) + 1))
        elif reply:
            yield writer.receive("recv_exactly", reply, count=writer.scalar(len(reply)))
    else:
        yield from _long(writer, request, reply, ends=ends)


def _short(writer: _Writer, request: bytes) -> Iterator[StepForm | tuple[Node, ...]]:
    first, *others = _pieces(writer, request)
    yield writer.send("send_all", first)
    if others or "meanwhile" in writer.form.args:
        yield writer.settled()
    yield _meanwhile(writer.form)
    for index, piece in enumerate(others):
        if index:
            yield writer.settled()
        yield writer.send("send_all", piece)
    if writer.is_set("late"):
        yield writer.settled()


def _long(writer: _Writer, request: bytes, reply: bytes, *, ends: bool) -> Iterator[StepForm | tuple[Node, ...]]:
    """Write an exchange of which both sides may be full: the request is sent while the reply is received."""
    table = writer.scope.table
    name = writer.scalar(f"sending{len(table.exchanged)}{len(table.bound)}{table.allowance.steps}")
    call = writer.send("send_all", request)
    yield call._replace(modifiers={**call.modifiers, "start": name})
    is_late, is_eof = writer.is_set("late"), writer.is_set("eof")
    if is_late:
        yield writer.settled()
    yield _meanwhile(writer.form)
    finish, end = writer.step("finish", {"call": name}), writer.call("shutdown", how=writer.scalar("wr"))
    if ends or (is_late and is_eof):
        yield finish
        yield end
        if is_late:
            yield writer.settled()
        yield writer.receive("recv_until_eof", reply, limit=writer.scalar(len(reply) + 1))
        return
    yield writer.receive("recv_exactly", reply, count=writer.scalar(len(reply)))
    yield finish
    if is_eof:
        yield end
        yield writer.receive("recv_until_eof", b"")


def _pieces(writer: _Writer, request: bytes) -> list[bytes]:
    """Cut a request; one that is too short for the sizes given is cut in the middle."""
    node = writer.form.args.get("segments")
    arg = OPERATIONS["exchange"].arg("segments")
    segments = argument("exchange", arg, node, writer.scope, None) if node is not None and arg else "whole"
    if segments == "whole":
        return [request]
    sizes = [size for size in segments if isinstance(size, int)] if isinstance(segments, tuple) else [1] * len(request)
    if sizes[0] >= len(request):
        sizes = [len(request) // 2]
    starts = [0, *itertools.accumulate(sizes)]
    ends = [*starts[1:], len(request)]
    return [request[start:end] for start, end in zip(starts, ends, strict=True) if request[start:end]]


def _datagrams(writer: _Writer, pairs: list[tuple[bytes, bytes]]) -> Iterator[StepForm]:
    for request, _ in pairs:
        yield writer.send("send", request)
    for _, reply in pairs:
        yield writer.receive("recv", reply, size=writer.scalar(_LONGEST_DATAGRAM))


# -- how a program ends -------------------------------------------------------------------------------


def expected_end(assignment: Assignment | None, args: dict[str, Value]) -> Expectation:
    """Give how a program must end after the signal that `after` names."""
    signal = args.get("after")
    ends = assignment.program.ends if assignment and assignment.program else {}
    end = ends.get(str(signal), "any")
    if end == "any":
        return SUCCESS
    wanted = ("signal", Exactly(str(signal))) if end == "signal" else ("code", Exactly(end))
    return Expectation((Alternative(Success((wanted,))),))
