"""Checked steps to the steps of one case: fragments and loops unrolled, every name and value in its place."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from collections.abc import Mapping as AnyMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from grader.model.errors import Complaint, ScenarioError
from grader.model.scenarios import Step
from grader.model.values import Value
from grader.ops import Arg, Kind
from grader.scenario.atoms import items, seconds, text
from grader.scenario.complaints import Notes, TooMuchError, did_you_mean, shown, wrong
from grader.scenario.expects import expectation, mistakes, pattern
from grader.scenario.fragments import enter
from grader.scenario.read import Mapping, Node, Scalar, Sequence
from grader.scenario.scopes import Scope, name_of
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
_UNROLLED = ("do", "for_each")
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


@dataclass(slots=True)
class Builder:
    """Builds the steps of one case; `forms` keeps, by the path of a step, the form it was built from."""

    notes: Notes
    actors: tuple[str, ...] = ()
    within_s: float = WITHIN_S
    forms: dict[str, StepForm] = field(default_factory=dict)
    compounds: AnyMapping[str, Compound] = field(default_factory=dict)
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
        return build(self, form, scope, path) if build else self.call(form, scope, path)

    def call(self, form: StepForm, scope: Scope, path: str) -> Step:
        """Build a step whose operation is one call."""
        given = form.modifiers
        actor = self.actor(form, scope)
        args = self.arguments(form, scope)
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
        return Step(
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
            **self.judgement(form, scope),
        )

    def judgement(self, form: StepForm, scope: Scope, asked: Started | None = None) -> Judgement:
        """Give what a step must give, as fields of it; `asked` is the call whose outcome it is, if not its own."""
        given = form.modifiers
        about, inside = (asked.form, asked.scope) if asked else (form, scope)
        op = about.op.name
        found: Judgement = {"within_s": self.within_s}
        if not given:
            return found
        option = option_of(about.args, inside)
        with self.catching(scope):
            for key in ("within", "hold", "eventually"):
                if key in given:
                    found[f"{key}_s"] = constant(given[key], scope, seconds)
        for key, read in (
            ("expect", lambda node: expectation(node, op, scope, lambda when: self.holds(when, scope), option)),
            ("give_up_on", lambda node: pattern(node, op, scope, option)),
            ("mistakes", lambda node: mistakes(node, op, scope, option)),
            ("note", text),
        ):
            if key in given:
                with self.catching(scope):
                    found[key] = constant(given[key], scope, read)
        return found

    def actor(self, form: StepForm, scope: Scope) -> str:
        """Give who makes a call: the actor of `by`, a fresh one for a call that others run beside, else `main`."""
        given = form.modifiers
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
        return convert(Scalar(form.mark, f"${arg.name}"), arg, scope)

    def binds(self, form: StepForm, scope: Scope) -> tuple[str, ...]:
        """Give the names of `as`, as the whole case knows them."""
        arg = form.op.arg("as")
        if arg is None or "as" not in form.args:
            return ()
        found = convert(form.args["as"], arg, scope)
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
    return replace(complaint, text=f"{complaint.text}, used at {', '.join(map(str, scope.called_from))}")
