"""A difference as a scenario file: the calls that lead to it, and what the host does as the expectation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from grader.model.expectations import Alternative, Expectation, Failure
from grader.model.scenarios import Step
from grader.model.values import InetParts, Ref, SockRef, UnixAddress, Value, Watch
from grader.ops import OPTIONS, Kind
from grader.scenario.conflicts import conflicts
from tests.agreement.author import case_of
from tests.agreement.compare import Difference
from tests.agreement.sides import Seen, flags_of

_PLAIN = re.compile(r"[A-Za-z_$][\w.$-]*|-?\d+")
_READ_AS_OTHERS = ("true", "false", "null")
_CHOSEN = ("stream-", "dgram-")  # ports that the system has chosen
_TIMES = ("SO_RCVTIMEO", "SO_SNDTIMEO")


def scenario(found: Difference, *, id_: str, title: str) -> str:
    """Give the text of a file with one scenario: it passes on the host, and fails where the model differs."""
    addresses = case_of(found.steps).addresses
    lines = [
        "format: 1",
        "suite: agreement/found",
        "about: a conversation that the kernel and the model carry on in different ways, found by ci/agree",
        "scenarios:",
        "",
        f"  - id: {id_}",
        f"    title: {json.dumps(title)}",
        '    spec: ["POSIX.1-2024 2.10 Sockets"]',
        "    level: extended",
    ]
    if addresses:
        specs = (f"{name}: {{kind: {spec.kind}, domain: {spec.domain}}}" for name, spec in addresses.items())
        lines.append(f"    addrs: {{{', '.join(specs)}}}")
    if _names_a_descriptor(found):
        lines.append("    invariants: [lowest-descriptor, distinct-descriptors]")
    lines.append("    steps:")
    return "\n".join((*lines, *_steps(found), ""))


def _names_a_descriptor(found: Difference) -> bool:
    mine, theirs = dict(found.host.fields), dict(found.model.fields)
    return any(mine.get(name) != theirs.get(name) for name in ("sock", "other"))


def _steps(found: Difference) -> Iterator[str]:
    known: dict[str, str] = {}
    last = len(found.steps) - 1
    ambiguous = _ambiguous(found)
    for number, (step, seen) in enumerate(zip(found.steps, found.seen, strict=False)):
        yield f"      - {step.op}: {{{', '.join(_arguments(step))}}}"
        if number < last:
            wanted = _beginning(seen, is_ambiguous=step.path in ambiguous)
        else:
            wanted = _outcome(found, known, is_ambiguous=step.path in ambiguous)
        if wanted:
            yield f"        expect: {wanted}"
        if "data" in wanted or "count" in wanted:
            yield from _single_segment(step, seen)
        _learn(step, seen, known)


def _ambiguous(found: Difference) -> set[str]:
    """Give the steps that fail for two reasons at once: a scenario may not name the errno (lint L16)."""
    failing = (
        replace(step, expect=Expectation((Alternative(Failure((seen.errno,))),))) if seen.how == "fails" else step
        for step, seen in zip(found.steps, found.seen, strict=False)
    )
    return {step.path for step, _ in conflicts(case_of(tuple(failing)))}


def _single_segment(step: Step, seen: Seen) -> Iterator[str]:
    on_a_stream = step.op.startswith(("recv", "read")) and seen.kind[1] == "stream"
    if on_a_stream and "MSG_WAITALL" not in flags_of(step):
        yield "        note: single-segment ok"


def _arguments(step: Step) -> Iterator[str]:
    for name, value in step.args.items():
        yield f"{name}: {_argument(step, name, value)}"
    if len(step.binds) == 2:
        yield f"as: [{', '.join(step.binds)}]"
    elif step.binds:
        yield f"as: {step.binds[0]}"


def _argument(step: Step, name: str, value: Value) -> str:
    is_time = name == "timeout" or (name == "value" and step.args.get("name") in _TIMES)
    return f"{value}ms" if is_time else _written(value)


def _written(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Ref(name, field):
            return f"${name}.{field}" if field else f"${name}"
        case SockRef(name):
            return name
        case InetParts(ip, port):
            return f"{{ip: {_written(ip)}, port: {_written(port)}}}"
        case UnixAddress(path) if path is not None:
            return f"{{path: {_written(path)}}}"
        case Watch(sock, events):
            return f"{{sock: {sock.name}, for: [{', '.join(events)}]}}"
        case bytes():
            text = value.decode("latin-1")
            return (
                _written(text) if text.isascii() and (text.isprintable() or not text) else f'{{hex: "{value.hex()}"}}'
            )
        case tuple():
            return f"[{', '.join(map(_written, value))}]"
        case str() if not _PLAIN.fullmatch(value) or value in _READ_AS_OTHERS:
            return json.dumps(value)
        case _:
            return str(value)


# -- expectations ----------------------------------------------------------------------------------------


def _beginning(seen: Seen, *, is_ambiguous: bool) -> str:
    """Give what a step before the last must give: a success is not looked at, a failure by its errno."""
    if seen.how != "fails":
        return ""
    return "fails" if is_ambiguous else f"{{errno: {seen.errno}}}"


def _outcome(found: Difference, known: Mapping[str, str], *, is_ambiguous: bool) -> str:
    """Give what the last step must give: all in which the host differs from the model."""
    host, model = found.host, found.model
    if host.how == "fails" and is_ambiguous:
        return f"{{not: {{errno: {model.errno}}}}}" if model.how == "fails" else "fails"
    if host.how == "fails":
        signal = f", signal: {host.signals[0] if host.signals else 'none'}" if host.signals != model.signals else ""
        return f"{{errno: {host.errno}{signal}}}"
    theirs = dict(model.fields) if model.how == "ok" else {}
    step = found.steps[-1]
    fields = {
        name: _field(step, name, value, known, theirs.get(name))
        for name, value in host.fields
        if name not in ("sock", "other") and (name not in theirs or theirs[name] != value)
    }
    return f"{{{', '.join(f'{name}: {value}' for name, value in fields.items())}}}" if fields else ""


def _field(step: Step, name: str, value: object, known: Mapping[str, str], other: object) -> str:
    if name in ("addr", "peer"):
        return _address(str(value), known, str(other))
    if name == "ready" and isinstance(value, tuple):
        return f"[{', '.join(_by_name(step, str(word), known) for word in value)}]"
    if name == "value" and OPTIONS.get(str(step.args.get("name"))) is Kind.TIME:
        return f"{value}ms"
    return _written(value)


def _by_name(step: Step, word: str, known: Mapping[str, str]) -> str:
    """Say `c.read` where the symbols say `2.read`."""
    number, _, event = word.partition(".")
    watch = step.args.get("watch")
    rows = [row.sock.name for row in watch if isinstance(row, Watch)] if isinstance(watch, tuple) else []
    return f"{next((name for name in reversed(rows) if known.get(name) == number), number)}.{event}"


def _address(symbol: str, known: Mapping[str, str], other: str) -> str:
    """Give an address as it is to be expected; if nobody knows it, that it is not the `other` one."""
    whole, refused = _whole(symbol, known), _whole(other, known)
    if whole:
        return whole
    if not symbol.startswith("["):
        return f"{{not: {refused or 'unnamed'}}}"
    if refused and refused != "unnamed":  # which also stands for the wildcard with port 0
        return f"{{not: {refused}}}"
    ip, port = symbol.removeprefix("[").rsplit("]:", 1)
    wanted = _port(port, known)
    if not wanted and other.startswith("[") and (refused := _port(other.rpartition("]:")[2], known)):
        wanted = f"{{not: {refused}}}"
    return f"{{ip: {_written(ip)}, port: {wanted}}}" if wanted else f"{{ip: {_written(ip)}}}"


def _whole(symbol: str, known: Mapping[str, str]) -> str:
    """Give the reference to an address as a whole, or nothing."""
    if symbol == "unnamed" or symbol in known:
        return known.get(symbol, symbol)
    is_allotted = not symbol.startswith(("[", "name-", "None"))
    return f"${symbol}" if is_allotted else ""


def _port(symbol: str, known: Mapping[str, str]) -> str:
    """Give the reference to a port, or nothing."""
    if symbol.startswith(_CHOSEN):
        return known.get(symbol, "")
    return symbol if symbol in ("", "0") else f"${symbol}.port"


def _learn(step: Step, seen: Seen, known: dict[str, str]) -> None:
    """Note which descriptor a name stands for, and under which name an address that the system chose can be had."""
    given = dict(seen.fields)
    known.update(zip(step.binds, (str(given[name]) for name in ("sock", "other") if name in given), strict=False))
    if step.binds and "addr" in given:
        _note(str(given["addr"]), f"${step.binds[0]}", known)
        known.setdefault(str(given["addr"]).rpartition("]:")[2], f"${step.binds[0]}.port")
    if step.binds and "peer" in given:
        _note(str(given["peer"]), f"${step.binds[0]}.peer", known)


def _note(symbol: str, reference: str, known: dict[str, str]) -> None:
    if symbol.startswith(("[", "name-")):
        known.setdefault(symbol, reference)
