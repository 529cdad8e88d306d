"""Sentences for the student: calls as C writes them, what was expected, what was seen."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping

from grader.bindings import Names
from grader.model.errors import InternalError
from grader.model.expectations import (
    AddressLike,
    Anything,
    Between,
    BytesLike,
    Exactly,
    Expectation,
    Failure,
    Matcher,
    Not,
    OneOf,
    Pattern,
    SetLike,
    Signalled,
    StillPending,
    Success,
    Unnamed,
    Whatever,
)
from grader.model.outcomes import Broken, Ended, Failed, Outcome, Pending, Raised, Succeeded, Unoffered
from grader.model.scenarios import Step
from grader.model.values import Plain, SockRef, Value, Watch
from grader.ops import OPERATIONS, Group

_SHOWN_BYTES = 48
_FAMILIES = {"unix": "AF_UNIX", "inet": "AF_INET", "inet6": "AF_INET6"}
_TYPES = {"stream": "SOCK_STREAM", "dgram": "SOCK_DGRAM", "seqpacket": "SOCK_SEQPACKET"}
_HOWS = {"rd": "SHUT_RD", "wr": "SHUT_WR", "rdwr": "SHUT_RDWR"}


def show(value: Plain) -> str:
    """Write a value as a student would: text in quotes, other bytes in hex, addresses with their port."""
    if isinstance(value, bytes):
        return _show_bytes(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(show(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing" if value is None else str(value)


def _show_bytes(data: bytes) -> str:
    head = data[:_SHOWN_BYTES]
    is_text = all(32 <= byte < 127 or byte in b"\r\n\t" for byte in head)
    text = '"' + head.decode("ascii").encode("unicode_escape").decode() + '"' if is_text else "hex " + head.hex(" ")
    return text if len(data) <= _SHOWN_BYTES else f"{text}... ({len(data)} bytes)"


def show_errno(name: str) -> str:
    """Write an errno with its meaning, as in `ECONNREFUSED (Connection refused)`."""
    number = getattr(errno, name, None)
    return f"{name} ({os.strerror(number)})" if isinstance(number, int) else name


# -- calls ----------------------------------------------------------------------------------------------


def show_call(step: Step, op: str, args: Mapping[str, Plain]) -> str:
    """Write a call as C would, with sockets by the names the scenario gives them."""
    shape = _CALL_SHAPES.get(op)
    values = {name: _show_arg(step, name, value) for name, value in args.items()}
    parts = shape(values, args) if shape else [text for name, text in values.items() if name != "flags"]
    flags = args.get("flags")
    if flags and isinstance(flags, tuple):
        parts = [*parts, "|".join(map(str, flags))]
    return f"{op}({', '.join(parts)})"


def _show_arg(step: Step, name: str, value: Plain) -> str:
    if name == "sock":
        ref = step.args.get("sock")
        return ref.name if isinstance(ref, SockRef) else str(value)
    if name == "watch":
        return _show_watch(step.args.get("watch"))
    return show(value)


def _show_watch(watch: Value) -> str:
    rows = watch if isinstance(watch, tuple) else ()
    return ", ".join(f"{row.sock.name} for {'+'.join(row.events)}" for row in rows if isinstance(row, Watch))


def _shape_socket(_values: Mapping[str, str], args: Mapping[str, Plain]) -> list[str]:
    kind = _TYPES.get(str(args.get("type")), str(args.get("type")))
    if args.get("nonblock"):
        kind += "|SOCK_NONBLOCK"
    return [_FAMILIES.get(str(args.get("domain")), str(args.get("domain"))), kind, str(args.get("proto") or 0)]


_CALL_SHAPES: dict[str, Callable[[Mapping[str, str], Mapping[str, Plain]], list[str]]] = {
    "socket": _shape_socket,
    "socketpair": _shape_socket,
    "shutdown": lambda values, args: [values["sock"], _HOWS.get(str(args["how"]), str(args["how"]))],
    "accept": lambda values, _args: [values["sock"]],
    "getsockopt": lambda values, args: [values["sock"], str(args["name"])],
    "setsockopt": lambda values, args: [values["sock"], str(args["name"]), values["value"]],
    "nonblock": lambda values, args: [values["sock"], "on" if args["set"] else "off"],
}


def show_step(step: Step, names: Names) -> str:
    """Write the call of a step; names that nothing bound yet stay as written."""
    if OPERATIONS[step.op].group is Group.ASSERTION:
        values = step.args.get("values")
        written = [str(value) for value in values] if isinstance(values, tuple) else []
        return f"check {step.op} {', '.join(written)}"
    if step.op in {"finish", "still_blocked"}:
        return f"{step.op} {step.args['call']}"
    if step.op in {"race", "collect"}:
        return f"{step.op} of {len(step.inner)} calls"
    return show_call(step, step.op, {name: _try(names, value) for name, value in step.args.items()})


def _try(names: Names, value: Value) -> Plain:
    try:
        return names.resolve(value)
    except InternalError:  # not bound yet: shown as it is written
        return str(value)


# -- what was expected ----------------------------------------------------------------------------------


def show_expectation(step: Step, names: Names) -> str:
    """Say in a sentence what a step had to give."""
    expect: Expectation = step.expect
    if expect.blocks or step.op == "still_blocked":
        return "the call waits"
    if step.op == "race":
        return f"{expect.returned} of the calls return and {expect.pending} go on waiting"
    if expect.in_any_order:
        shown = "; ".join(show_pattern(pattern, names) for pattern in expect.in_any_order)
        return f"in any order: {shown}"
    if OPERATIONS[step.op].group is Group.ASSERTION:
        return _ASSERTION_TEXTS[step.op]
    shown = " or ".join(show_pattern(one.pattern, names) for one in expect.alternatives)
    return f"anything but {shown}" if expect.negated else shown


_ASSERTION_TEXTS = {
    "distinct": "all of them different",
    "same": "all of them equal",
    "equal": "both equal",
    "bytes_prefix": "the first is a beginning of the second",
}


def show_pattern(pattern: Pattern, names: Names) -> str:
    """Say what an outcome of this pattern looks like."""
    match pattern:
        case Success(()):
            return "success"
        case Success(fields):
            return "success with " + ", ".join(f"{name} {show_matcher(matcher, names)}" for name, matcher in fields)
        case Failure(errnos, signal):
            text = "failure with " + " or ".join(map(show_errno, errnos)) if errnos else "failure"
            return text + {None: "", "none": " and no signal"}.get(signal, f" and {signal}")
        case Signalled(signal):
            return f"the signal {signal}"
        case StillPending():
            return "the call waits"
        case Whatever():
            return "anything"


def show_matcher(matcher: Matcher, names: Names) -> str:
    """Say what a field may hold."""
    match matcher:
        case Anything():
            return "of any value"
        case Exactly(value):
            return show(_try(names, value))
        case OneOf(values):
            return "one of " + ", ".join(show(_try(names, value)) for value in values)
        case Not(inner):
            return f"not {show_matcher(inner, names)}"
        case Between(low, high):
            return _show_between(_try(names, low), _try(names, high))
        case BytesLike(how, value):
            return f"{_BYTES_TEXTS[how]} {show(_try(names, value))}"
        case SetLike(how, values):
            return f"{_SET_TEXTS[how]} {show(tuple(_try(names, value) for value in values))}"
        case AddressLike(ip, port, path):
            parts = (("ip", ip), ("port", port), ("path", path))
            return "with " + ", ".join(f"{name} {show_matcher(part, names)}" for name, part in parts if part)
        case Unnamed():
            return "unspecified (no name: wildcard and port 0, or an empty AF_UNIX name)"


def _show_between(low: Plain, high: Plain) -> str:
    if low is None:
        return f"at most {show(high)}"
    return f"at least {show(low)}" if high is None else f"from {show(low)} to {show(high)}"


_BYTES_TEXTS = {
    "starts": "that start with",
    "ends": "that end with",
    "prefix_of": "that are a beginning of",
    "length": "of length",
    "sha256": "with SHA-256",
}
_SET_TEXTS = {"exact": "exactly", "has": "with", "lacks": "without"}


# -- what was seen --------------------------------------------------------------------------------------


def show_outcome(outcome: Outcome) -> str:
    """Say in a sentence how a call ended."""
    match outcome:
        case Succeeded(fields, signals):
            text = ", ".join(f"{name} {show(value)}" for name, value in fields.items())
            return (f"success with {text}" if text else "success") + _raised(signals)
        case Failed(name, _, signals, partial):
            had = ", ".join(f"{key} {show(value)}" for key, value in partial.items())
            return f"failure with {show_errno(name)}{_raised(signals)}" + (f", after {had}" if had else "")
        case Raised(kind, text, _):
            return f"{text}" if kind in {"missing", "wrong result"} else f"the exception {kind}: {text}"
        case Ended():
            return _show_end(outcome)
        case Pending("looping", evidence):
            return "no end: the call was still computing at its deadline" + _in_brackets(evidence)
        case Pending("unknown", evidence):
            return "no end before its deadline" + _in_brackets(evidence)
        case Pending(_, evidence):
            return "no end: the call waits" + _in_brackets(evidence)
        case Unoffered(reason) | Broken(reason, _):
            return reason


def _show_end(end: Ended) -> str:
    text = {
        "signal": f"the process was ended by {end.name} during the call",
        "exit": f"the process exited with status {end.code} during the call",
        "output": "the process printed more than it may and was ended",
        "tampered": "the code wrote on, or closed, descriptors that belong to the grader",
        "lost": "the call was lost when the process ended",
        "build": "the code could not be built",
        "not-ready": "the program never was ready",
        "cpu": "the program used more CPU time than it may and was ended",
        "memory": "the program used more memory than it may and was ended",
        "disk": "the program wrote more files than it may and was ended",
        "killed": "the program was ended by the grader",
    }[end.how]
    return text + _in_brackets(end.note)


def _raised(signals: tuple[str, ...]) -> str:
    return f" and the signal {', '.join(signals)}" if signals else ""


def _in_brackets(note: str) -> str:
    return f" ({note})" if note else ""


def show_answer(outcome: Outcome) -> str:
    """Write the end of a call as one trace line has it, in the way of strace."""
    match outcome:
        case Succeeded(fields, signals):
            shown = [show(value) if name == "sock" else f"{name} {show(value)}" for name, value in fields.items()]
            return (", ".join(shown) or "0") + _raised(signals)
        case Failed(name, _, signals, _):
            return f"-1 {show_errno(name)}{_raised(signals)}"
        case _:
            return show_outcome(outcome)
