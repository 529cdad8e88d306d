"""What a name means at one place of a file: parameters, axes, private names of fragments, results of steps."""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Mapping as AnyMapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from grader.model.assignments import Assignment
from grader.model.errors import Complaint
from grader.model.marks import Mark
from grader.model.scenarios import AddressSpec
from grader.model.values import Ref
from grader.ops import OPERATIONS, Kind
from grader.scenario.complaints import TooMuchError, did_you_mean, shown, wrong
from grader.scenario.read import Node, Scalar, kind_of
from grader.scenario.steps import StepForm
from grader.scenario.words import NAME, REFERENCE

MOST_STEPS = 30_000  # of all cases of one file
MOST_DATA = 64 << 20  # bytes that one file may ask for with `repeat`, `random` and `file`
WINNER = "winner"  # bound by every `race`
ADDRESS_FIELDS = ("addr", "ip", "port", "path")


MAKERS = frozenset(op.name for op in OPERATIONS.values() if op.main_field == "sock")  # operations that make sockets


class Binding(NamedTuple):
    """What bound a name: the operation whose result it stands for, and the place of its `as`."""

    op: str
    mark: Mark

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that may stand after the name."""
        op = OPERATIONS[self.op]
        own = ("sock",) if self.op == "socketpair" else tuple(field.name for field in op.fields)
        is_address = bool(op.fields) and op.fields[0].kind is Kind.ADDR
        return own + tuple(name for name in ADDRESS_FIELDS if is_address and name not in own)

    @property
    def is_socket(self) -> bool:
        """Whether the name stands for a socket."""
        return self.op in MAKERS


@dataclass(slots=True)
class Allowance:
    """What one scenario file may cost: the data it asks for and the steps it grows to."""

    made: dict[Hashable, bytes] = field(default_factory=dict)  # by what it was made from: cases share it
    asked: int = 0
    steps: int = 0

    def charge(self, count: int, mark: Mark) -> None:
        """Take `count` bytes from what the file may ask for.

        Raises:
            TooMuchError: it may not.
        """
        self.asked += count
        if self.asked > MOST_DATA:
            text = f"the data of one file may come to {MOST_DATA >> 20} MiB; this is more"
            raise TooMuchError((Complaint(mark, text),))

    def step(self, mark: Mark) -> None:
        """Count one step or one turn of a loop.

        Raises:
            TooMuchError: the file has grown to too many.
        """
        self.steps += 1
        if self.steps > MOST_STEPS:
            text = f"the cases of one file may have {MOST_STEPS} steps; here it grows beyond that"
            raise TooMuchError((Complaint(mark, text),))


@dataclass(slots=True)
class Source:
    """A file in which nodes stand: where it is, its steps once they are checked, the fragments in reach."""

    path: Path
    shown: str
    root: Path
    content: bytes = b""
    forms: dict[int, StepForm] = field(default_factory=dict)  # by the id of the node
    constants: dict[int, object] = field(default_factory=dict)  # what a node says in every case alike, by its id
    texts: dict[Path, bytes] = field(default_factory=dict)  # data files that the file names
    fragments: dict[str, Fragment] = field(default_factory=dict)
    used: tuple[Source, ...] = ()
    unusable: set[str] = field(default_factory=set)  # names of used files that have complaints of their own


class Fragment(NamedTuple):
    """A named piece of steps; a parameter whose default is null must be given; `marks` are of keys inside."""

    name: str
    mark: Mark
    params: AnyMapping[str, Node]
    gives: tuple[str, ...]
    steps: tuple[Node, ...]
    source: Source
    marks: AnyMapping[str, Mark]


@dataclass(slots=True)
class Table:
    """The names of one case while it is built; `is_open` while a file is only checked: any name will do.

    `asked` is set whenever the meaning of a node depends on the values of the case, and `looked_up` takes the names
    of results and addresses that it depends on: what is read without either is a constant.
    """

    allowance: Allowance = field(default_factory=Allowance)
    addresses: AnyMapping[str, AddressSpec] = field(default_factory=dict)
    variables: dict[str, tuple[Node, Scope | None]] = field(default_factory=dict)
    axes: AnyMapping[str, tuple[object, ...]] = field(default_factory=dict)
    bound: dict[str, Binding] = field(default_factory=dict)
    addresses_used: set[str] = field(default_factory=set)
    variables_read: set[str] = field(default_factory=set)
    needs: set[str] = field(default_factory=set)
    labels: dict[str, int] = field(default_factory=dict)
    case: str = ""  # the values of its axes, as in its id
    is_open: bool = False
    asked: bool = False
    looked_up: set[str] = field(default_factory=set)
    assignment: Assignment | None = None
    exchanged: set[str] = field(default_factory=set)  # sockets on which there was an exchange

    def use(self, addresses: AbstractSet[str]) -> None:
        """Note addresses that the case uses; which they are depends on its domain."""
        self.addresses_used |= addresses
        self.variables_read.add("domain")

    def place_server(self) -> None:
        """Note that a program is started: where there are addresses at all, it is told that of the server."""
        if "srv" in self.addresses and self.addresses["srv"].domain:
            self.use({"srv"})

    def need(self, feature: str) -> None:
        """Note a feature that the case cannot do without."""
        self.needs.add(feature)
        self.asked = True


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a node stands: in the scenario itself (`label` is empty) or in a fragment that it uses.

    `variables` are axes, `vars`, parameters and loop values, each with the scope it was written in;
    `exports` gives the outer names of what a fragment gives.
    """

    source: Source
    table: Table
    variables: AnyMapping[str, tuple[Node, Scope | None]] = field(default_factory=dict)
    label: str = ""
    exports: AnyMapping[str, str] = field(default_factory=dict)
    called_from: tuple[Mark, ...] = ()

    def outer(self, name: str) -> str:
        """Give the name that the whole case knows a name of this place by."""
        if not self.label or name == WINNER:
            return name
        return self.exports.get(name) or f"{self.label}:{name}"

    def follow(self, node: Node) -> tuple[Node, Scope]:
        """Put in what a variable stands for, and give it with the scope it was written in."""
        if not (isinstance(node, Scalar) and isinstance(node.value, str) and node.value[:1] == "$"):
            return node, self  # nearly always
        place, scope = node.mark, self
        for _ in range(32):
            if not (isinstance(node, Scalar) and isinstance(node.value, str) and is_reference(node.value)):
                return node, scope
            name, _, part = node.value[1:].partition(".")
            if name not in scope.variables:
                return node, scope
            scope.table.variables_read.add(name)
            scope.table.asked = True
            found, found_scope = scope.variables[name]
            scope = found_scope or scope
            node = _with_field(found, part, place) if part else _placed(found, place)
        raise wrong(place, "this variable stands for itself")

    def reference(self, node: Scalar) -> Ref:
        """Read `$name` or `$name.field` that only a run can fill in.

        Raises:
            ScenarioError: no step before this place binds the name (L1).
        """
        match = REFERENCE.fullmatch(str(node.value))
        if match is None:
            raise wrong(
                node.mark,
                f"{shown(node.value)} is not a reference",
                "a reference is a whole value, `$name` or `$name.field`; text that begins with `$` is written `$$…`",
            )
        name, part = match.groups()
        return Ref(self.find(name, part, node.mark), part)

    def find(self, name: str, part: str | None, mark: Mark) -> str:
        """Give the name of the case for a name that is used here, and see that it is bound."""
        outer = self.outer(name)
        table = self.table
        table.looked_up.add(outer)
        if table.is_open:
            return outer
        if outer in table.bound:
            _need_field(name, part, table.bound[outer].fields, mark)
            return outer
        if name in table.addresses:
            _need_field(name, part, ADDRESS_FIELDS, mark)
            if not table.addresses[name].domain:
                raise wrong(mark, f"the address '{name}' needs a domain", "give the scenario an axis `domain`")
            table.use({name})
            table.looked_up.add(name)
            return name
        near = did_you_mean(name, [*self.own_names(), *table.addresses, *self.variables])
        raise wrong(mark, f"no step before this one binds '{name}'", near if near.startswith("did") else "", "L1")

    def socket(self, name: str, mark: Mark) -> str:
        """Give the name of the case for a socket that is used here by its bare name."""
        outer = self.outer(name)
        self.table.looked_up.add(outer)
        if self.table.is_open:
            return outer
        binding = self.table.bound.get(outer)
        if binding is None:
            sockets = [own for own in self.own_names() if self.table.bound[self.outer(own)].is_socket]
            near = did_you_mean(name, sockets)
            raise wrong(mark, f"no step before this one binds '{name}'", near if near.startswith("did") else "", "L1")
        if not binding.is_socket:
            raise wrong(mark, f"'{name}' is no socket: it was bound by '{binding.op}'", code="L1")
        return outer

    def bind(self, name: str, op: str, mark: Mark) -> None:
        """Let a name of the case stand for a result from here on.

        Raises:
            ScenarioError: it stands for something already (L1).
        """
        table = self.table
        if table.is_open:
            return
        first = table.bound.get(name)
        if first is not None:
            raise wrong(mark, f"the name '{name}' is bound twice", f"first at line {first.mark.line}", "L1")
        if name in table.addresses:
            raise wrong(mark, f"the name '{name}' is an address of every case", "choose another", "L1")
        if not self.label and name in self.variables:
            raise wrong(mark, f"the name '{name}' is an axis or a variable", "choose another", "L1")
        table.bound[name] = Binding(op, mark)

    def own_names(self) -> list[str]:
        """Give the names of results as this place knows them, in the order in which they were bound."""
        if not self.label:
            return [name for name in self.table.bound if ":" not in name]
        inner = {outer: name for name, outer in self.exports.items()}
        start = f"{self.label}:"
        return [
            inner.get(name) or name.removeprefix(start)
            for name in self.table.bound
            if name in inner or name.startswith(start)
        ]


def is_reference(text: str) -> bool:
    """Whether a text begins as a reference does."""
    return text.startswith("$") and not text.startswith("$$")


def is_open_reference(node: Node, scope: Scope) -> bool:
    """Whether a file is only checked and the node stands for something that the check cannot know."""
    is_one = isinstance(node, Scalar) and isinstance(node.value, str) and is_reference(node.value)
    scope.table.asked |= is_one
    return scope.table.is_open and is_one


def literal(text: str) -> str:
    """Give the text that was meant: `$$x` stands for `$x`."""
    return text[1:] if text.startswith("$$") else text


def name_of(node: Node, scope: Scope, what: str) -> str:
    """Read a bare name.

    Raises:
        ScenarioError: the node is no name.
    """
    node, _ = scope.follow(node)
    if isinstance(node, Scalar) and isinstance(node.value, str):
        if NAME.fullmatch(node.value):
            return node.value
        if is_open_reference(node, scope) and REFERENCE.fullmatch(node.value):
            return node.value[1:]  # a parameter or an axis; known when the case is built
        if is_reference(node.value):
            raise wrong(node.mark, f"{what} is written without `$`", f"write {node.value[1:]}")
        raise wrong(node.mark, f"{shown(node.value)} is not a name", "letters, digits and `_`, a letter first")
    raise wrong(node.mark, f"expected {what}, not {kind_of(node)}")


def _placed(node: Node, place: Mark) -> Node:
    return Scalar(place, node.value) if isinstance(node, Scalar) else node


def _with_field(node: Node, part: str, place: Mark) -> Scalar:
    if isinstance(node, Scalar) and isinstance(node.value, str) and NAME.fullmatch(node.value.removeprefix("$")):
        return Scalar(place, f"${node.value.removeprefix('$')}.{part}")
    raise wrong(place, f"what this variable stands for has no field '{part}'")


def _need_field(name: str, part: str | None, fields: tuple[str, ...], mark: Mark) -> None:
    if part is not None and part not in fields:
        raise wrong(mark, f"'{name}' has no field '{part}'", did_you_mean(part, fields), "L1")
