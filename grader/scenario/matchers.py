"""Nodes to matchers: what a result field must hold."""

from __future__ import annotations

from collections.abc import Callable

from grader.model.expectations import (
    AddressLike,
    Anything,
    Between,
    BytesLike,
    Exactly,
    Matcher,
    Not,
    OneOf,
    SetLike,
    Unnamed,
)
from grader.model.values import Value
from grader.ops import OPERATIONS, Arg, Field, Kind
from grader.scenario.atoms import integer, items, known_keys, mapping, milliseconds, text
from grader.scenario.complaints import wrong
from grader.scenario.data import DATA_KEYS, data
from grader.scenario.read import Mapping, Node, Scalar, Sequence, kind_of
from grader.scenario.scopes import Scope, is_reference
from grader.scenario.values import address, convert, internet_ip, option_value, port_number

NUMBER_KEYS = ("at_least", "at_most", "between")
BYTES_KEYS = ("starts", "ends", "prefix_of", "length", "sha256")
SET_KEYS = ("has", "lacks")
ADDRESS_KEYS = ("ip", "port", "path", "abstract")
_NUMBERS = (Kind.INT, Kind.VALUE, Kind.TIME)


def matcher(node: Node, field: Field, scope: Scope, option: str | None = None) -> Matcher:
    """Read what a field must hold; `option` is the socket option that the field is the value of.

    Raises:
        ScenarioError: the field cannot hold that.
    """
    node, scope = scope.follow(node)
    if isinstance(node, Scalar) and node.value == "any":
        return Anything()
    if isinstance(node, Scalar) and isinstance(node.value, str) and is_reference(node.value):
        return Exactly(scope.reference(node))
    if isinstance(node, Mapping) and "one_of" in node.items:
        known_keys(node, ("one_of",), "a matcher")
        choices = items(node.items["one_of"], "a list of values")
        return OneOf(tuple(_value(choice, field, scope, option) for choice in choices))
    if isinstance(node, Mapping) and "not" in node.items:
        known_keys(node, ("not",), "a matcher")
        return Not(matcher(node.items["not"], field, scope, option))
    special = _SPECIAL.get(field.kind)
    found = special(node, field, scope) if special else None
    if found is None and isinstance(node, Mapping) and field.kind in _NUMBERS:
        found = _numbers(node, field, scope, option)
    return found if found is not None else Exactly(_value(node, field, scope, option))


def _value(node: Node, field: Field, scope: Scope, option: str | None) -> Value:
    if field.kind is Kind.VALUE:
        return option_value(node, option, scope)
    if field.kind is Kind.SOCK:
        raise wrong(node.mark, f"'{field.name}' is a descriptor", "`any`, or compare names with `check`")
    if field.kind is Kind.SET:
        return tuple(_word_of_set(item, scope) for item in items(node, "a list of words"))
    if field.kind is Kind.WORD:
        return text(node, f"a word for '{field.name}'")
    return convert(node, Arg(field.name, field.kind), scope)


def _numbers(node: Mapping, field: Field, scope: Scope, option: str | None) -> Matcher | None:
    if not set(node.items) & set(NUMBER_KEYS):
        return None
    known_keys(node, NUMBER_KEYS, "a matcher")

    def number(part: Node) -> Value:
        part, part_scope = scope.follow(part)
        if isinstance(part, Scalar) and isinstance(part.value, str) and is_reference(part.value):
            return part_scope.reference(part)
        is_time = isinstance(part, Scalar) and isinstance(part.value, str)
        return milliseconds(part) if is_time and field.kind is Kind.VALUE else integer(part)

    if "between" in node.items:
        known_keys(node, ("between",), "a matcher")
        ends = items(node.items["between"], "[lowest, highest]")
        if len(ends) != 2:
            raise wrong(node.items["between"].mark, f"'between' takes two numbers, not {len(ends)}")
        return Between(number(ends[0]), number(ends[1]))
    low, high = (number(node.items[key]) if key in node.items else None for key in ("at_least", "at_most"))
    return Between(low, high)


def _bytes(node: Node, field: Field, scope: Scope) -> Matcher | None:
    if not isinstance(node, Mapping) or set(node.items) & set(DATA_KEYS):
        return None
    known_keys(node, BYTES_KEYS, "a matcher for bytes")
    if len(node.items) != 1:
        raise wrong(node.mark, "a matcher for bytes has exactly one of " + ", ".join(BYTES_KEYS))
    how, part = next(iter(node.items.items()))
    if how == "length":
        return BytesLike(how, convert(part, Arg("count", Kind.INT), scope))
    if how == "sha256":
        digits = text(part, "hex digits in quotes").lower()
        if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
            raise wrong(part.mark, "a SHA-256 has 64 hex digits")
        return BytesLike(how, digits)
    return BytesLike(how, data(part, scope))


def _text(node: Node, field: Field, scope: Scope) -> Matcher | None:
    if not isinstance(node, Mapping):
        return None
    known_keys(node, ("starts", "ends", *SET_KEYS), "a matcher for text")
    if len(node.items) != 1:
        raise wrong(node.mark, "a matcher for text has exactly one of starts, ends, has, lacks")
    how, part = next(iter(node.items.items()))
    if how in SET_KEYS:
        return SetLike(how, tuple(_word_of_set(item, scope) for item in items(part, "a list of texts")))
    return BytesLike(how, text(part))


def _set(node: Node, field: Field, scope: Scope) -> Matcher | None:
    if isinstance(node, Sequence):
        return SetLike("exact", tuple(_word_of_set(item, scope) for item in node.items))
    form = mapping(node, "a list of words, {has: [...]} or {lacks: [...]}")
    known_keys(form, SET_KEYS, "a matcher for a set")
    if len(form.items) != 1:
        raise wrong(form.mark, "a matcher for a set has exactly one of has, lacks")
    how, part = next(iter(form.items.items()))
    return SetLike(how, tuple(_word_of_set(item, scope) for item in items(part, "a list of words")))


def _word_of_set(node: Node, scope: Scope) -> Value:
    """Read a member of a set; `c.read` names a socket of this place, whose name may be private."""
    node, scope = scope.follow(node)
    if isinstance(node, Scalar) and isinstance(node.value, str) and is_reference(node.value):
        name, _, event = node.value[1:].partition(".")
        if event not in _READY_EVENTS or name not in scope.variables:
            return scope.reference(node)
        bare, scope = scope.follow(Scalar(node.mark, f"${name}"))
        node = Scalar(node.mark, f"{text(bare)}.{event}")
    member = text(node, "a word")
    name, dot, event = member.partition(".")
    if dot and event in _READY_EVENTS:
        return f"{scope.socket(name, node.mark)}.{event}"
    return member


def _address(node: Node, field: Field, scope: Scope) -> Matcher | None:
    if isinstance(node, Scalar) and node.value == "unnamed":
        return Unnamed()
    if not isinstance(node, Mapping):
        raise wrong(node.mark, f"expected an address, not {kind_of(node)}", "`$name`, `unnamed`, {ip, port} or {path}")
    known_keys(node, ADDRESS_KEYS, "a matcher for an address")
    if "abstract" in node.items or not node.items:
        return Exactly(address(node, scope))
    ip, port, path = (
        _part(node.items[key], read, scope) if key in node.items else None
        for key, read in (("ip", internet_ip), ("port", port_number), ("path", text))
    )
    return AddressLike(ip, port, path)


def _part(node: Node, read: Callable[[Node], Value], scope: Scope) -> Matcher:
    node, scope = scope.follow(node)
    if isinstance(node, Scalar) and node.value == "any":
        return Anything()
    if isinstance(node, Scalar) and isinstance(node.value, str) and is_reference(node.value):
        return Exactly(scope.reference(node))
    if isinstance(node, Mapping):
        return _part_by_mapping(node, read, scope)
    return Exactly(read(node))


def _part_by_mapping(node: Mapping, read: Callable[[Node], Value], scope: Scope) -> Matcher:
    known_keys(node, (*NUMBER_KEYS, "one_of", "not"), "a matcher")
    if "not" in node.items:
        return Not(_part(node.items["not"], read, scope))
    if "one_of" in node.items:
        return OneOf(tuple(read(item) for item in items(node.items["one_of"], "a list of values")))
    found = _numbers(node, Field("port", Kind.INT), scope, None)
    if found is None:
        raise wrong(node.mark, "a matcher has at least one key", "such as {at_least: 1}")
    return found


def fields_of(op: str) -> dict[str, Field]:
    """Give the result fields of an operation by name."""
    return {field.name: field for field in OPERATIONS[op].fields}


_READY_EVENTS = ("read", "write", "except", "hangup", "error")
_SPECIAL: dict[Kind, Callable[[Node, Field, Scope], Matcher | None]] = {
    Kind.DATA: _bytes,
    Kind.TEXT: _text,
    Kind.SET: _set,
    Kind.ADDR: _address,
}
