"""The smallest readings: a node as a time, an integer, a text, one of some words, a list, a mapping."""

from __future__ import annotations

from grader.model.errors import ScenarioError
from grader.scenario.complaints import did_you_mean, shown, wrong
from grader.scenario.read import Mapping, Node, Scalar, Sequence, kind_of
from grader.scenario.scopes import literal
from grader.scenario.words import TIME


def seconds(node: Node) -> float:
    """Read a Time as seconds.

    Raises:
        ScenarioError: it is no Time.
    """
    match = TIME.fullmatch(node.value) if isinstance(node, Scalar) and isinstance(node.value, str) else None
    if match is None:
        raise wrong(node.mark, f"{kind_of(node)} is not a time", "such as 300ms or 2s")
    return int(match[1]) / (1000 if match[2] == "ms" else 1)


def milliseconds(node: Node) -> int:
    """Read a Time as milliseconds, the unit of calls.

    Raises:
        ScenarioError: it is no Time.
    """
    return round(seconds(node) * 1000)


def integer(node: Node, lowest: int | None = None) -> int:
    """Read an integer.

    Raises:
        ScenarioError: it is none, or below `lowest`.
    """
    if not isinstance(node, Scalar) or not isinstance(node.value, int) or isinstance(node.value, bool):
        raise wrong(node.mark, f"expected an integer, not {kind_of(node)}")
    if lowest is not None and node.value < lowest:
        raise wrong(node.mark, f"expected {lowest} or more, not {node.value}")
    return node.value


def text(node: Node, what: str = "text") -> str:
    """Read a text.

    Raises:
        ScenarioError: it is none.
    """
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        hint = "put it in quotes if text is meant" if isinstance(node, Scalar) and node.value is not None else ""
        raise wrong(node.mark, f"expected {what}, not {kind_of(node)}", hint)
    return literal(node.value)


def word(node: Node, words: tuple[str, ...], what: str) -> str:
    """Read one of a fixed list of words.

    Raises:
        ScenarioError: it is not among them.
    """
    value = node.value if isinstance(node, Scalar) else None
    if not isinstance(value, str) or value not in words:
        raise wrong(node.mark, f"{kind_of(node)} is not {what}", did_you_mean(value, words))
    return value


def items(node: Node, what: str) -> tuple[Node, ...]:
    """Read a list.

    Raises:
        ScenarioError: it is none.
    """
    if not isinstance(node, Sequence):
        raise wrong(node.mark, f"expected {what}, not {kind_of(node)}", "a list is written [a, b]")
    return node.items


def mapping(node: Node, what: str) -> Mapping:
    """Read a mapping.

    Raises:
        ScenarioError: it is none.
    """
    if not isinstance(node, Mapping):
        raise wrong(node.mark, f"expected {what}, not {kind_of(node)}", "a mapping is written {key: value}")
    return node


def known_keys(node: Mapping, keys: tuple[str, ...], what: str) -> None:
    """See that a mapping has no other keys than these.

    Raises:
        ScenarioError: it has; one complaint for each.
    """
    strange = [key for key in node.items if key not in keys]
    if strange:
        raise ScenarioError(
            tuple(
                complaint
                for key in strange[:10]
                for complaint in wrong(
                    node.marks[key], f"unknown key {shown(key)} in {what}", did_you_mean(key, keys)
                ).complaints
            )
        )
