"""Checked steps to the steps of one case: fragments and loops unrolled, every name and value in its place."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Hashable, Iterator
from collections.abc import Mapping as AnyMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

from grader.model.errors import Complaint, ScenarioError
from grader.model.scenarios import Step
from grader.model.values import Value
from grader.ops import Arg, Group, Kind
from grader.scenario.assigned import calls_of, expected_end, note_call
from grader.scenario.atoms import items, seconds, text
from grader.scenario.complaints import Notes, TooMuchError, did_you_mean, shown, wrong
from grader.scenario.expects import expectation, mistakes, pattern
from grader.scenario.fragments import enter
from grader.scenario.read import Mapping, Node, Scalar, Sequence
from grader.scenario.scopes import Binding, Scope, name_of
from grader.scenario.steps import StepForm
from grader.scenario.values import argument, convert, option_of
from grader.scenario.words import SYSTEMS, system_of

WITHIN_S = 2.0
DEFAULTS: dict[tuple[str, str], int] = {
    ("socket", "proto"): 0,
    ("socketpair", "proto"): 0,
    ("listen", "backlog"): 16,
    ("recv_until_eof", "limit"): 1 << 20,
}
MAKE_SOCKETS = ("socket", "socketpair")
FROM_AXES = ("domain", "type")  # arguments that the variables of the same name fill in
_STRUCTURED = (Kind.STEP, Kind.STEPS, Kind.NAME, Kind.NAMES)
_UNROLLED = ("do", "for_each", "exchange")
_OWN_SYSTEM = system_of(sys.platform)


Judgement: TypeAlias = dict[str, Any]  # fields of a Step by name; what makes each of them is typed
Compound: TypeAlias = "Callable[[Builder, StepForm, Scope, str], Step]"


@dataclass(slots=True)
class Started:
    """A call that was started and not yet finished: its operation, its names, where it stands."""

    form: StepForm
    binds: tuple[str, ...]
    scope: Scope
    finished: bool = False


class Known(NamedTuple):
    """A step of an earlier case that no axis changes, with the names that it looked up: bound, or addresses."""

    step: Step
    bound: dict[str, Binding]
    unbound: frozenset[str]
    addresses: frozenset[str]
    exports: AnyMapping[str, str]

    def fits(self, scope: Scope) -> bool:
        """Whether the step would be built the same here."""
        bound = scope.table.bound
        return (
            self.bound.items() <= bound.items()
            and self.unbound.isdisjoint(bound)
            and (self.exports is scope.exports or self.exports == scope.exports)
        )


@dataclass(slots=True)
class Builder:
    """Builds the steps of one case; `forms` keeps, by the path of a step, the form it was built from.

    `known` goes from case to case of a scenario: most steps are the same in all of them, and are built once.
    """

    notes: Notes
    actors: tuple[str, ...] = ()
    within_s: float = WITHIN_S
    forms: dict[str, StepForm] = field(default_factory=dict)
    compounds: AnyMapping[str, Compound] = field(default_factory=dict)
    known: dict[Hashable, Known] = field(default_factory=dict)
    started: dict[str, Started] = field(default_factory=dict)
    acting: set[str] = field(default_factory=lambda: {"main"})

    def steps(self, nodes: tuple[Node, ...], scope: Scope, prefix: str = "", *, first: int = 0) -> tuple[Step, ...]:
        """Build steps, one after the other; `prefix` is the path of the step that holds them and a dot."""
        built: list[Step] = []
        for form, inside in self._unrolled(nodes, scope):
            try:
                inside.table.allowance.step(form.mark)
                built.append(self._step(form, inside, f"{prefix}{first + len(built)}"))
            except ScenarioError as error:
                self.note(error, inside)
        return tuple(built)

    def holds(self, node: Node, scope: Scope) -> bool:
        """Whether a `when` holds in this case.

        Raises:
            ScenarioError: it asks for a name that is no axis, variable or `os`.
        """
        wanted = node.items if isinstance(node, Mapping) else {}
        held = [self._holds_one(name, choice, node, scope) for name, choice in wanted.items()]  # each is checked
        return all(held)

    def _holds_one(self, name: str, choice: Node, when: Node, scope: Scope) -> bool:
        place = when.marks[name] if isinstance(when, Mapping) else when.mark
        choices = choice.items if isinstance(choice, Sequence) else (choice,)
        values = [item.value for item in choices if isinstance(item, Scalar)]
        if name in scope.variables:
            scope.table.variables_read.add(name)
            found, _ = scope.follow(Scalar(place, f"${name}"))
            actual: object = found.value if isinstance(found, Scalar) else None
        elif name == "os":
            actual = _OWN_SYSTEM
        else:
            hint = did_you_mean(name, scope.variables)
            raise wrong(place, f"{shown(name)} is no axis, no variable and not `os`", hint)
        known = SYSTEMS if name == "os" else scope.table.axes.get(name)
        for value, item in zip(values, choices, strict=True):
            if known and value not in known:
                hint = did_you_mean(value, [str(word) for word in known])
                raise wrong(item.mark, f"{shown(value)} is not a value of '{name}'", hint)
        return any(type(value) is type(actual) and value == actual for value in values)

    @contextmanager
    def catching(self, scope: Scope) -> Iterator[None]:
        """Note what goes wrong inside, with the places that the fragment is used from, and go on."""
        try:
            yield
        except ScenarioError as error:
            self.note(error, scope)

    def note(self, error: ScenarioError, scope: Scope) -> None:
        """Note what went wrong in a scope.

        Raises:
            TooMuchError: the file may cost no more; it is that error.
        """
        if isinstance(error, TooMuchError):
            raise error
        self.notes.take(_with_places(complaint, scope) for complaint in error.complaints)

    def _unrolled(self, nodes: tuple[Node, ...], scope: Scope) -> Iterator[tuple[StepForm, Scope]]:
        for node in nodes:
            form = scope.source.forms[id(node)]
            if "when" not in form.modifiers and form.op.name not in _UNROLLED:
                yield form, scope
                continue
            with self.catching(scope):
                if "when" in form.modifiers and not self.holds(form.modifiers["when"], scope):
                    continue
                if form.op.name == "do":
                    scope.table.allowance.step(form.mark)
                    fragment, inside = enter(form, scope)
                    yield from self._unrolled(fragment.steps, inside)
                elif form.op.name == "for_each":
                    yield from self._loop(form, scope)
                elif form.op.name == "exchange":
                    for call in calls_of(form, scope):
                        yield from ((call, scope),) if isinstance(call, StepForm) else self._unrolled(call, scope)
                else:
                    yield form, scope

    def _loop(self, form: StepForm, scope: Scope) -> Iterator[tuple[StepForm, Scope]]:
        axes: list[list[tuple[Node, Scope]]] = []
        for name, listed in form.variables.items():
            found, written_in = scope.follow(listed)
            axes.append([(value, written_in) for value in items(found, f"the values of '{name}' as a list")])
        for values in itertools.product(*axes):
            scope.table.allowance.step(form.mark)
            own = dict(zip(form.variables, values, strict=True))
            inside = replace(scope, variables={**scope.variables, **own})
            yield from self._unrolled(items(form.args["steps"], "a list of steps"), inside)

    def _step(self, form: StepForm, scope: Scope, path: str) -> Step:
        self.forms[path] = form
        build = self.compounds.get(form.op.name)
        return build(self, form, scope, path) if build else self._known_call(form, scope, path)

    def _known_call(self, form: StepForm, scope: Scope, path: str) -> Step:
        """Give a call as an earlier case has it, or build it and keep it if it does not depend on the case."""
        place = (path, id(form), scope.label, scope.called_from)
        table = scope.table
        found = self.known.get(place)
        if found is not None and found.fits(scope):
            self.acting.add(found.step.actor)
            if found.addresses:
                table.use(found.addresses)
            self.bind(form, found.step.binds, scope)
            return found.step
        table.asked = False
        table.looked_up.clear()
        step = self.call(form, scope, path)
        if not (table.asked or self.notes):
            bound = {name: table.bound[name] for name in table.looked_up if name in table.bound}
            unbound = frozenset(table.looked_up - bound.keys())
            self.known[place] = Known(step, bound, unbound, unbound & table.addresses.keys(), scope.exports)
        return step

    def call(self, form: StepForm, scope: Scope, path: str) -> Step:
        """Build a step whose operation is one call."""
        given = form.modifiers
        actor = self.actor(form, scope)
        args = self.arguments(form, scope)
        note_call(form.op.name, args, scope)
        nested_node = given.get("blocks_until") or given.get("overlaps")
        nested = self.steps(nested_node.items, scope, f"{path}.") if isinstance(nested_node, Sequence) else ()
        binds = self.binds(form, scope)
        start = scope.outer(name_of(given["start"], scope, "a name")) if "start" in given else None
        if start is None:
            self.bind(form, binds, scope)
        elif start in self.started:
            raise wrong(form.at("start"), f"a call named '{start}' was started before", code="L1")
        else:
            self.started[start] = Started(form, binds, scope)
        step = Step(
            path,
            form.op.name,
            form.mark,
            args,
            called_from=scope.called_from,
            actor=actor,
            binds=binds,
            nested=nested,
            release="blocks_until" in given,
            start=start,
            **self._wanted_end(form, args, scope),
        )
        if step.concurrent:
            scope.table.need("threads")
        if form.op.group is Group.PROGRAM:
            scope.table.need("programs")
        if form.op.name == "spawn":
            scope.table.place_server()
        return step

    def judgement(self, form: StepForm, scope: Scope, asked: Started | None = None) -> Judgement:
        """Give what a step must give, as fields of it; `asked` is the call whose outcome it is, if not its own."""
        given = form.modifiers
        about, inside = (asked.form, asked.scope) if asked else (form, scope)
        op = about.op.name
        found: Judgement = {"within_s": self.within_s}
        if not given:
            return found
        option = option_of(about.args, inside)
        for key, read in (
            ("within", seconds),
            ("hold", seconds),
            ("eventually", seconds),
            ("expect", lambda node: expectation(node, op, scope, lambda when: self.holds(when, scope), option)),
            ("give_up_on", lambda node: pattern(node, op, scope, option)),
            ("mistakes", lambda node: mistakes(node, op, scope, option)),
            ("note", text),
        ):
            if key in given:
                try:
                    found[f"{key}_s" if read is seconds else key] = constant(given[key], scope, read)
                except ScenarioError as error:
                    self.note(error, scope)
        return found

    def _wanted_end(self, form: StepForm, args: dict[str, Value], scope: Scope) -> Judgement:
        """Give the judgement of a call; that of `wait_exit` after a signal may be the assignment's."""
        found = self.judgement(form, scope)
        if "after" in args and "expect" not in form.modifiers:
            found["expect"] = expected_end(scope.table.assignment, args)
        return found

    def actor(self, form: StepForm, scope: Scope) -> str:
        """Give who makes a call: the actor of `by`, a fresh one for a call that others run beside, else `main`."""
        given = form.modifiers
        if not given:
            return "main"
        if "by" in given:
            name = name_of(given["by"], scope, "the name of an actor")
            if name not in self.actors:
                known = did_you_mean(name, self.actors)
                with self.catching(scope):
                    raise wrong(form.at("by"), f"there is no actor '{name}'", known or "declare it under `actors`")
            self.acting.add(name)
            return name
        expect = given.get("expect")
        waits = isinstance(expect, Scalar) and expect.value == "blocks"
        if waits or any(key in given for key in ("blocks_until", "overlaps", "start")):
            return self.fresh_actor()
        return "main"

    def fresh_actor(self) -> str:
        """Give an actor that no other call of the case has."""
        number = sum(name not in self.actors for name in self.acting) + 1
        self.acting.add(name := f"anon{number}")
        return name

    def arguments(self, form: StepForm, scope: Scope) -> dict[str, Value]:
        """Give the arguments of a call, with what the language fills in where the author says nothing."""
        args: dict[str, Value] = {}
        option = option_of(form.args, scope)
        constants = scope.source.constants
        for arg in form.op.args:
            if arg.kind in _STRUCTURED:
                continue
            node = form.args.get(arg.name)
            if id(node) in constants:
                args[arg.name] = constants[id(node)]  # type: ignore[assignment]  # `argument` made it
                continue
            try:
                if node is not None:
                    args[arg.name] = argument(form.op.name, arg, node, scope, option)
                elif arg.name in FROM_AXES and form.op.name in MAKE_SOCKETS:
                    args[arg.name] = self._from_axis(form, arg, scope)
                elif (form.op.name, arg.name) in DEFAULTS:
                    args[arg.name] = DEFAULTS[form.op.name, arg.name]
            except ScenarioError as error:
                self.note(error, scope)
        if form.op.name in MAKE_SOCKETS:
            _note_kind(args, scope)
        return args

    def _from_axis(self, form: StepForm, arg: Arg, scope: Scope) -> Value:
        if arg.name not in scope.variables:
            hint = f"give it here, or give the scenario an axis '{arg.name}'"
            raise wrong(form.mark, f"'{form.op.name}' needs '{arg.name}'", hint)
        node, _ = scope.variables[arg.name]
        if isinstance(node, Scalar) and node.value in arg.words:
            scope.table.variables_read.add(arg.name)
            return node.value  # nearly always
        return convert(Scalar(form.mark, f"${arg.name}"), arg, scope)

    def binds(self, form: StepForm, scope: Scope) -> tuple[str, ...]:
        """Give the names of `as`, as the whole case knows them."""
        if "as" not in form.args or (arg := form.op.arg("as")) is None:
            return ()
        found = constant(form.args["as"], scope, lambda node: convert(node, arg, scope))
        names = found if isinstance(found, tuple) else (found,)
        return tuple(scope.outer(str(name)) for name in names)

    def bind(self, form: StepForm, binds: tuple[str, ...], scope: Scope) -> None:
        """Let names stand for the result of a call from here on."""
        for name in binds:
            try:
                scope.bind(name, form.op.name, form.at("as"))
            except ScenarioError as error:
                self.note(error, scope)


def _note_kind(args: AnyMapping[str, Value], scope: Scope) -> None:
    """Note that a case needs sockets of this kind; an axis that says the same is used by it."""
    scope.table.asked = True
    for key in FROM_AXES:
        if isinstance(kind := args.get(key), str):
            scope.table.needs.add(kind)
            axis, _ = scope.table.variables.get(key, (None, None))
            if isinstance(axis, Scalar) and axis.value == kind:
                scope.table.variables_read.add(key)


def constant(node: Node, scope: Scope, read: Callable[[Node], object]) -> object:
    """Give what the check has read already if no case changes it, else what `read` makes of it here."""
    constants = scope.source.constants
    return constants[id(node)] if id(node) in constants else read(node)


def _with_places(complaint: Complaint, scope: Scope) -> Complaint:
    if not scope.called_from:
        return complaint
    return complaint._replace(text=f"{complaint.text}, used at {', '.join(map(str, scope.called_from))}")
