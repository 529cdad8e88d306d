"""Steps against the table of operations: their arguments, modifiers and the steps inside them.

Values are read as they will be when cases are built, but any name will do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grader.model.expectations import Expectation
from grader.ops import Arg, Group, Kind
from grader.scenario.atoms import integer, items, known_keys, mapping, seconds, text
from grader.scenario.complaints import Notes, did_you_mean, shown, wrong
from grader.scenario.expects import expectation, in_any_order, mistakes, pattern
from grader.scenario.forms import INNER_KEYS, MODIFIERS, Form
from grader.scenario.read import Mapping, Node, Scalar, Sequence, kind_of
from grader.scenario.scopes import Scope, Source, Table, name_of
from grader.scenario.steps import StepForm, step_form
from grader.scenario.values import anything, argument, option_of
from grader.scenario.words import NAME


@dataclass(slots=True)
class StepChecker:
    """One walk over the steps of one file."""

    source: Source
    notes: Notes
    table: Table

    def steps(self, node: Node) -> None:
        """Check a list of steps."""
        for item in items(node, "a list of steps"):
            self.step(item)

    def step(self, node: Node) -> StepForm | None:
        """Check a step and the steps inside it, and keep its form for those who build cases."""
        form = step_form(node, self.notes)
        if form is None:
            return None
        self.source.forms[id(node)] = form
        scope = Scope(self.source, self.table)
        self._arguments(form, scope)
        for key, value in form.modifiers.items():
            with self.notes.catching():
                self._modifier(form, key, value, scope)
        children = [self._inner(form, key, child) for key, child in form.children()]  # each is checked
        has_all = all(arg.name in form.args for arg in form.op.args if arg.required)
        if all(children) and has_all and form.op.name in _STRUCTURES:
            with self.notes.catching():
                _STRUCTURES[form.op.name](self, form)
        return form

    def _arguments(self, form: StepForm, scope: Scope) -> None:
        for arg in form.op.args:
            if arg.name in form.args and arg.kind not in _KINDS_OF_STRUCTURES and form.op.group is not Group.STRUCTURE:
                with self.notes.catching():
                    self._argument(form, arg, scope)

    def _argument(self, form: StepForm, arg: Arg, scope: Scope) -> None:
        node = form.args[arg.name]
        self._keep(node, lambda: argument(form.op.name, arg, node, scope, option_of(form.args, scope)))

    def _keep(self, node: Node, make: Callable[[], object]) -> None:
        """Read a value to see whether it can be, and keep it if no case will change it."""
        self.table.asked = False
        self.table.looked_up.clear()
        value = make()
        if not (self.table.asked or self.table.looked_up):
            self.source.constants[id(node)] = value

    def _modifier(self, form: StepForm, key: str, node: Node, scope: Scope) -> None:
        op = None if form.op.name == "finish" else form.op.name
        match MODIFIERS[key].form:
            case Form.EXPECTATION:
                self._keep(node, lambda: self._expectation(form, node, op, scope))
            case Form.OUTCOME:
                self._keep(node, lambda: pattern(node, op, scope, option_of(form.args, scope)))
            case Form.MISTAKES:
                self._keep(node, lambda: mistakes(node, op, scope, option_of(form.args, scope)))
            case Form.STEPS:
                if not items(node, "a list of steps"):
                    self.notes.say(node.mark, f"'{key}' needs at least one step")
            case Form.NAME:
                name_of(node, scope, "a name")
            case Form.TIME:
                self._keep(node, lambda: seconds(node))
            case Form.WHEN:
                check_when(node)
            case _:
                text(node)

    def _expectation(self, form: StepForm, node: Node, op: str | None, scope: Scope) -> Expectation:
        def holds(when: Node) -> bool:
            self.table.asked = True
            return check_when(when)

        if op is None:
            self.table.asked = True  # the operation is that of the started call
        if form.op.name == "collect":
            inner = self._inner_op(form)
            return in_any_order(node, inner, scope, None) if inner else Expectation()
        return expectation(node, op, scope, holds, option_of(form.args, scope))

    def _inner_op(self, form: StepForm) -> str | None:
        inner = step_form(form.args["step"], Notes()) if "step" in form.args else None
        return inner.op.name if inner else None

    def _inner(self, form: StepForm, key: str, child: Node) -> bool:
        found = self.step(child)
        if found is None:
            return False
        if (form.op.name, key) not in (("collect", "step"), ("race", "calls")):
            return True
        if found.op.group not in (Group.SOCKET, Group.COMPOSITE) or (key == "calls" and not found.op.may_block):
            self.notes.say(found.mark, f"'{found.op.name}' cannot stand in a '{form.op.name}'")
        for modifier in found.modifiers:
            if modifier not in INNER_KEYS:
                self.notes.say(found.at(modifier), f"'{modifier}' is not allowed inside a '{form.op.name}'")
        if key == "step" and "as" in found.args:
            self.notes.say(found.at("as"), "a call that is collected binds no name", "match it in 'in_any_order'")
        return True


def check_when(node: Node) -> bool:
    """Check the form of a `when`; which names there are is known only in a case. Always true.

    Raises:
        ScenarioError: it is no mapping of names to values.
    """
    form = mapping(node, "{name: value or [values]}")
    if not form.items:
        raise wrong(form.mark, "an empty 'when' says nothing")
    for value in form.items.values():
        for choice in value.items if isinstance(value, Sequence) else (value,):
            if not isinstance(choice, Scalar) or choice.value is None:
                raise wrong(choice.mark, f"expected a value or a list of values, not {kind_of(choice)}")
    return True


def _race(checker: StepChecker, form: StepForm) -> None:
    calls = items(form.args["calls"], "a list of steps")
    if len(calls) < 2:
        checker.notes.say(form.at("calls"), "a race has at least two calls")
    items(form.args["trigger"], "a list of steps")
    if "expect" not in form.modifiers:
        checker.notes.say(form.mark, "a race needs `expect: {returned: n, pending: n}`")
        return
    expect = form.modifiers["expect"]
    found = expectation(expect, "race", Scope(checker.source, checker.table), lambda when: True)
    if found.returned is None or found.pending is None:
        checker.notes.say(expect.mark, "a race expects {returned: n, pending: n}")
    elif found.returned + found.pending != len(calls):
        total = found.returned + found.pending
        checker.notes.say(expect.mark, f"'returned' and 'pending' make {total}, and there are {len(calls)} calls")


def _loop(checker: StepChecker, form: StepForm) -> None:
    for name, values in form.variables.items():
        if not NAME.fullmatch(name):
            hint = "letters, digits and `_`, a letter first"
            checker.notes.say(form.at(name), f"{shown(name)} is not a name", hint)
        with checker.notes.catching():
            if not (isinstance(values, Scalar) and str(values.value).startswith("$")):
                items(values, f"the values of '{name}' as a list")
            anything(values, Scope(checker.source, checker.table))
    items(form.args["steps"], "a list of steps")


def _do(checker: StepChecker, form: StepForm) -> None:
    node = form.args["fragment"]
    fragments = checker.source.fragments
    name = text(node, "the name of a fragment")
    if name.partition(".")[0] in checker.source.unusable:
        return
    if name not in fragments:
        hint = did_you_mean(name, fragments) or "fragments come from `use` and `fragments`"
        checker.notes.say(node.mark, f"unknown fragment {shown(name)}", hint)
        return
    _given(checker, form, "with", tuple(fragments[name].params), f"the parameters of '{name}'")
    given = form.args.get("with")
    for value in given.items.values() if isinstance(given, Mapping) else ():
        with checker.notes.catching():
            anything(value, Scope(checker.source, checker.table))
    _given(checker, form, "names", fragments[name].gives, f"what '{name}' gives")
    for param, default in fragments[name].params.items():
        absent = not (isinstance(given, Mapping) and param in given.items)
        if absent and isinstance(default, Scalar) and default.value is None:
            checker.notes.say(form.mark, f"the fragment '{name}' needs the parameter '{param}'")
    names = form.args.get("names")
    for outer in names.items.values() if isinstance(names, Mapping) else ():
        with checker.notes.catching():
            name_of(outer, Scope(checker.source, checker.table), "a name")


def _given(checker: StepChecker, form: StepForm, key: str, known: tuple[str, ...], what: str) -> None:
    if key in form.args:
        with checker.notes.catching():
            known_keys(mapping(form.args[key], f"'{key}' as a mapping"), known, what)


def _collect(checker: StepChecker, form: StepForm) -> None:
    times = form.args["times"]
    if not (isinstance(times, Scalar) and str(times.value).startswith("$")):
        integer(times, 1)


def _two(checker: StepChecker, form: StepForm) -> None:
    count = len(items(form.args["values"], "a list"))
    if count != 2:
        checker.notes.say(form.at("values"), f"'{form.op.name}' compares two values, not {count}")


def _some(checker: StepChecker, form: StepForm) -> None:
    if len(items(form.args["values"], "a list")) < 2:
        checker.notes.say(form.at("values"), f"'{form.op.name}' compares at least two values")


_KINDS_OF_STRUCTURES = (Kind.STEP, Kind.STEPS)
_STRUCTURES: dict[str, Callable[[StepChecker, StepForm], None]] = {
    "race": _race,
    "for_each": _loop,
    "do": _do,
    "collect": _collect,
    "equal": _two,
    "bytes_prefix": _two,
    "distinct": _some,
    "same": _some,
}
