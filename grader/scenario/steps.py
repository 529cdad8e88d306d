"""The form of a step: which operation it is, its arguments and the keys beside it, all as nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from grader.model.marks import Mark
from grader.ops import OPERATIONS, Kind, Op
from grader.scenario.complaints import Notes, did_you_mean, shown
from grader.scenario.forms import ASSERTIONS, BARE, BESIDE, EXCLUSIVE, MODIFIERS, STEP_KEYS
from grader.scenario.read import Mapping, Node, Scalar, Sequence, kind_of

_EITHER = {"recvmsg": (("size", "sizes"),), "exchange": (("data", "requests"),)}  # arguments of which one is given


class StepForm(NamedTuple):
    """A step whose keys are known to be right; `marks` says where each argument and modifier stands.

    `variables` are the keys that the author chose, where the operation takes such.
    """

    op: Op
    mark: Mark
    args: dict[str, Node]
    modifiers: dict[str, Node]
    marks: dict[str, Mark]
    variables: dict[str, Node]

    def at(self, key: str) -> Mark:
        """Give the place of an argument or modifier, or of the step if it is not there."""
        return self.marks.get(key, self.mark)

    def children(self) -> Iterator[tuple[str, Node]]:
        """Give every step that stands inside this one, with the key it stands under."""
        arguments = (arg.name for arg in self.op.args if arg.kind in (Kind.STEP, Kind.STEPS))
        inside = [(name, self.args.get(name)) for name in arguments]
        inside += [(name, self.modifiers.get(name)) for name in ("blocks_until", "overlaps")]
        for key, node in inside:
            if isinstance(node, Sequence):
                yield from ((key, item) for item in node.items)
            elif node is not None:
                yield key, node


def step_form(node: Node, notes: Notes) -> StepForm | None:
    """Read the keys of a step; None, with complaints, if they are not those of one step."""
    if not isinstance(node, Mapping):
        notes.say(node.mark, f"expected a step, not {kind_of(node)}", "such as `- close: {sock: c}`")
        return None
    found = [key for key in node.items if key in STEP_KEYS]
    if len(found) != 1:
        _complain_of_operations(node, found, notes)
        return None
    key = found[0]
    arguments = _arguments(key, node, notes)
    if arguments is None:
        return None
    op, args, marks = arguments
    for beside in BESIDE.get(key, ()):
        if beside in node.items:
            args[beside], marks[beside] = node.items[beside], node.marks[beside]
    modifiers = {name: value for name, value in node.items.items() if name != key and name not in BESIDE.get(key, ())}
    variables = {name: args.pop(name) for name in tuple(args) if op.variables and op.arg(name) is None}
    form = StepForm(op, node.marks[key], args, modifiers, {**node.marks, **marks}, variables)
    _check_arguments(form, notes)
    return form if _check_modifiers(form, notes) else None


def _complain_of_operations(node: Mapping, found: list[str], notes: Notes) -> None:
    if found:
        first, second = found[:2]
        text = f"a step has one operation, and here are '{first}' and '{second}'"
        notes.say(node.marks[second], text, "begin each step with `- `")
        return
    strange = [key for key in node.items if key not in MODIFIERS]
    if strange:
        key = strange[0]
        notes.say(node.marks[key], f"unknown operation {shown(key)}", did_you_mean(key, STEP_KEYS))
    else:
        notes.say(node.mark, "a step has one operation, and here is none")


def _arguments(key: str, node: Mapping, notes: Notes) -> tuple[Op, dict[str, Node], dict[str, Mark]] | None:
    value = node.items[key]
    if key in BARE:
        return OPERATIONS[key], {BARE[key]: value}, {BARE[key]: value.mark}
    if not isinstance(value, Mapping):
        hint = "write {} if there are none" if isinstance(value, Scalar) and value.value is None else ""
        notes.say(value.mark, f"expected the arguments of '{key}' as a mapping, not {kind_of(value)}", hint)
        return None
    if key == "check":
        return _assertion(value, notes)
    return OPERATIONS[key], dict(value.items), dict(value.marks)


def _assertion(value: Mapping, notes: Notes) -> tuple[Op, dict[str, Node], dict[str, Mark]] | None:
    for name in value.items:
        if name not in ASSERTIONS:
            notes.say(value.marks[name], f"unknown assertion {shown(name)}", did_you_mean(name, ASSERTIONS))
            return None
    if len(value.items) != 1:
        notes.say(value.mark, "'check' has exactly one of " + ", ".join(ASSERTIONS))
        return None
    name, node = next(iter(value.items.items()))
    return OPERATIONS[name], {"values": node}, {"values": value.marks[name]}


def _check_arguments(form: StepForm, notes: Notes) -> None:
    op = form.op
    known = [arg.name for arg in op.args]
    for name in form.args:
        if name not in known:
            notes.say(form.at(name), f"'{op.name}' has no argument {shown(name)}", did_you_mean(name, known))
    for arg in op.args:
        if arg.required and arg.name not in form.args:
            notes.say(form.mark, f"'{op.name}' needs the argument '{arg.name}'", arg.doc)
    if op.variables and not form.variables:
        notes.say(form.mark, f"'{op.name}' needs at least one name", op.variables)
    for one, other in _EITHER.get(op.name, ()):
        if (one in form.args) == (other in form.args):
            notes.say(form.mark, f"'{op.name}' needs one of '{one}' and '{other}'")


def _check_modifiers(form: StepForm, notes: Notes) -> bool:
    name = form.op.name
    complaints = 0
    for key in form.modifiers:
        modifier = MODIFIERS.get(key)
        if modifier is None:
            words = [*MODIFIERS, *BESIDE.get(name, ())]
            notes.say(form.at(key), f"unknown key {shown(key)} in a step", did_you_mean(key, words))
        elif key != "eventually" and name not in modifier.ops:  # `eventually` has a lint of its own, L5
            notes.say(form.at(key), f"'{key}' is not allowed for '{name}'", _why_not(key, form.op))
        else:
            continue
        complaints += 1
    return not complaints and _check_together(form, notes)


def _check_together(form: StepForm, notes: Notes) -> bool:
    """See that the modifiers of a step make sense beside each other."""
    given = form.modifiers
    expect = given.get("expect")
    blocks = isinstance(expect, Scalar) and expect.value == "blocks"
    exclusive = [key for key in EXCLUSIVE if key in given]
    reasons: list[tuple[str, str, str]] = []
    if len(exclusive) > 1:
        reasons.append((exclusive[1], f"'{exclusive[0]}' and '{exclusive[1]}' exclude each other", ""))
    if blocks and form.op.name not in MODIFIERS["blocks_until"].ops:
        reasons.append(("expect", f"'{form.op.name}' never waits, so it cannot be expected to block", ""))
    elif blocks and exclusive:
        reasons.append((exclusive[0], f"'{exclusive[0]}' and `expect: blocks` exclude each other", ""))
    if "give_up_on" in given and "eventually" not in given:
        reasons.append(("give_up_on", "'give_up_on' is about 'eventually', and there is none", ""))
    if "hold" in given and not (blocks or "blocks_until" in given or form.op.name == "still_blocked"):
        reasons.append(("hold", "'hold' needs 'blocks_until', `expect: blocks` or 'still_blocked'", ""))
    if "start" in given:
        misplaced = [key for key in ("expect", "mistakes", "hold") if key in given]
        reasons += [(key, f"'{key}' belongs to the 'finish' of a started call", "move it there") for key in misplaced]
    for key, text, hint in reasons:
        notes.say(form.at(key), text, hint)
    return not reasons


def _why_not(key: str, op: Op) -> str:
    if key in ("blocks_until", "overlaps", "start", "hold") and not op.may_block:
        return "it never waits"
    if key in ("expect", "mistakes"):
        return "it has no outcome"
    return ""
