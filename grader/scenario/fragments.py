"""Fragments: files that are used, and the scope in which the steps of a fragment stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grader.model.errors import ScenarioError
from grader.model.marks import Mark
from grader.scenario.atoms import text
from grader.scenario.check import check
from grader.scenario.complaints import Notes, did_you_mean, shown, wrong
from grader.scenario.data import nearby
from grader.scenario.read import Mapping, Node, Scalar, Sequence, read
from grader.scenario.scopes import WINNER, Allowance, Fragment, Scope, Source, Table
from grader.scenario.steps import StepForm

DEEPEST = 16  # fragments that use fragments


@dataclass(slots=True)
class Shelf:
    """The fragment files of one load, each read once; `opening` are those being read just now."""

    root: Path
    files: dict[Path, Source | ScenarioError] = field(default_factory=dict)
    opening: list[Path] = field(default_factory=list)

    def take(self, path: Path, name: str) -> Source:
        """Give a fragment file, checked.

        Raises:
            ScenarioError: it has complaints of its own.
        """
        found = self.files.get(path)
        if found is None:
            self.opening.append(path)
            try:
                found = self._open(path, name)
            except ScenarioError as error:
                found = error
            finally:
                self.opening.pop()
            self.files[path] = found
        if isinstance(found, ScenarioError):
            raise found
        return found

    def _open(self, path: Path, name: str) -> Source:
        content = path.read_bytes()
        root = read(content, name)
        source = Source(path, name, self.root, content)
        gather(root, source, self)
        check(root, "a fragment file", source, Allowance())
        notes = Notes()
        check_fragments(source, notes)
        notes.finish()
        return source


def gather(root: Node, source: Source, shelf: Shelf) -> None:
    """Put the fragments that a file uses and has into its `source`.

    What has not the right form is left out; the check of the file complains about it.

    Raises:
        ScenarioError: a file that it uses cannot be used.
    """
    notes = Notes()
    if not isinstance(root, Mapping):
        return
    uses = root.items.get("use")
    for node in uses.items if isinstance(uses, Sequence) else ():
        with notes.catching():
            _use(node, source, shelf)
    own = root.items.get("fragments")
    if isinstance(own, Mapping):
        found = (_fragment(name, node, own.marks[name], source) for name, node in own.items.items())
        source.fragments.update({fragment.name: fragment for fragment in found if fragment is not None})
    notes.finish()


def check_fragments(source: Source, notes: Notes) -> None:
    """See that the fragments of a checked file use their parameters (L15) and bind what they give."""
    for fragment in source.fragments.values():
        if fragment.source is not source:
            continue
        used = {name for node in (*fragment.params.values(), *fragment.steps) for name in _names_in(node)}
        for param, mark in fragment.marks.items():
            if param in fragment.params and param not in used:
                text = f"the fragment '{fragment.name}' never uses its parameter '{param}'"
                notes.say(mark, text, code="L15")
        bound = {name for node in fragment.steps for name in _bound_by(node, source)}
        for name in fragment.gives:
            if name not in bound and "$" not in bound:
                text = f"no step of the fragment '{fragment.name}' binds '{name}', which it gives"
                notes.say(fragment.marks.get("gives", fragment.mark), text, did_you_mean(name, sorted(bound)))


def _names_in(node: Node) -> Iterator[str]:
    """Give every name that is referred to below a node: `$name`, and the names of a `when`."""
    if isinstance(node, Scalar):
        if isinstance(node.value, str) and node.value.startswith("$"):
            yield node.value[1:].partition(".")[0]
        return
    for child in node.items if isinstance(node, Sequence) else node.items.values():
        yield from _names_in(child)
    if isinstance(node, Mapping) and isinstance(when := node.items.get("when"), Mapping):
        yield from when.items


def _bound_by(node: Node, source: Source) -> Iterator[str]:
    """Give the names that a step and those inside it bind; `$` for one that only a case knows."""
    form = source.forms[id(node)]
    if form.op.name == "do":
        yield from _given_by(form, source)
    bound = form.args.get("as")
    for name in bound.items if isinstance(bound, Sequence) else (bound,):
        if isinstance(name, Scalar):
            yield "$" if str(name.value).startswith("$") else str(name.value)
    if form.op.name == "race":
        yield WINNER
    for _, child in form.children():
        yield from _bound_by(child, source)


def _given_by(form: StepForm, source: Source) -> Iterator[str]:
    names = form.args.get("names")
    renamed = names.items if isinstance(names, Mapping) else {}
    for inner in source.fragments[text(form.args["fragment"])].gives:
        outer = renamed.get(inner)
        yield str(outer.value) if isinstance(outer, Scalar) else inner


def enter(form: StepForm, scope: Scope) -> tuple[Fragment, Scope]:
    """Give the fragment that a `do` names and the scope of its steps.

    Raises:
        ScenarioError: fragments go too deep, which means that one uses itself.
    """
    fragment = scope.source.fragments[text(form.args["fragment"])]
    if len(scope.called_from) >= DEEPEST:
        raise wrong(form.mark, f"fragments are nested more than {DEEPEST} deep", "does one use itself?")
    given = form.args.get("with")
    values = given.items if isinstance(given, Mapping) else {}
    variables = dict(scope.table.variables)
    variables |= {name: (node, None) for name, node in fragment.params.items()}
    variables |= {name: (node, scope) for name, node in values.items()}
    names = form.args.get("names")
    renamed = names.items if isinstance(names, Mapping) else {}
    exports = {inner: scope.outer(_plain(renamed.get(inner), inner, scope)) for inner in fragment.gives}
    label = _label(fragment.name, scope.table)
    places = (form.mark, *scope.called_from)
    return fragment, Scope(fragment.source, scope.table, variables, label, exports, places)


def _plain(node: Node | None, default: str, scope: Scope) -> str:
    if node is None:
        return default
    found, _ = scope.follow(node)
    return text(found, "a name")


def _label(name: str, table: Table) -> str:
    """Give what stands before the private names of one use: `connected`, then `connected2`."""
    short = name.rsplit(".", 1)[-1]
    count = table.labels[short] = table.labels.get(short, 0) + 1
    return short if count == 1 else f"{short}{count}"


def _use(node: Node, source: Source, shelf: Shelf) -> None:
    place = node.items.get("from") if isinstance(node, Mapping) else None
    alias = node.items.get("as") if isinstance(node, Mapping) else None
    if not (isinstance(place, Scalar) and isinstance(alias, Scalar)) or not isinstance(place.value, str):
        return
    source.unusable.add(str(alias.value))
    path = nearby(place.value, source, place.mark)
    if path in shelf.opening:
        raise wrong(place.mark, f"file {shown(place.value)} uses itself")
    used = _taken(path, place.value, place.mark, source, shelf)
    source.unusable.discard(str(alias.value))
    source.used = (*source.used, used)
    for name, fragment in used.fragments.items():
        if "." not in name:
            source.fragments[f"{alias.value}.{name}"] = fragment


def _taken(path: Path, written: str, mark: Mark, source: Source, shelf: Shelf) -> Source:
    name = str(Path(source.shown).parent / written)
    try:
        return shelf.take(path, _shortest(name))
    except ScenarioError as error:
        first = error.complaints[0]
        reason = f"file {shown(written)} cannot be used: it has complaints"
        raise wrong(mark, reason, f"the first at {first.mark}") from None
    except OSError as error:
        raise wrong(mark, f"file {shown(written)} cannot be read: {error.strerror}") from None


def _shortest(name: str) -> str:
    """Take `folder/..` out of the name of a file, as a person would write it."""
    parts: list[str] = []
    for part in Path(name).parts:
        if part == ".." and parts and parts[-1] not in ("..", "/"):
            parts.pop()
        else:
            parts.append(part)
    return str(Path(*parts))


def _fragment(name: str, node: Node, mark: Mark, source: Source) -> Fragment | None:
    if not isinstance(node, Mapping):
        return None
    params, gives, steps = (node.items.get(key) for key in ("params", "gives", "steps"))
    given = gives.items if isinstance(gives, Sequence) else ()
    names = tuple(item.value for item in given if isinstance(item, Scalar) and isinstance(item.value, str))
    inside = steps.items if isinstance(steps, Sequence) else ()
    given_params = params if isinstance(params, Mapping) else Mapping(mark, {}, {})
    marks = {**given_params.marks, **({"gives": gives.mark} if gives is not None else {})}
    return Fragment(name, mark, given_params.items, names, inside, source, marks)
