"""What is well formed and still wrong: the lints L1 to L16, a table of functions.

L1, L6, L9 and L15 are found where names, data, alternatives and fragments are read; their rows have no function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from grader.model.errors import Complaint
from grader.model.expectations import (
    AddressLike,
    BytesLike,
    Exactly,
    Matcher,
    Not,
    OneOf,
    Pattern,
    Success,
    Whatever,
)
from grader.model.scenarios import Case, Level, Step
from grader.model.values import InetAddress, InetParts, SockRef, UnixAddress, Value
from grader.ops import OPERATIONS, SHARED_ERRNOS, Group
from grader.scenario.complaints import Notes
from grader.scenario.conflicts import conflicts
from grader.scenario.expand import Built
from grader.scenario.read import Mapping
from grader.scenario.scopes import Source

SINGLE_SEGMENT = "single-segment ok"  # the note that allows exact data on a stream receive
_RECEIVES = ("recv", "read", "recvfrom", "recvmsg")
_ACTING = (Group.SOCKET, Group.COMPOSITE, Group.CONCURRENCY, Group.STRUCTURE)
_LOOSE_TITLE = re.compile(r"\b(should|tests?|tested|testing)\b", re.IGNORECASE)


class Said(NamedTuple):
    """What a lint says about a case: at which step (None: at the scenario), under which key, what, what to try."""

    step: Step | None
    key: str
    text: str
    hint: str = ""


class Lint(NamedTuple):
    """One lint: what it refuses, and who looks for it in a case, if it is looked for in cases."""

    refuses: str
    look: Callable[[Built], Iterator[Said]] | None = None


def lint(source: Source, built: tuple[Built, ...], taken: dict[str, str]) -> None:
    """Apply every lint to a file.

    Args:
        source: The file.
        built: Its cases.
        taken: The ids that are in use or retired, with where; those of this file are added.

    Raises:
        ScenarioError: a lint refuses something; carries every complaint.
    """
    notes = Notes()
    _reused_ids(built, source, taken, notes)
    for one in built:
        for code, rule in LINTS.items():
            if rule.look is not None:
                notes.take(_complaint(code, said, one) for said in rule.look(one))
    _unused_axes(built, notes)
    notes.finish()


def _complaint(code: str, said: Said, one: Built) -> Complaint:
    if said.step is None:
        place = one.node.marks.get(said.key, one.node.mark)
        node = one.node.items.get(said.key)
        return Complaint(node.mark if node is not None else place, said.text, said.hint, code)
    used = ", ".join(map(str, said.step.called_from))
    text = f"{said.text}, used at {used}" if used else said.text
    return Complaint(one.forms[said.step.path].at(said.key), text, said.hint, code)


def _reused_ids(built: tuple[Built, ...], source: Source, taken: dict[str, str], notes: Notes) -> None:
    own: dict[int, str] = {}
    for one in built:
        scenario = one.case.scenario
        if id(one.node) in own:
            continue
        name = own[id(one.node)] = f"{scenario.suite}/{scenario.id}"
        if name in taken:
            notes.say(one.node.items["id"].mark, f"the id '{name}' is used already", f"in {taken[name]}", "L10")
        taken.setdefault(name, f"{source.shown}:{scenario.mark.line}")


def _unused_axes(built: tuple[Built, ...], notes: Notes) -> None:
    read: dict[int, set[str]] = {}
    for one in built:
        read.setdefault(id(one.node), set()).update(one.read)
    for one in built:
        matrix = one.node.items.get("matrix")
        axes = (
            [name for name in matrix.items if name not in ("exclude", "include")] if isinstance(matrix, Mapping) else []
        )
        for axis in axes:
            if axis not in read[id(one.node)] and isinstance(matrix, Mapping):
                hint = f"`${axis}` and `when: {{{axis}: …}}` use it"
                notes.say(matrix.marks[axis], f"no step uses the axis '{axis}'", hint, "L14")


def _same_actor(one: Built) -> Iterator[Said]:
    yield from _busy(one.case.steps, {})


def _busy(steps: tuple[Step, ...], busy: dict[str, str]) -> Iterator[Said]:
    """Follow which actors are inside a call; `busy` says in which, and grows with calls that are started."""
    for step in steps:
        acts = OPERATIONS[step.op].group in _ACTING and step.op not in ("finish", "still_blocked", "race")
        if acts and step.actor in busy:
            text = f"the actor '{step.actor}' is still in {busy[step.actor]} and can make no other call"
            yield Said(step, "by", text, "give one of them another actor with `by`")
        inside = dict(busy) if step.nested or step.inner else busy
        if step.nested:
            inside[step.actor] = f"the '{step.op}' around this step"
        for call in step.inner if step.op == "race" else ():
            if call.actor in inside:
                yield Said(call, "by", f"the actor '{call.actor}' can be in one call of a race only")
            inside[call.actor] = f"the '{call.op}' of the race"
        yield from _busy(step.nested + step.trigger, inside)
        if step.start is not None:
            busy[step.actor] = f"the call '{step.start}'"
        if step.op == "finish":
            ended = f"the call '{step.args['call']}'"
            for actor in [actor for actor, call in busy.items() if call == ended]:
                del busy[actor]


def _unfinished(one: Built) -> Iterator[Said]:
    ended = {step.args["call"] for step in one.case.every_step if step.op in ("finish", "still_blocked")}
    for step in one.case.every_step:
        if step.start is not None and step.start not in ended:
            yield Said(step, "start", f"the call '{step.start}' is never finished", "`finish` or `still_blocked` it")


def _exact_receive(one: Built) -> Iterator[Said]:
    types = _types(one.case)
    for step in one.case.every_step:
        calls = step.inner[:1] if step.op == "collect" else (step,)
        for call in (call for call in calls if call.op in _RECEIVES):
            patterns = list(step.expect.in_any_order) or [found.pattern for found in step.expect.alternatives]
            whole = "MSG_WAITALL" in _flags(call) or SINGLE_SEGMENT in step.note or SINGLE_SEGMENT in call.note
            if types.get(_sock(call)) == "stream" and not whole:
                for field in _too_exact(patterns):
                    text = f"a stream may give '{field}' in smaller pieces, and '{call.op}' is one call"
                    hint = f"use recv_exactly, {{prefix_of: …}}, or `note: {SINGLE_SEGMENT}`"
                    yield Said(step, "expect", text, hint)


def _too_exact(patterns: list[Pattern]) -> Iterator[str]:
    for pattern in patterns:
        for name, matcher in pattern.fields if isinstance(pattern, Success) else ():
            if (name == "data" and _least_length(matcher) > 1) or (name == "count" and _exact_count(matcher) > 1):
                yield name


def _least_length(matcher: Matcher) -> int:
    """Give how many bytes the data must have at least."""
    match matcher:
        case Exactly(bytes(value)) | BytesLike("starts" | "ends", bytes(value)):
            return len(value)
        case BytesLike("length", int(value)):
            return value
        case BytesLike("sha256"):
            return 2
        case OneOf(values):
            return min((len(value) for value in values if isinstance(value, bytes)), default=0)
        case _:
            return 0


def _exact_count(matcher: Matcher) -> int:
    """Give the smallest count that is asked for by its number; `at_least` is the author's own risk."""
    match matcher:
        case Exactly(int(value)):
            return value
        case OneOf(values):
            return min((value for value in values if isinstance(value, int)), default=0)
        case _:
            return 0


def _types(case: Case) -> dict[str, str]:
    """Give the type of each socket of a case by its name."""
    types: dict[str, str] = {}
    for step in case.every_step:
        if step.binds and OPERATIONS[step.op].main_field == "sock":
            own = step.args.get("type")
            types.update(dict.fromkeys(step.binds, str(own) if own else types.get(_sock(step), "")))
    return types


def _sock(step: Step) -> str:
    sock = step.args.get("sock")
    return sock.name if isinstance(sock, SockRef) else ""


def _flags(step: Step) -> tuple[Value, ...]:
    flags = step.args.get("flags")
    return flags if isinstance(flags, tuple) else ()


def _not_repeatable(one: Built) -> Iterator[Said]:
    for step in one.fresh:
        if step.eventually_s is not None and not OPERATIONS[step.op].repeatable:
            yield Said(step, "eventually", f"'{step.op}' cannot be repeated: a second call asks for something else")


def _fixed_address(one: Built) -> Iterator[Said]:
    for step in one.fresh:
        for name, value in step.args.items():
            if reason := _fixed(value):
                yield Said(step, name, *reason)
        for alternative in step.expect.alternatives:
            pattern = alternative.pattern
            for _, matcher in pattern.fields if isinstance(pattern, Success) else ():
                if reason := _fixed_part(matcher):
                    yield Said(step, "expect", *reason)


def _fixed(value: Value) -> tuple[str, str] | None:
    hint = "use an address such as $srv, or its fields $srv.port and $srv.path"
    match value:
        case InetAddress(_, port) | InetParts(_, port) if isinstance(port, int) and port != 0:
            return f"the port number {port} may be in use", hint
        case UnixAddress(path) if path:
            return f"the path {path!r} may be in use", hint
        case tuple():
            return next((found for item in value if (found := _fixed(item))), None)
        case _:
            return None


def _fixed_part(matcher: Matcher | None) -> tuple[str, str] | None:
    match matcher:
        case AddressLike(_, Exactly(int(port))) if port != 0:
            return _fixed(InetAddress("", port))
        case AddressLike(_, _, Exactly(str(path))):
            return _fixed(UnixAddress(path))
        case Exactly(value):
            return _fixed(value)
        case OneOf(values):
            return _fixed(values)
        case Not(inner):
            return _fixed_part(inner)
        case _:
            return None


def _pauses(one: Built) -> Iterator[Said]:
    pauses = [step for step in one.case.every_step if step.op == "pause"]
    if one.case.scenario.level is not Level.EXTENDED:
        for step in pauses[1:]:
            text = f"this is pause number {pauses.index(step) + 1} of the scenario"
            yield Said(step, "for", text, "more than one needs `level: extended`")


def _loose_title(one: Built) -> Iterator[Said]:
    found = _LOOSE_TITLE.search(one.case.scenario.title)
    if found:
        yield Said(None, "title", f"the title says '{found[0]}'", "say what is so: `recv gives 0 at the end`")


def _cannot_fail(one: Built) -> Iterator[Said]:
    for step in one.case.every_step:
        alternatives = step.expect.alternatives
        loose = any(isinstance(found.pattern, Whatever) for found in alternatives) and not step.expect.negated
        if step.op != "pause" and not (loose and not step.expect.in_any_order):
            return
    yield Said(None, "steps", "no step of this scenario can fail", "every outcome is `any`")


def _after_blocks(one: Built) -> Iterator[Said]:
    left: dict[str, str] = {}
    for step in one.case.every_step:
        acts = OPERATIONS[step.op].group in _ACTING and step.op not in ("finish", "still_blocked", "race")
        if acts and step.actor in left:
            text = f"the actor '{step.actor}' was left blocked in '{left[step.actor]}' and can make no other call"
            yield Said(step, "by", text)
        if step.expect.blocks:
            left[step.actor] = step.op


def _two_reasons(one: Built) -> Iterator[Said]:
    for step, conditions in conflicts(one.case):
        op = "send" if step.op in ("write", "send_all") else step.op
        errnos = SHARED_ERRNOS[op]
        reasons = " and ".join(f"{name} ({' or '.join(errnos[name])})" for name in conditions)
        yield Said(step, "expect", f"two reasons to fail at once: {reasons}", "make only one of them true")


LINTS: dict[str, Lint] = {
    "L1": Lint("a name that is not bound, or bound twice"),
    "L2": Lint("a step on the actor that is inside a call", _same_actor),
    "L3": Lint("a started call that is never finished", _unfinished),
    "L4": Lint("exact data or count of more than one byte on a stream receive", _exact_receive),
    "L5": Lint("`eventually` on an operation that is not repeatable", _not_repeatable),
    "L6": Lint("text data that is not ASCII"),
    "L7": Lint("a port number or a path", _fixed_address),
    "L8": Lint("more than one `pause` below `level: extended`", _pauses),
    "L9": Lint("a `one_of` of which nothing is left in some case"),
    "L10": Lint("an id that is used already or retired"),
    "L11": Lint("a title with `should` or `test`", _loose_title),
    "L12": Lint("a scenario in which no step can fail", _cannot_fail),
    "L13": Lint("use of an actor that was left blocked", _after_blocks),
    "L14": Lint("an axis that no step uses"),
    "L15": Lint("a parameter that its fragment does not use"),
    "L16": Lint("two reasons to fail at once where one errno is expected", _two_reasons),
}
