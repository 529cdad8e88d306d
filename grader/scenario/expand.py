"""Checked scenarios to cases: the matrix multiplied out, each case with its own steps, needs and addresses."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator
from collections.abc import Mapping as AnyMapping
from functools import lru_cache
from typing import NamedTuple

from grader.model.assignments import Assignment
from grader.model.marks import Mark
from grader.model.scenarios import ActorKind, AddressSpec, Case, Level, Scenario, Step, Translation
from grader.model.values import Value
from grader.ops import ADDRESS_KINDS, PLACEHOLDERS
from grader.scenario.atoms import seconds, text
from grader.scenario.build import WITHIN_S, Builder, Known
from grader.scenario.check import axis_text
from grader.scenario.complaints import Notes, TooMuchError, wrong
from grader.scenario.compounds import COMPOUNDS
from grader.scenario.read import Atom, Mapping, Node, Scalar, Sequence
from grader.scenario.scopes import Allowance, Scope, Source, Table
from grader.scenario.steps import StepForm
from grader.scenario.values import anything

MOST_CASES = 256  # of one scenario
_NEEDS_OF_ACTORS = {ActorKind.SUT: "threads", ActorKind.PROCESS: "processes", ActorKind.TRUSTED: "programs"}

Combination = dict[str, Scalar]  # an axis and its value in one case


class Built(NamedTuple):
    """A case with what the lints ask about it.

    `fresh` are the steps that no earlier case of the scenario has, `forms` the form of each step by its path, `read`
    the axes that were read.
    """

    case: Case
    fresh: tuple[Step, ...]
    forms: AnyMapping[str, StepForm]
    read: frozenset[str]
    node: Mapping


class _File(NamedTuple):
    """A file whose cases are built."""

    root: Mapping
    source: Source
    allowance: Allowance
    digest: str
    notes: Notes
    assignment: Assignment | None


class _Page(NamedTuple):
    """A scenario with the file around it: what all its cases have in common; `known` goes from case to case."""

    file: _File
    node: Mapping
    scenario: Scenario
    actors: AnyMapping[str, ActorKind]
    needs: frozenset[str]
    invariants: tuple[str, ...]
    within_s: float
    axes: AnyMapping[str, tuple[Atom, ...]]
    known: dict[Hashable, Known]


def expand(
    root: Mapping, source: Source, allowance: Allowance, digest: str, assignment: Assignment | None = None
) -> tuple[Built, ...]:
    """Build every case of a checked file, in the order of the file and of the axes.

    Raises:
        ScenarioError: names or values do not fit in some case; carries every complaint.
    """
    file = _File(root, source, allowance, digest, Notes(), assignment)
    scenarios = root.items["scenarios"]
    built: list[Built] = []
    for node in scenarios.items if isinstance(scenarios, Sequence) else ():
        if isinstance(node, Mapping):
            with file.notes.catching():
                built += _cases(file, node)
    file.notes.finish()
    return tuple(built)


def _cases(file: _File, node: Mapping) -> Iterator[Built]:
    matrix = node.items.get("matrix")
    assignments = assignments_of(matrix) if isinstance(matrix, Mapping) else [{}]
    defaults = _mapped(file.root, "defaults")
    page = _Page(
        file,
        node,
        _scenario(file.root, node),
        _actors(node),
        frozenset(word for place in (file.root.items, defaults, node.items) for word in _words(place, "needs")),
        _words(defaults, "invariants") + _words(node.items, "invariants"),
        seconds(defaults["within"]) if "within" in defaults else WITHIN_S,
        _values_of_axes(assignments),
        {},
    )
    seen: set[int] = set()  # ids of steps, all alive in their cases
    for assignment in assignments:
        case, forms, read = _case(page, assignment)
        fresh = tuple(step for step in case.every_step if id(step) not in seen)
        seen.update(map(id, fresh))
        yield Built(case, fresh, forms, read, node)


def assignments_of(matrix: Mapping) -> list[Combination]:
    """Multiply the axes out in the order written; take out `exclude`, then add `include`.

    Raises:
        ScenarioError: too many cases, or none.
    """
    axes = {name: _scalars(node) for name, node in matrix.items.items() if name not in ("exclude", "include")}
    _count(axes, matrix.mark)
    excluded = [_choices(part) for part in _parts(matrix, "exclude")]
    product = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    kept = [assignment for assignment in product if not any(_fits(assignment, part) for part in excluded)]
    for part in _parts(matrix, "include"):
        more = {name: _choices(part).get(name, values) for name, values in axes.items()}
        _count(more, part.mark)
        kept += [dict(zip(axes, values, strict=True)) for values in itertools.product(*more.values())]
    unique: dict[tuple[str, ...], Combination] = {}
    for assignment in kept:
        unique.setdefault(tuple(map(axis_text, assignment.values())), assignment)
    if not unique:
        raise wrong(matrix.mark, "'exclude' leaves no case")
    return list(unique.values())


def _count(axes: AnyMapping[str, tuple[Scalar, ...]], mark: Mark) -> None:
    count = 1
    for values in axes.values():
        count *= len(values)
        if count > MOST_CASES:
            raise TooMuchError(wrong(mark, f"a scenario has at most {MOST_CASES} cases").complaints)


def _scalars(node: Node) -> tuple[Scalar, ...]:
    given = node.items if isinstance(node, Sequence) else (node,)
    return tuple(item for item in given if isinstance(item, Scalar))


def _parts(matrix: Mapping, key: str) -> tuple[Mapping, ...]:
    node = matrix.items.get(key)
    return tuple(part for part in node.items if isinstance(part, Mapping)) if isinstance(node, Sequence) else ()


def _choices(part: Mapping) -> dict[str, tuple[Scalar, ...]]:
    return {name: _scalars(node) for name, node in part.items.items()}


def _fits(assignment: Combination, part: AnyMapping[str, tuple[Scalar, ...]]) -> bool:
    return all(assignment[name].value in [choice.value for choice in choices] for name, choices in part.items())


def _values_of_axes(assignments: list[Combination]) -> dict[str, tuple[Atom, ...]]:
    axes = assignments[0]
    return {name: tuple(dict.fromkeys(assignment[name].value for assignment in assignments)) for name in axes}


def _case(page: _Page, assignment: Combination) -> tuple[Case, AnyMapping[str, StepForm], frozenset[str]]:
    """Build one case; give it with the forms of its steps and the axes that they read."""
    file, scenario = page.file, page.scenario
    table = Table(file.allowance, axes=page.axes, case="-".join(axis_text(value) for value in assignment.values()))
    table.assignment = file.assignment
    scope = Scope(file.source, table, table.variables)
    table.variables |= {name: (value, scope) for name, value in _mapped(page.node, "vars").items()}
    table.variables |= {name: (value, scope) for name, value in assignment.items()}
    table.addresses = _addresses(page.node, _domain(scope))
    builder = Builder(file.notes, ("main", *page.actors), page.within_s, compounds=COMPOUNDS, known=page.known)
    nodes = page.node.items["steps"]
    steps = builder.steps(nodes.items if isinstance(nodes, Sequence) else (), scope)
    read = frozenset(table.variables_read)
    kinds = {name: page.actors.get(name, ActorKind.SUT) for name in sorted({*page.actors, *builder.acting})}
    variables = {name: anything(value, inside or scope) for name, (value, inside) in table.variables.items()}
    addresses = {name: spec for name, spec in table.addresses.items() if name in table.addresses_used}
    case = Case(
        f"{scenario.suite}/{scenario.id}" + (f"[{table.case}]" if assignment else ""),
        scenario,
        steps,
        variables,
        tuple(sorted(page.needs | table.needs | _implied(variables, kinds, addresses))),
        kinds,
        addresses,
        page.invariants,
        file.digest,
    )
    return case, builder.forms, read


def _implied(
    variables: AnyMapping[str, Value], kinds: AnyMapping[str, ActorKind], addresses: AnyMapping[str, AddressSpec]
) -> set[str]:
    """Give what a case needs for its axes, its actors and its addresses."""
    needs = {str(variables[name]) for name in ("domain", "type") if name in variables}
    needs |= {_NEEDS_OF_ACTORS[kind] for name, kind in kinds.items() if name != "main"}
    return needs.union(*map(_needs_of_address, addresses.values()))


def _needs_of_address(spec: AddressSpec) -> set[str]:
    domains, _ = ADDRESS_KINDS[spec.kind]
    if spec.domain not in domains:
        return {f"address:{spec.kind}-{spec.domain}"}
    extra = {("ephemeral", "unix"): "unix-autobind", ("abstract", "unix"): "abstract"}.get((spec.kind, spec.domain))
    return {spec.domain, extra} if extra else {spec.domain}


def _domain(scope: Scope) -> str:
    if "domain" not in scope.variables:
        return ""
    node, _ = scope.follow(Scalar(Mark("", 0, 0), "$domain"))
    scope.table.variables_read.clear()  # it is we who asked, no step
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""


@lru_cache
def _placeholders(domain: str) -> AnyMapping[str, AddressSpec]:
    return {name: AddressSpec(kind, domain) for name, kind in PLACEHOLDERS.items()}


def _addresses(node: Mapping, domain: str) -> dict[str, AddressSpec]:
    found = dict(_placeholders(domain))
    for name, value in _mapped(node, "addrs").items():
        if isinstance(value, Mapping):
            parts = {key: text(part) for key, part in value.items.items()}
            found[name] = AddressSpec(parts["kind"], parts.get("domain", domain))
        else:
            found[name] = AddressSpec(text(value), domain)
    return found


def _actors(node: Mapping) -> dict[str, ActorKind]:
    kinds = {
        name: value.items.get("kind") for name, value in _mapped(node, "actors").items() if isinstance(value, Mapping)
    }
    return {name: ActorKind(text(kind)) if kind else ActorKind.SUT for name, kind in kinds.items()}


def _scenario(root: Mapping, node: Mapping) -> Scenario:
    defaults = _mapped(root, "defaults")
    level = node.items.get("level", defaults.get("level"))
    points = node.items.get("points", defaults.get("points"))
    ru = _mapped(node, "ru")
    return Scenario(
        text(node.items["id"]),
        text(root.items["suite"]),
        text(node.items["title"]),
        node.mark,
        why=_text(node.items, "why"),
        spec=_words(node.items, "spec") or _words(root.items, "spec"),
        claims=_words(node.items, "claims"),
        behaviours=_words(node.items, "behaviours"),
        level=Level(text(level)) if level else Level.CORE,
        points=float(points.value) if isinstance(points, Scalar) and isinstance(points.value, (int, float)) else 1.0,
        tags=_words(node.items, "tags"),
        ru=Translation(_text(ru, "title"), _text(ru, "why")),
    )


def _mapped(node: Mapping, key: str) -> AnyMapping[str, Node]:
    found = node.items.get(key)
    return found.items if isinstance(found, Mapping) else {}


def _text(place: AnyMapping[str, Node], key: str) -> str:
    return text(place[key]) if key in place else ""


def _words(place: AnyMapping[str, Node], key: str) -> tuple[str, ...]:
    found = place.get(key)
    return tuple(text(item) for item in found.items) if isinstance(found, Sequence) else ()
