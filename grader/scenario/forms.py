"""The mappings of the language that are not operations: their keys, what each holds, what it is for.

Check, editor schema and reference pages are driven by these tables.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from grader.ops import OPERATIONS, Group, Op


class Form(StrEnum):
    """What the value of a key is."""

    FORMAT = "format"
    SUITE = "suite"
    TEXT = "text"
    SLUG = "slug"
    NAME = "name"
    TIME = "time"
    NUMBER = "number"
    LEVEL = "level"
    TEXTS = "texts"
    IDS = "ids"
    CLAIMS = "claims"
    TAGS = "tags"
    FEATURES = "features"
    INVARIANTS = "invariants"
    NAMES = "names"
    STEPS = "steps"
    MATRIX = "matrix"
    ACTORS = "actors"
    ADDRS = "addrs"
    VARS = "vars"
    PROGRAMS = "programs"
    USES = "uses"
    FRAGMENTS = "fragments"
    SCENARIOS = "scenarios"
    DEFAULTS = "defaults"
    TRANSLATION = "translation"
    EXPECTATION = "expectation"
    OUTCOME = "outcome"
    WHEN = "when"
    MISTAKES = "mistakes"


class Key(NamedTuple):
    """One key of a mapping."""

    name: str
    form: Form
    required: bool = False
    doc: str = ""


FORMAT = 1
LEVELS = ("core", "standard", "extended")
ACTOR_KINDS = ("sut", "process", "trusted")

_HEADER = (
    Key("format", Form.FORMAT, True, "the number of the language: 1"),
    Key("suite", Form.SUITE, True, "name of the suite, such as `api/listen-accept`"),
    Key("about", Form.TEXT, doc="what the file is about"),
    Key("spec", Form.TEXTS, doc="sources that hold for every scenario of the file"),
)
_USES = Key("use", Form.USES, doc="fragment files: a list of `{from: file, as: name}`")
_FRAGMENTS = Key("fragments", Form.FRAGMENTS, doc="named pieces of steps, for `do`")

SHAPES: dict[str, tuple[Key, ...]] = {
    "a suite": (
        *_HEADER,
        Key("defaults", Form.DEFAULTS, doc="what scenarios hold that do not say otherwise"),
        Key("needs", Form.FEATURES, doc="features that every scenario needs"),
        _USES,
        _FRAGMENTS,
        Key("scenarios", Form.SCENARIOS, True, "the scenarios"),
    ),
    "a fragment file": (
        _HEADER[0],
        Key("suite", Form.SUITE, doc="not needed in a fragment file"),
        *_HEADER[2:],
        _USES,
        Key("fragments", Form.FRAGMENTS, True, "the fragments"),
    ),
    "defaults": (
        Key("within", Form.TIME, doc="deadline of each call; 2s if nothing is said"),
        Key("level", Form.LEVEL, doc="core, standard or extended"),
        Key("points", Form.NUMBER, doc="points of each scenario; 1 if nothing is said"),
        Key("needs", Form.FEATURES, doc="features that every scenario needs"),
        Key("invariants", Form.INVARIANTS, doc="what must hold after every step"),
    ),
    "a scenario": (
        Key("id", Form.SLUG, True, "unique in the project, never used again"),
        Key("title", Form.TEXT, True, "one sentence in the indicative that says the fact"),
        Key("why", Form.TEXT, doc="why the fact matters, for the student"),
        Key("spec", Form.TEXTS, doc="where the fact is written"),
        Key("claims", Form.CLAIMS, doc="claims of the lecture that it rests on, ids of `claims.yaml`"),
        Key("behaviours", Form.IDS, doc="ids of the catalogue of behaviours"),
        Key("level", Form.LEVEL, doc="core, standard or extended"),
        Key("points", Form.NUMBER, doc="points; 1 if nothing is said"),
        Key("ru", Form.TRANSLATION, doc="title and reason in Russian"),
        Key("tags", Form.TAGS, doc="words to select scenarios by"),
        Key("needs", Form.FEATURES, doc="features without which the case is unsupported"),
        Key("matrix", Form.MATRIX, doc="axes, whose values are multiplied into cases"),
        Key("actors", Form.ACTORS, doc="who makes calls, apart from `main`"),
        Key("addrs", Form.ADDRS, doc="more addresses: `name: kind` or `name: {kind, domain}`"),
        Key("vars", Form.VARS, doc="values with a name"),
        Key("programs", Form.PROGRAMS, doc="the programs that `spawn` may start"),
        Key("invariants", Form.INVARIANTS, doc="what must hold after every step"),
        Key("steps", Form.STEPS, True, "the steps"),
    ),
    "a fragment": (
        Key("params", Form.VARS, doc="parameters with their defaults; null: must be given"),
        Key("gives", Form.NAMES, doc="names that its user gets"),
        Key("steps", Form.STEPS, True, "the steps"),
    ),
    "a use": (
        Key("from", Form.TEXT, True, "the file, relative to this one"),
        Key("as", Form.NAME, True, "the name before the dot in `do`"),
    ),
    "a translation": (
        Key("title", Form.TEXT, doc="the title"),
        Key("why", Form.TEXT, doc="the reason"),
    ),
    "a program": (Key("about", Form.TEXT, doc="what the program does; the assignment says how it is started"),),
}


class Modifier(NamedTuple):
    """A key beside the operation of a step; `ops` are the operations that it may stand beside."""

    name: str
    form: Form
    ops: frozenset[str]
    doc: str


def _where(*groups: Group, also: tuple[str, ...] = (), blocking: bool = False) -> frozenset[str]:
    def fits(op: Op) -> bool:
        return op.name in also or (op.group in groups and (op.may_block or not blocking))

    return frozenset(op.name for op in OPERATIONS.values() if fits(op))


_TESTEE = (Group.SOCKET, Group.COMPOSITE)
_CALLS = (*_TESTEE, Group.PATH, Group.PROGRAM)
_MAY_WAIT = _where(*_TESTEE, blocking=True)
_ALL = frozenset(OPERATIONS)

MODIFIERS: dict[str, Modifier] = {
    modifier.name: modifier
    for modifier in (
        Modifier("by", Form.NAME, _where(*_TESTEE, also=("collect",)), "the actor that makes the call; default `main`"),
        Modifier(
            "expect", Form.EXPECTATION, _where(*_CALLS, also=("finish", "collect", "race")), "what the call must give"
        ),
        Modifier("blocks_until", Form.STEPS, _MAY_WAIT, "the call waits until the last of these steps is issued"),
        Modifier("overlaps", Form.STEPS, _MAY_WAIT, "these steps run while the call is pending or has returned"),
        Modifier("start", Form.NAME, _MAY_WAIT, "starts the call and goes on; `finish` takes its outcome"),
        Modifier("hold", Form.TIME, _MAY_WAIT | {"still_blocked"}, "the call must stay pending at least this long"),
        Modifier(
            "within",
            Form.TIME,
            _where(*_CALLS, also=("finish", "collect", "race")),
            "deadline for the call to return, times the time scale; default 2s, for `finish` that of the `start`",
        ),
        Modifier("eventually", Form.TIME, _where(*_CALLS), "repeats the call until it matches, at most this long"),
        Modifier("give_up_on", Form.OUTCOME, _where(*_CALLS), "an outcome that ends `eventually` at once"),
        Modifier("when", Form.WHEN, _ALL, "the step is there only in cases where all of this holds"),
        Modifier("mistakes", Form.MISTAKES, _where(*_CALLS, also=("finish",)), "known wrong outcomes with a hint each"),
        Modifier("note", Form.TEXT, _ALL, "a remark; `single-segment ok` allows exact data on a stream receive"),
    )
}
ASSERTIONS = tuple(op.name for op in OPERATIONS.values() if op.group is Group.ASSERTION)
STEP_KEYS = (*(name for name in OPERATIONS if name not in ASSERTIONS), "check")
BESIDE = {"do": ("with", "names")}  # arguments that stand beside the operation
BARE = {"finish": "call", "still_blocked": "call", "do": "fragment"}  # the value itself is this argument
EXCLUSIVE = ("blocks_until", "overlaps", "start", "eventually")  # at most one of these in a step
INNER_KEYS = ("by", "within", "note")  # modifiers of the calls of a `collect` or `race`
