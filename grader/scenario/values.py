"""Nodes to the values of arguments: one converter for each kind of argument, in a table."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TypeGuard

from grader.model.values import InetAddress, InetParts, Ref, SockRef, UnixAddress, Value, Watch
from grader.ops import EVENTS, OPTIONS, Arg, Kind
from grader.scenario.atoms import integer, items, known_keys, mapping, milliseconds, seconds, text, word
from grader.scenario.complaints import wrong
from grader.scenario.data import data
from grader.scenario.read import Mapping, Node, Scalar, Sequence, kind_of
from grader.scenario.scopes import Scope, is_open_reference, is_reference, literal, name_of

ADDRESS_KEYS = ("ip", "path", "abstract")
PASSED_AS_THEY_ARE = ("domain", "type", "how")  # words for which a number may stand, if the testee takes raw calls
UNSIGNED = ("size", "sizes", "count", "limit")


def argument(op: str, arg: Arg, node: Node, scope: Scope, option: str | None) -> Value:
    """Make the value of an argument of an operation; `option` is the socket option that the step is about.

    Raises:
        ScenarioError: the node is not what the argument holds.
    """
    if arg.kind is Kind.VALUE:
        return option_value(node, option, scope)
    if arg.kind is Kind.MAP:
        return _readiness(node, scope)
    if arg.name == "proc":
        return Ref(scope.find(name_of(node, scope, "the bare name of a process"), None, node.mark))
    if op == "pause" and arg.kind is Kind.TIME:
        return seconds(node)
    if op == "bytes_prefix":
        return tuple(data(item, scope) for item in items(node, "a list of data"))
    return convert(node, arg, scope)


def option_of(args: dict[str, Node], scope: Scope) -> str | None:
    """Give the socket option that the arguments of a step name, None if they name none that is known yet."""
    if "name" not in args:
        return None
    node, _ = scope.follow(args["name"])
    return str(node.value) if isinstance(node, Scalar) and node.value in OPTIONS else None


def convert(node: Node, arg: Arg, scope: Scope) -> Value:
    """Make the value of an argument.

    Raises:
        ScenarioError: the node is not what the argument holds.
    """
    node, scope = scope.follow(node)
    if arg.kind not in _BARE and _is_reference(node):
        return scope.reference(node)
    return _CONVERTERS[arg.kind](node, arg, scope)


def address(node: Node, scope: Scope) -> Value:
    """Read an address.

    Raises:
        ScenarioError: the node is none.
    """
    node, scope = scope.follow(node)
    if isinstance(node, Scalar):
        if _is_reference(node):
            return scope.reference(node)
        name = node.value if isinstance(node.value, str) else ""
        raise wrong(node.mark, f"expected an address, not {kind_of(node)}", f"write ${name}" if name.isalnum() else "")
    form = mapping(node, "an address")
    if "abstract" in form.items:
        known_keys(form, ("abstract",), "an abstract address")
        scope.table.need("abstract")
        return UnixAddress(abstract=_fixed_text(form.items["abstract"], scope))
    if "path" in form.items:
        known_keys(form, ("path",), "a path address")
        return UnixAddress(path=_fixed_text(form.items["path"], scope))
    known_keys(form, ("ip", "port"), "an Internet address")
    for key in ("ip", "port"):
        if key not in form.items:
            raise wrong(form.mark, f"an Internet address needs '{key}'")
    return _internet(form, scope)


def internet_ip(node: Node) -> str:
    """Read an IP address in canonical text.

    Raises:
        ScenarioError: it is none.
    """
    try:
        return str(ipaddress.ip_address(text(node, "an IP address")))
    except ValueError:
        raise wrong(node.mark, f"{kind_of(node)} is not an IP address", "such as 127.0.0.2 or ::1") from None


def port_number(node: Node) -> int:
    """Read a port number.

    Raises:
        ScenarioError: it is none.
    """
    if integer(node, 0) > 65535:
        raise wrong(node.mark, f"{kind_of(node)} is not a port", "0 to 65535")
    return integer(node)


def option_value(node: Node, option: str | None, scope: Scope) -> Value:
    """Read the value of a socket option; an option of None is not known yet.

    Raises:
        ScenarioError: it is not what the option holds.
    """
    node, scope = scope.follow(node)
    if option is None:
        return anything(node, scope)
    if _is_reference(node):
        return scope.reference(node)
    kind = OPTIONS[option]
    if kind is Kind.WORD:
        return literal(node.value) if isinstance(node, Scalar) and isinstance(node.value, str) else integer(node, 0)
    return _CONVERTERS[kind](node, Arg(option, kind), scope)


def anything(node: Node, scope: Scope) -> Value:
    """Read a value of `vars`, whose use says only later what it holds."""
    node, scope = scope.follow(node)
    if isinstance(node, Sequence):
        return tuple(anything(item, scope) for item in node.items)
    if isinstance(node, Mapping):
        return address(node, scope) if set(node.items) & set(ADDRESS_KEYS) else data(node, scope)
    if _is_reference(node):
        return scope.reference(node)
    return literal(node.value) if isinstance(node.value, str) else node.value


def _internet(form: Mapping, scope: Scope) -> InetAddress | InetParts:
    ip_node, ip_scope = scope.follow(form.items["ip"])
    port_node, port_scope = scope.follow(form.items["port"])
    ip = ip_scope.reference(ip_node) if _is_reference(ip_node) else internet_ip(ip_node)
    port = port_scope.reference(port_node) if _is_reference(port_node) else port_number(port_node)
    if isinstance(ip, str) and ip.startswith("127.") and ip != "127.0.0.1":
        scope.table.need("loopback-net")
    if isinstance(ip, str) and isinstance(port, int):
        return InetAddress(ip, port)
    return InetParts(ip, port)


def _fixed_text(node: Node, scope: Scope) -> str:
    """Read a text that must be known when the case is built."""
    found, inside = scope.follow(node)
    if _is_reference(found) and not is_open_reference(found, inside):
        raise wrong(node.mark, f"{kind_of(found)} is known only in a run", "an address of the case is written $name")
    return text(found)


def _is_reference(node: Node) -> TypeGuard[Scalar]:
    return isinstance(node, Scalar) and isinstance(node.value, str) and is_reference(node.value)


def _readiness(node: Node, scope: Scope) -> Value:
    form = mapping(node, "{stdout: regex}, {port: $addr} or {file: path}")
    known_keys(form, ("stdout", "port", "file"), "'by'")
    if len(form.items) != 1:
        raise wrong(form.mark, "'by' has exactly one of stdout, port, file")
    by, value = next(iter(form.items.items()))
    return (by, address(value, scope) if by == "port" else text(value))


def _socket(node: Node, arg: Arg, scope: Scope) -> SockRef:
    name = name_of(node, scope, "the bare name of a socket")
    return SockRef(scope.socket(name, node.mark))


def _name(node: Node, arg: Arg, scope: Scope) -> str:
    return name_of(node, scope, "a name")


def _names(node: Node, arg: Arg, scope: Scope) -> tuple[str, ...]:
    names = tuple(name_of(item, scope, "a name") for item in items(node, "two names"))
    if len(names) != 2:
        raise wrong(node.mark, f"expected two names, not {len(names)}")
    return names


def _integer(node: Node, arg: Arg, scope: Scope) -> int:
    return integer(node, 0 if arg.name in UNSIGNED else None)


def _integers(node: Node, arg: Arg, scope: Scope) -> Value:
    if isinstance(node, Scalar):
        return (integer(node, 0),)
    return tuple(convert(item, _SIZE, scope) for item in items(node, "sizes"))


def _segments(node: Node, arg: Arg, scope: Scope) -> Value:
    if isinstance(node, Scalar):
        return word(node, arg.words, "a way to cut: whole, bytes, or a list of sizes")
    return tuple(integer(scope.follow(item)[0], 1) for item in items(node, "sizes"))


def _boolean(node: Node, arg: Arg, scope: Scope) -> bool:
    if not isinstance(node, Scalar) or not isinstance(node.value, bool):
        raise wrong(node.mark, f"expected true or false, not {kind_of(node)}")
    return node.value


def _word(node: Node, arg: Arg, scope: Scope) -> Value:
    is_number = isinstance(node, Scalar) and isinstance(node.value, int) and not isinstance(node.value, bool)
    if is_number and arg.name == "proto":
        return integer(node)
    if is_number and arg.name in PASSED_AS_THEY_ARE:
        scope.table.need("raw-calls")
        return integer(node)
    return word(node, arg.words, f"a word for '{arg.name}'")


def _flags(node: Node, arg: Arg, scope: Scope) -> tuple[str, ...]:
    return tuple(word(scope.follow(item)[0], arg.words, "a flag") for item in items(node, "a list of flags"))


def _watch(node: Node, arg: Arg, scope: Scope) -> tuple[Watch, ...]:
    return tuple(_watched(item, scope) for item in items(node, "a list of {sock: name, for: [...]}"))


def _watched(node: Node, scope: Scope) -> Watch:
    form = mapping(node, "{sock: name, for: [...]}")
    known_keys(form, ("sock", "for"), "a watch")
    for key in ("sock", "for"):
        if key not in form.items:
            raise wrong(form.mark, f"a watch needs '{key}'")
    events = items(form.items["for"], "a list of events")
    words = tuple(word(scope.follow(event)[0], EVENTS, "an event") for event in events)
    return Watch(_socket(form.items["sock"], _SIZE, scope), words)


def _references(node: Node, arg: Arg, scope: Scope) -> tuple[Value, ...]:
    return tuple(_operand(item, scope) for item in items(node, "a list of references"))


def _operand(node: Node, scope: Scope) -> Value:
    """Read what an assertion compares: a bare name is a socket, a mapping is data or an address."""
    node, scope = scope.follow(node)
    if isinstance(node, Scalar) and isinstance(node.value, str) and not is_reference(node.value):
        return _socket(node, _SIZE, scope)
    return anything(node, scope)


def _parts(node: Node, arg: Arg, scope: Scope) -> tuple[Value, ...]:
    return tuple(data(item, scope) for item in items(node, "a list of data"))


_SIZE = Arg("size", Kind.INT)
_BARE = (Kind.SOCK, Kind.NAME, Kind.NAMES, Kind.CALL)
_CONVERTERS: dict[Kind, Callable[[Node, Arg, Scope], Value]] = {
    Kind.SOCK: _socket,
    Kind.NAME: _name,
    Kind.NAMES: _names,
    Kind.CALL: _name,
    Kind.DATA: lambda node, arg, scope: data(node, scope),
    Kind.PARTS: _parts,
    Kind.ADDR: lambda node, arg, scope: address(node, scope),
    Kind.INT: _integer,
    Kind.INTS: _integers,
    Kind.BOOL: _boolean,
    Kind.TEXT: lambda node, arg, scope: text(node),
    Kind.TIME: lambda node, arg, scope: milliseconds(node),
    Kind.WORD: _word,
    Kind.FLAGS: _flags,
    Kind.VALUE: lambda node, arg, scope: option_value(node, None, scope),
    Kind.WATCH: _watch,
    Kind.REFS: _references,
    Kind.SEGMENTS: _segments,
}
