"""The schema class of complaints: unknown and missing keys, wrong types, unknown words.

A file is walked once, key by key, along the tables of `forms` and `ops`; each complaint stands at its
own place and does not hide the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from grader.ops import ADDRESS_KINDS, DOMAINS, FEATURES, INVARIANTS, TYPES
from grader.scenario.atoms import items, mapping, seconds, text, word
from grader.scenario.check_steps import StepChecker
from grader.scenario.complaints import Notes, did_you_mean, shown, wrong
from grader.scenario.forms import ACTOR_KINDS, FORMAT, LEVELS, SHAPES, Form
from grader.scenario.read import Mapping, Node, Scalar, kind_of
from grader.scenario.scopes import Allowance, Scope, Source, Table
from grader.scenario.values import anything
from grader.scenario.words import AXIS_VALUE, DOTTED, NAME, SLUG, SUITE


class Desk(NamedTuple):
    """What the checking of one file has at hand; `claims` is None where nobody knows the claims."""

    source: Source
    notes: Notes
    steps: StepChecker
    claims: tuple[str, ...] | None


def check(root: Node, shape: str, source: Source, allowance: Allowance, claims: tuple[str, ...] | None = None) -> None:
    """Check a file; the forms of its steps and the values that no case changes are kept in `source`.

    Args:
        root: The tree of the file.
        shape: What it is: `a suite` or `a fragment file`.
        source: The file; its fragments in reach are known.
        allowance: What the file may still cost.
        claims: The claims that scenarios may cite, None if they are not known.

    Raises:
        ScenarioError: it breaks the grammar; carries every complaint.
    """
    notes = Notes()
    steps = StepChecker(source, notes, Table(allowance, is_open=True))
    desk = Desk(source, notes, steps, claims)
    _shape(desk, root, shape)
    notes.finish()


def _shape(desk: Desk, node: Node, name: str) -> None:
    form = mapping(node, name)
    keys = {key.name: key for key in SHAPES[name]}
    for given, mark in form.marks.items():
        if given not in keys:
            desk.notes.say(mark, f"unknown key {shown(given)} in {name}", did_you_mean(given, keys))
    for key in keys.values():
        if key.name in form.items:
            with desk.notes.catching():
                _FORMS[key.form](desk, form.items[key.name])
        elif key.required:
            desk.notes.say(form.mark, f"{name} needs '{key.name}'", key.doc)


def _format(desk: Desk, node: Node) -> None:
    if not isinstance(node, Scalar) or node.value != FORMAT or isinstance(node.value, bool):
        raise wrong(node.mark, f"format {kind_of(node)} is not known", "this is format 1")


def _text(desk: Desk, node: Node) -> None:
    if not text(node).strip():
        raise wrong(node.mark, "expected text, and it is empty")


def _matching(pattern: re.Pattern[str], what: str, hint: str) -> Callable[[Desk, Node], None]:
    def checked(desk: Desk, node: Node) -> None:
        if not pattern.fullmatch(text(node, what)):
            raise wrong(node.mark, f"{kind_of(node)} is not {what}", hint)

    return checked


def _number(desk: Desk, node: Node) -> None:
    number = node.value if isinstance(node, Scalar) else None
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise wrong(node.mark, f"expected a number, not {kind_of(node)}")
    if number < 0:
        raise wrong(node.mark, f"points are 0 or more, not {number}")


def _each(check_item: Callable[[Desk, Node], None], what: str) -> Callable[[Desk, Node], None]:
    def checked(desk: Desk, node: Node) -> None:
        for item in items(node, what):
            with desk.notes.catching():
                check_item(desk, item)

    return checked


def _each_of(words: tuple[str, ...], what: str) -> Callable[[Desk, Node], None]:
    return _each(_word(words, what), f"a list, each item {what}")


def _word(words: tuple[str, ...], what: str) -> Callable[[Desk, Node], None]:
    def checked(desk: Desk, node: Node) -> None:
        word(node, words, what)

    return checked


def _named(check_value: Callable[[Desk, Node], None], what: str) -> Callable[[Desk, Node], None]:
    """Make the check of a mapping whose keys are names that the author chooses."""

    def checked(desk: Desk, node: Node) -> None:
        form = mapping(node, what)
        for name, value in form.items.items():
            if not NAME.fullmatch(name):
                hint = "letters, digits and `_`, a letter first"
                desk.notes.say(form.marks[name], f"{shown(name)} is not a name", hint)
            with desk.notes.catching():
                check_value(desk, value)

    return checked


def _shaped(name: str) -> Callable[[Desk, Node], None]:
    return lambda desk, node: _shape(desk, node, name)


def _claim(desk: Desk, node: Node) -> None:
    claim = text(node, "the id of a claim")
    if desk.claims is not None and claim not in desk.claims:
        raise wrong(node.mark, f"unknown claim {shown(claim)}", did_you_mean(claim, desk.claims))


def _actors(desk: Desk, node: Node) -> None:
    _named(_actor, "the actors as a mapping")(desk, node)
    for name, mark in node.marks.items() if isinstance(node, Mapping) else ():
        if re.fullmatch("anon[0-9]+", name):
            desk.notes.say(mark, f"the name '{name}' is kept for actors without a name", "choose another")


def _actor(desk: Desk, node: Node) -> None:
    form = mapping(node, "the actor as a mapping, {} for the usual kind")
    for key, value in form.items.items():
        if key != "kind":
            raise wrong(form.marks[key], f"unknown key {shown(key)} in an actor", did_you_mean(key, ("kind",)))
        word(value, ACTOR_KINDS, "a kind of actor")


def _addr(desk: Desk, node: Node) -> None:
    if isinstance(node, Scalar):
        word(node, tuple(ADDRESS_KINDS), "a kind of address")
        return
    form = mapping(node, "a kind of address")
    for key in form.items:
        if key not in ("kind", "domain"):
            hint = did_you_mean(key, ("kind", "domain"))
            raise wrong(form.marks[key], f"unknown key {shown(key)} in an address", hint)
    if "kind" not in form.items:
        raise wrong(form.mark, "an address needs 'kind'")
    word(form.items["kind"], tuple(ADDRESS_KINDS), "a kind of address")
    if "domain" in form.items:
        word(form.items["domain"], DOMAINS, "a domain")


def _variable(desk: Desk, node: Node) -> None:
    anything(node, Scope(desk.source, desk.steps.table))


def _matrix(desk: Desk, node: Node) -> None:
    form = mapping(node, "the axes as a mapping")
    axes = [name for name in form.items if name not in ("exclude", "include")]
    if not axes:
        raise wrong(form.mark, "a matrix has at least one axis", "{domain: [unix, inet]}")
    for axis in axes:
        with desk.notes.catching():
            _axis(desk, axis, form)
    for key in ("exclude", "include"):
        for part in items(form.items[key], f"'{key}' as a list") if key in form.items else ():
            with desk.notes.catching():
                _assignment(desk, part, key, axes)


def _axis(desk: Desk, axis: str, form: Mapping) -> None:
    if not NAME.fullmatch(axis):
        raise wrong(form.marks[axis], f"{shown(axis)} is not a name", "letters, digits and `_`, a letter first")
    values = items(form.items[axis], f"the values of the axis '{axis}' as a list")
    if not values:
        raise wrong(form.items[axis].mark, f"the axis '{axis}' has no values")
    seen: set[str] = set()
    for value in values:
        with desk.notes.catching():
            shown_as = axis_text(value)
            _axis_word(axis, value)
            if shown_as in seen:
                raise wrong(value.mark, f"the axis '{axis}' has the value {shown_as} twice")
            seen.add(shown_as)


def _axis_word(axis: str, value: Node) -> None:
    words = {"domain": DOMAINS, "type": TYPES}.get(axis)
    if words:
        word(value, words, f"a {axis}")


def axis_text(value: Node) -> str:
    """Give the value of an axis as it stands in the id of a case.

    Raises:
        ScenarioError: it cannot stand there.
    """
    if isinstance(value, Scalar) and value.value is not None:
        as_text = shown(value.value) if isinstance(value.value, bool) else str(value.value)
        if AXIS_VALUE.fullmatch(as_text):
            return as_text
    raise wrong(value.mark, f"{kind_of(value)} cannot be the value of an axis", "letters a-z, digits and . _ +")


def _assignment(desk: Desk, node: Node, key: str, axes: list[str]) -> None:
    form = mapping(node, f"an item of '{key}' as a mapping")
    if not form.items:
        raise wrong(form.mark, f"an item of '{key}' names at least one axis")
    for axis, value in form.items.items():
        if axis not in axes:
            raise wrong(form.marks[axis], f"{shown(axis)} is not an axis", did_you_mean(axis, axes))
        choices = items(value, "values") if key == "exclude" and not isinstance(value, Scalar) else (value,)
        for choice in choices:
            axis_text(choice)
            _axis_word(axis, choice)


def _steps(desk: Desk, node: Node) -> None:
    if not items(node, "a list of steps"):
        raise wrong(node.mark, "there are no steps")
    desk.steps.steps(node)


def _gives(desk: Desk, node: Node) -> None:
    for item in items(node, "a list of names"):
        if not NAME.fullmatch(text(item, "a name")):
            raise wrong(item.mark, f"{kind_of(item)} is not a name")


def _discard(value: object) -> None:
    """Take a value that was read only to see whether it can be."""


_FORMS: dict[Form, Callable[[Desk, Node], None]] = {
    Form.FORMAT: _format,
    Form.SUITE: _matching(SUITE, "the name of a suite", "such as api/listen-accept: a-z, 0-9, - and /"),
    Form.TEXT: _text,
    Form.SLUG: _matching(SLUG, "an id", "a-z, 0-9 and -"),
    Form.NAME: _matching(NAME, "a name", "letters, digits and `_`, a letter first"),
    Form.TIME: lambda desk, node: _discard(seconds(node)),
    Form.NUMBER: _number,
    Form.LEVEL: _word(LEVELS, "a level"),
    Form.TEXTS: _each(_text, "a list of texts"),
    Form.IDS: _each(_matching(DOTTED, "an id", "such as accept.new-descriptor"), "a list of ids"),
    Form.CLAIMS: _each(_claim, "a list of claims"),
    Form.TAGS: _each(_matching(SLUG, "a tag", "a-z, 0-9 and -"), "a list of tags"),
    Form.FEATURES: _each_of(tuple(FEATURES), "a feature"),
    Form.INVARIANTS: _each_of(tuple(INVARIANTS), "an invariant"),
    Form.NAMES: _gives,
    Form.STEPS: _steps,
    Form.MATRIX: _matrix,
    Form.ACTORS: _actors,
    Form.ADDRS: _named(_addr, "the addresses as a mapping"),
    Form.VARS: _named(_variable, "a mapping of names to values"),
    Form.PROGRAMS: _named(_shaped("a program"), "the programs as a mapping"),
    Form.USES: _each(_shaped("a use"), "a list of {from: file, as: name}"),
    Form.FRAGMENTS: _named(_shaped("a fragment"), "the fragments as a mapping"),
    Form.SCENARIOS: _each(_shaped("a scenario"), "a list of scenarios"),
    Form.DEFAULTS: _shaped("defaults"),
    Form.TRANSLATION: _shaped("a translation"),
}
