"""Nodes to expectations: outcomes, alternatives and known mistakes."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as AnyMapping

from grader.model.expectations import (
    SUCCESS,
    Alternative,
    Expectation,
    Failure,
    Mistake,
    Pattern,
    Signalled,
    StillPending,
    Success,
    Whatever,
)
from grader.scenario.atoms import integer, items, known_keys, mapping, text, word
from grader.scenario.complaints import did_you_mean, shown, wrong
from grader.scenario.matchers import fields_of, matcher
from grader.scenario.read import Mapping, Node, Scalar, Sequence, kind_of
from grader.scenario.scopes import Scope, is_open_reference
from grader.scenario.words import ERRNOS, SIGNALS

WORDS: dict[str, Expectation] = {
    "ok": SUCCESS,
    "fails": Expectation((Alternative(Failure()),)),
    "any": Expectation((Alternative(Whatever()),)),
    "blocks": Expectation((Alternative(StillPending()),), blocks=True),
}
WORD_DOCS = {
    "ok": "the call succeeds; the same as no `expect`",
    "fails": "the call fails, whatever the errno",
    "any": "any outcome at all",
    "blocks": "the call is seen blocked and is then left alone; its actor may not be used again",
}
ALTERNATIVE_KEYS = ("when", "because", "verdict")
Holds = Callable[[Node], bool]  # whether a `when` holds in this case


def expectation(node: Node, op: str | None, scope: Scope, holds: Holds, option: str | None = None) -> Expectation:
    """Read the `expect` of a step.

    Args:
        node: The value of `expect`.
        op: The operation whose outcome it is; None if that is not known yet (`finish` in a check).
        scope: Where the step stands.
        holds: Says whether a `when` holds in this case.
        option: The socket option asked for, if the step is a `getsockopt`.

    Raises:
        ScenarioError: the operation cannot have such an outcome; L9 if no alternative is left.
    """
    if isinstance(node, Scalar):
        if isinstance(node.value, str) and node.value in WORDS:
            return WORDS[node.value]
        raise wrong(node.mark, f"{kind_of(node)} is not an expectation", did_you_mean(node.value, WORDS))
    form = mapping(node, "an expectation")
    if op in _SPECIAL_KEYS:
        return _special(form, str(op), scope, option)
    if "one_of" in form.items:
        known_keys(form, ("one_of",), "an expectation")
        choices = items(form.items["one_of"], "a list of outcomes")
        found = (_alternative(choice, op, scope, holds, option) for choice in choices)
        kept = tuple(alternative for alternative in found if alternative is not None)
        if not kept:
            place = f" in the case [{scope.table.case}]" if scope.table.case else ""
            raise wrong(form.items["one_of"].mark, f"no alternative of 'one_of' is left{place}", code="L9")
        return Expectation(kept)
    if "not" in form.items:
        known_keys(form, ("not",), "an expectation")
        return Expectation((Alternative(pattern(form.items["not"], op, scope, option)),), negated=True)
    return Expectation((Alternative(pattern(form, op, scope, option)),))


def pattern(node: Node, op: str | None, scope: Scope, option: str | None = None) -> Pattern:
    """Read one outcome.

    Raises:
        ScenarioError: the operation cannot have it.
    """
    if isinstance(node, Scalar) and node.value in ("ok", "fails", "any"):
        return WORDS[str(node.value)].alternatives[0].pattern
    form = mapping(node, "an outcome")
    if not form.items:
        raise wrong(form.mark, "an outcome says something", "{ok: true} is plain success")
    own = fields_of(op) if op else {}
    for key, read in _OUTCOMES.items():
        if key in form.items and key not in own:
            return read(form, scope)
    return _success(form, op, scope, option)


def mistakes(node: Node, op: str | None, scope: Scope, option: str | None = None) -> tuple[Mistake, ...]:
    """Read the known mistakes of a step."""
    return tuple(_mistake(item, op, scope, option) for item in items(node, "a list of {got, hint}"))


def _mistake(node: Node, op: str | None, scope: Scope, option: str | None) -> Mistake:
    form = mapping(node, "{got, hint}")
    known_keys(form, ("got", "hint"), "a mistake")
    for key in ("got", "hint"):
        if key not in form.items:
            raise wrong(form.mark, f"a mistake needs '{key}'")
    return Mistake(pattern(form.items["got"], op, scope, option), text(form.items["hint"]))


def _alternative(node: Node, op: str | None, scope: Scope, holds: Holds, option: str | None) -> Alternative | None:
    """Read one alternative; None if its `when` does not hold."""
    if isinstance(node, Scalar):
        return Alternative(pattern(node, op, scope, option))
    form = mapping(node, "an outcome")
    rest = Mapping(form.mark, {k: v for k, v in form.items.items() if k not in ALTERNATIVE_KEYS}, form.marks)
    because = text(form.items["because"]) if "because" in form.items else ""
    if "verdict" in form.items:
        word(form.items["verdict"], ("tolerated",), "a verdict of an alternative")
    if "when" in form.items and not holds(form.items["when"]):
        return None
    return Alternative(pattern(rest, op, scope, option), because, "verdict" in form.items)


def _special(form: Mapping, op: str, scope: Scope, option: str | None) -> Expectation:
    keys = _SPECIAL_KEYS[op]
    known_keys(form, keys, f"the expectation of '{op}'")
    for key in keys:
        if key not in form.items:
            raise wrong(form.mark, f"the expectation of '{op}' needs '{key}'")
    numbers = {key: integer(form.items[key], 0) for key in keys}
    return Expectation(returned=numbers["returned"], pending=numbers["pending"])


def in_any_order(node: Node, op: str, scope: Scope, option: str | None) -> Expectation:
    """Read the expectation of a `collect`, whose outcomes are those of `op`."""
    if isinstance(node, Scalar) and node.value in ("ok", "any"):
        return WORDS[str(node.value)]
    form = mapping(node, "{in_any_order: [...]}")
    known_keys(form, ("in_any_order",), "the expectation of 'collect'")
    if "in_any_order" not in form.items:
        raise wrong(form.mark, "the expectation of 'collect' needs 'in_any_order'")
    outcomes = items(form.items["in_any_order"], "a list of outcomes")
    return Expectation(in_any_order=tuple(pattern(outcome, op, scope, option) for outcome in outcomes))


def _success(form: Mapping, op: str | None, scope: Scope, option: str | None) -> Success:
    if op is None:
        return Success()
    fields = fields_of(op)
    found = []
    for key, node in form.items.items():
        if key not in fields:
            words = [*fields, *_OUTCOMES]
            hint = did_you_mean(key, words) if fields else f"'{op}' gives nothing back"
            raise wrong(form.marks[key], f"'{op}' has no result field {shown(key)}", hint)
        found.append((key, matcher(node, fields[key], scope, option)))
    return Success(tuple(found))


def _ok(form: Mapping, scope: Scope) -> Pattern:
    known_keys(form, ("ok",), "a plain success")
    _true(form.items["ok"], "ok")
    return Success()


def _pending(form: Mapping, scope: Scope) -> Pattern:
    known_keys(form, ("pending",), "an outcome that is still pending")
    _true(form.items["pending"], "pending")
    return StillPending()


def _true(node: Node, key: str) -> None:
    if not isinstance(node, Scalar) or node.value is not True:
        raise wrong(node.mark, f"'{key}' is true or not there, never {kind_of(node)}")


def _errno(form: Mapping, scope: Scope) -> Pattern:
    known_keys(form, ("errno", "signal"), "a failure")
    node, scope = scope.follow(form.items["errno"])
    signal = _signal_name(form.items["signal"], ("none",)) if "signal" in form.items else None
    if isinstance(node, Sequence):
        if not node.items:
            raise wrong(node.mark, "an empty list of errnos matches nothing", "`any` for whatever errno")
        return Failure(tuple(_symbol(item) for item in node.items), signal)
    if isinstance(node, Scalar) and node.value == "any":
        return Failure((), signal)
    if is_open_reference(node, scope):
        return Failure((), signal)
    return Failure((_symbol(node),), signal)


def _symbol(node: Node) -> str:
    name = text(node, "the symbol of an errno")
    if name not in ERRNOS:
        raise wrong(node.mark, f"{shown(name)} is not the symbol of an errno", did_you_mean(name, ERRNOS))
    return name


def _signal(form: Mapping, scope: Scope) -> Pattern:
    known_keys(form, ("signal",), "an outcome with a signal")
    return Signalled(_signal_name(form.items["signal"], ()))


def _signal_name(node: Node, also: tuple[str, ...]) -> str:
    name = text(node, "the name of a signal")
    if name not in SIGNALS and name not in also:
        raise wrong(node.mark, f"{shown(name)} is not a signal", did_you_mean(name, [*sorted(SIGNALS), *also]))
    return name


_SPECIAL_KEYS = {"race": ("returned", "pending")}
_OUTCOMES: AnyMapping[str, Callable[[Mapping, Scope], Pattern]] = {
    "errno": _errno,
    "signal": _signal,
    "pending": _pending,
    "ok": _ok,
}
