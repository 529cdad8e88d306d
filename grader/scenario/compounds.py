"""Steps that are more than one call: those on started calls, collections and races."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from dataclasses import replace

from grader.model.scenarios import Step
from grader.scenario.atoms import integer, items, seconds
from grader.scenario.build import Builder, Compound, Started, constant
from grader.scenario.complaints import did_you_mean, wrong
from grader.scenario.expects import in_any_order
from grader.scenario.read import Node
from grader.scenario.scopes import WINNER, Scope, name_of
from grader.scenario.steps import StepForm


def _finish(builder: Builder, form: StepForm, scope: Scope, path: str) -> Step:
    """Build the end of a started call: its outcome is matched here, and its names are bound here."""
    name, call = _started(builder, form, scope)
    call.finished = True
    judgement = builder.judgement(form, scope, call)
    if "within" in call.form.modifiers and "within" not in form.modifiers:
        judgement["within_s"] = constant(call.form.modifiers["within"], call.scope, seconds)
    builder.bind(call.form, call.binds, call.scope)
    return Step(path, "finish", form.mark, {"call": name}, called_from=scope.called_from, **judgement)


def _still_blocked(builder: Builder, form: StepForm, scope: Scope, path: str) -> Step:
    name, _ = _started(builder, form, scope)
    judgement = builder.judgement(form, scope)
    return Step(path, "still_blocked", form.mark, {"call": name}, called_from=scope.called_from, **judgement)


def _started(builder: Builder, form: StepForm, scope: Scope) -> tuple[str, Started]:
    node = form.args["call"]
    written = name_of(node, scope, "the name of a started call")
    name = scope.outer(written)
    if name not in builder.started:
        near = did_you_mean(written, builder.started)
        raise wrong(node.mark, f"no step before this one starts a call '{written}'", near, "L1")
    if builder.started[name].finished:
        raise wrong(node.mark, f"the call '{written}' is finished already", code="L3")
    return name, builder.started[name]


def _collect(builder: Builder, form: StepForm, scope: Scope, path: str) -> Step:
    """Build a collection: its one call, as often as it is made."""
    node, _ = scope.follow(form.args["times"])
    times = integer(node, 1)
    for _ in range(times):
        scope.table.allowance.step(form.mark)
    inner_form = scope.source.forms[id(form.args["step"])]
    judgement = builder.judgement(_without_expect(form), scope)
    call = _inner(builder, form.args["step"], scope, f"{path}.0", builder.actor(form, scope))
    if "within" not in inner_form.modifiers:
        call = replace(call, within_s=judgement["within_s"])
    calls = tuple(replace(call, path=f"{path}.{n}") for n in range(times))
    step = Step(path, "collect", form.mark, {"times": times}, (), call.actor, inner=calls, **judgement)
    expect = form.modifiers.get("expect")
    found = in_any_order(expect, inner_form.op.name, scope, None) if expect else step.expect
    if expect and found.in_any_order and len(found.in_any_order) != times:
        raise wrong(expect.mark, f"'in_any_order' has {len(found.in_any_order)} outcomes, and there are {times} calls")
    return replace(step, expect=found, called_from=scope.called_from)


def _race(builder: Builder, form: StepForm, scope: Scope, path: str) -> Step:
    """Build a race: each call on an actor of its own, then what lets some of them return."""
    scope.table.need("threads")
    nodes = items(form.args["calls"], "a list of steps")
    calls = tuple(_inner(builder, node, scope, f"{path}.{n}", None) for n, node in enumerate(nodes))
    trigger = items(form.args["trigger"], "a list of steps")
    after = builder.steps(trigger, scope, f"{path}.", first=len(calls))
    judgement = builder.judgement(form, scope)
    binding = next((call for call in calls if call.binds), None)
    for call in calls:
        builder.bind(builder.forms[call.path], call.binds, scope)
    if binding is not None:
        builder.bind(builder.forms[binding.path], (WINNER,), scope)
    return Step(path, "race", form.mark, {}, scope.called_from, inner=calls, trigger=after, **judgement)


def _inner(builder: Builder, node: Node, scope: Scope, path: str, actor: str | None) -> Step:
    """Build a call that stands inside a step; without an actor of its own it takes `actor`, or a fresh one."""
    form = scope.source.forms[id(node)]
    builder.forms[path] = form
    scope.table.allowance.step(form.mark)
    by = builder.actor(form, scope) if "by" in form.modifiers else actor or builder.fresh_actor()
    args = builder.arguments(form, scope)
    binds = builder.binds(form, scope)
    return Step(path, form.op.name, form.mark, args, scope.called_from, by, binds, **builder.judgement(form, scope))


def _without_expect(form: StepForm) -> StepForm:
    """Take away the expectation: that of a collection is about its calls."""
    return form._replace(modifiers={key: node for key, node in form.modifiers.items() if key != "expect"})


COMPOUNDS: AnyMapping[str, Compound] = {
    "finish": _finish,
    "still_blocked": _still_blocked,
    "collect": _collect,
    "race": _race,
}
