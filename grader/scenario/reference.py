"""The reference page of the language, made from the same tables that check a file.

`python -m grader.scenario.reference docs/language.md` writes it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from grader.ops import (
    ADDRESS_KINDS,
    FEATURES,
    INVARIANTS,
    OPERATIONS,
    OPTIONS,
    PATH_TYPES,
    PLACEHOLDERS,
    Arg,
    Group,
    Op,
)
from grader.scenario.build import DEFAULTS
from grader.scenario.expects import WORD_DOCS
from grader.scenario.forms import BARE, BESIDE, FORMAT, MODIFIERS, SHAPES, Key
from grader.scenario.lint import LINTS
from grader.scenario.read import DEEPEST, MOST_BYTES
from grader.scenario.words import SYSTEMS

_TITLE = f"""# The scenario language, format {FORMAT}

This page is made from the tables that the loader itself uses (`grader/ops.py`, `grader/scenario/forms.py`);
a test sees that it is current. How to write a good scenario is told in `docs/writing-scenarios.md`.
"""
_FILES = f"""## Files

One YAML document in UTF-8, at most {MOST_BYTES >> 20} MiB and {DEEPEST} levels deep. Its YAML is narrowed: `true` and
`false` are the booleans, integers are decimal or `0x…`, floats have digits on both sides, `null` and `~` are nothing,
**everything else is text**. There are no anchors, aliases, merge keys or tags, and a key is given once. What other
readers take for a date, a number in base 60 or an octal number is refused; quotes make it text. Every complaint gives
`file:line:column`, and a bad file never hides the others.

Folders are searched for `*.yaml`; `fragments/`, `deviations/` and `claims.yaml` are not scenarios. If a `claims.yaml`
stands above a file, the claims that its scenarios cite must be in it. Ids in `retired.txt` beside it, one
`suite/id` a line, may not be used again.
"""
_NAMES = """## Names and values

| written | means |
|---|---|
| `as: c` | binds the result of the step to the name `c`, once in a scenario |
| `sock: c` | where an argument takes a socket, the bare name |
| `$c` | everywhere else: the main field of the result |
| `$c.peer` | another field of the result; addresses also have `addr`, `ip`, `port`, `path` |
| `$domain` | an axis, a variable of `vars`, a parameter of a fragment or the name of a loop |
| `$winner` | what the first call of a `race` that returned has bound |
| `$$x` | the text `$x`; a reference is always a whole value, nothing is replaced inside text |
| `300ms`, `2s` | a time |

Data is ASCII text or one of:

| written | means |
|---|---|
| `{hex: "00ff"}` | bytes by their hex digits |
| `{repeat: x, count: 1000}` | data, many times |
| `{random: 1000, seed: 1}` | so many bytes of SHAKE-128 of the seed, written in decimal: the same in every run |
| `{file: picture.bin}` | the bytes of a file, named relative to this one |
| `{concat: [$part, "!"]}` | pieces, one after the other |

An address is `$name`, `{ip: 127.0.0.2, port: $srv.port}`, `{path: ""}` or `{abstract: name}`. In `check`, a bare
name is a socket; in `bytes_prefix`, text is data. The words of `domain`, `type` and `how` may be replaced by
numbers, which are passed as they are (the case then needs `raw-calls`).
"""
_EXPECTATIONS = """## Expectations

No `expect` means success. Otherwise it is a word, an outcome, or a choice:

| written | means |
|---|---|
{words}
| `{{data: abc, eof: false}}` | success, and these fields match; others are not looked at |
| `{{ok: true}}` | success, nothing more (inside `one_of`) |
| `{{errno: ECONNREFUSED}}` | failure with this errno; a list allows several, `any` all |
| `{{errno: EPIPE, signal: none}}` | the same, and no signal was raised; `signal: SIGPIPE` wants that signal |
| `{{signal: SIGPIPE}}` | the call raised this signal |
| `{{pending: true}}` | still blocked (inside `one_of`) |
| `{{one_of: [outcome, …]}}` | tried in order; each may have `when`, `because` and `verdict: tolerated` |
| `{{not: outcome}}` | anything but that |
| `{{in_any_order: [outcome, …]}}` | of `collect`: one outcome for each call, in any order |
| `{{returned: 1, pending: 1}}` | of `race`: how many calls returned, how many still wait |

Matchers of fields:

| for | written | means |
|---|---|---|
| all | a value, `any`, `{{one_of: [value, …]}}`, `{{not: matcher}}` | equal, whatever, one of these, anything else |
| numbers | `{{at_least: n}}`, `{{at_most: n}}`, `{{between: [a, b]}}` | bounds, both included |
| bytes | `{{starts: data}}`, `{{ends: data}}`, `{{prefix_of: data}}` | its beginning, its end, a beginning of that |
| bytes | `{{length: n}}`, `{{sha256: hex}}` | how long, which digest |
| text | `{{starts: text}}`, `{{ends: text}}` | its beginning, its end |
| text | `{{has: [text, …]}}`, `{{lacks: [text, …]}}` | what is in it and what not |
| sets | `[word, …]`, `{{has: [word, …]}}`, `{{lacks: [word, …]}}` | exactly, at least, none of these |
| addresses | `$name`, `{{ip: …, port: …}}`, `{{path: …}}` | that address, or one with such parts |
| addresses | `unnamed` | the wildcard with port 0; in AF_UNIX no name |

To expect the data `any`, write `{{concat: [any]}}`.
"""
_CASES = """## Cases

Axes of a `matrix` multiply in the order written; values keep their order. The id of a case is `suite/id[v1-v2]`, or
`suite/id` without a matrix. Values are made of `a-z 0-9 . _ +`. `domain` and `type` are what `socket` and `socketpair`
use if nothing else is said, and placeholders take the domain. An item of `exclude` takes away every case that fits
it; its values may be lists. An item of `include` adds cases: an axis that it does not name takes all its values.

`when: {{name: value}}` keeps a step, or an alternative of `one_of`, only in cases where all of it holds; a list of
values means one of them. The name is an axis, a variable, a parameter, or `os` ({systems}).

What a case needs is what it says in `needs`, and without saying: the domain and type of its sockets and addresses,
`threads` for calls that are under way while others are made and for actors of kind `sut` apart from `main`,
`processes` for actors of that kind, `programs` for program steps and trusted actors, `unix-autobind` for an ephemeral
AF_UNIX address, `abstract` for an abstract one, `loopback-net` for 127.x.y.z other than 127.0.0.1, `raw-calls` for
numbers in place of words, and `address:KIND-DOMAIN`, which nothing offers, for an address of a kind that its domain
does not have.
"""
_ACTORS = """## Actors

| kind | who makes the call |
|---|---|
| `sut` | a thread of the testee; all share one descriptor table |
| `process` | a process of the testee, forked at its first step with every socket open at that moment |
| `trusted` | our own code on sockets of the kernel; only where the testee is there too |

A step without `by` runs on `main`. A call with `blocks_until`, `overlaps`, `start` or `expect: blocks` and without
`by`, and each call of a `race`, runs on an actor of its own.
"""
_FRAGMENT_TEXT = """## Fragments

`use: [{from: ../fragments/pairs.yaml, as: pairs}]` brings in a fragment file, and `do: pairs.connected` puts the steps
of a fragment here; `do: name` those of the same file. `with` gives parameters; one whose default is null must be
given. Names inside are private, apart from those of `gives`, which `names: {inner: outer}` renames. Axes, variables
and addresses of the case are known inside. A failing step shows both places.
"""


def page() -> str:
    """Give the reference page."""
    words = "\n".join(f"| `{word}` | {doc} |" for word, doc in WORD_DOCS.items())
    parts = (
        _TITLE,
        _FILES,
        *(_shape(name, keys) for name, keys in SHAPES.items()),
        _NAMES,
        _addresses(),
        "## Operations\n",
        *(_group(group) for group in Group),
        _options(),
        _modifiers(),
        _EXPECTATIONS.format(words=words),
        _ACTORS,
        _CASES.format(systems=", ".join(SYSTEMS)),
        _FRAGMENT_TEXT,
        _table("Features", "`needs` of a scenario.", ("feature", "what it is"), FEATURES.items()),
        _table("Invariants", "`invariants` of a scenario.", ("invariant", "what holds"), INVARIANTS.items()),
        _lints(),
    )
    return "\n".join(parts)


def _shape(name: str, keys: tuple[Key, ...]) -> str:
    title = name.removeprefix("a ").capitalize()
    rows = ((f"`{key.name}`", "yes" if key.required else "", key.doc) for key in keys)
    return f"## {title}\n\n" + _rows(("key", "required", "what it is"), rows)


def _addresses() -> str:
    kinds = (
        (kind, ", ".join(f"`${name}`" for name, of in PLACEHOLDERS.items() if of == kind), ", ".join(domains), doc)
        for kind, (domains, doc) in ADDRESS_KINDS.items()
    )
    text = "Made fresh for each case. More of a kind: `addrs: {name: kind}` or `addrs: {name: {kind, domain}}`.\n\n"
    return "## Addresses\n\n" + text + _rows(("kind", "there already", "domains", "what it is"), kinds)


def _group(group: Group) -> str:
    ops = [op for op in OPERATIONS.values() if op.group is group]
    return f"### {group.value.capitalize()}\n\n" + "\n".join(_operation(op) for op in ops)


def _operation(op: Op) -> str:
    lines = [f"#### `{op.name}`", "", op.doc, ""]
    lines += [f"Written `{_form(op)}`.", ""]
    rows = [(f"`{arg.name}`", "" if arg.required else "optional", _argument(op, arg)) for arg in op.args]
    if op.variables:
        rows.append(("any other key", "", op.variables))
    if rows:
        lines += [_rows(("argument", "", "what it is"), rows)]
    if op.fields:
        fields = ((f"`{field.name}`", field.kind.value, field.doc) for field in op.fields)
        lines += [_rows(("gives", "kind", "what it is"), fields)]
    lines += [" ".join(_traits(op)), ""]
    return "\n".join(lines)


def _form(op: Op) -> str:
    if op.group is Group.ASSERTION:
        return f"check: {{{op.name}: [...]}}"
    if op.name in BARE:
        return f"{op.name}: {BARE[op.name]}" + "".join(f", {name}: {{...}}" for name in BESIDE.get(op.name, ()))
    chosen = ("name",) if op.variables else ()
    required = ", ".join(f"{name}: …" for name in (*chosen, *(arg.name for arg in op.args if arg.required)))
    return f"{op.name}: {{{required}}}"


def _argument(op: Op, arg: Arg) -> str:
    text = arg.doc
    if arg.words and len(arg.words) < 10:
        text += ": " + ", ".join(f"`{word}`" for word in arg.words)
    default = DEFAULTS.get((op.name, arg.name))
    return f"{text} (default {default})" if default is not None and "default" not in text else text


def _traits(op: Op) -> Iterator[str]:
    if op.may_block:
        yield "May wait."
    if op.repeatable:
        yield "May be repeated with `eventually`."
    if op.primitive:
        yield f"Made of `{op.primitive}`."
    if op.name == "path_type":
        yield f"Types: {', '.join(PATH_TYPES)}."
    if op.source:
        yield f"Source: {op.source}."


def _options() -> str:
    rows = ((f"`{name}`", kind.value) for name, kind in OPTIONS.items())
    return "### Socket options\n\n" + _rows(("option", "holds"), rows)


def _modifiers() -> str:
    rows = ((f"`{modifier.name}`", _ops(modifier.ops), modifier.doc) for modifier in MODIFIERS.values())
    return "## Keys beside the operation\n\n" + _rows(("key", "beside", "what it says"), rows)


def _ops(ops: frozenset[str]) -> str:
    missing = [name for name in OPERATIONS if name not in ops]
    if not missing:
        return "all"
    if len(ops) <= len(missing):
        return ", ".join(name for name in OPERATIONS if name in ops)
    return "all but " + ", ".join(missing)


def _lints() -> str:
    rows = ((code, lint.refuses) for code, lint in LINTS.items())
    return "## Lints\n\nWhat is well formed and still refused.\n\n" + _rows(("lint", "refuses"), rows)


def _table(title: str, text: str, heads: tuple[str, ...], items: Iterable[tuple[str, str]]) -> str:
    return f"## {title}\n\n{text}\n\n" + _rows(heads, ((f"`{name}`", doc) for name, doc in items))


def _rows(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    cells = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
