"""The JSON Schema (draft-07) for editors, made from the same tables that check a file.

It helps while typing and is weaker than the check: it knows nothing of names, cases and files.
`python -m grader.scenario.schema` writes it beside this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from grader.ops import (
    ADDRESS_KINDS,
    DOMAINS,
    EVENTS,
    FEATURES,
    INVARIANTS,
    OPERATIONS,
    SEGMENTATIONS,
    TYPES,
    Arg,
    Kind,
    Op,
)
from grader.scenario.expects import WORDS
from grader.scenario.forms import (
    ACTOR_KINDS,
    ASSERTIONS,
    BARE,
    BESIDE,
    FORMAT,
    LEVELS,
    MODIFIERS,
    SHAPES,
    STEP_KEYS,
    Form,
    Key,
)
from grader.scenario.words import AXIS_VALUE, DOTTED, NAME, SLUG, SUITE, TIME

PATH = Path(__file__).with_name("scenario-1.schema.json")
Schema: TypeAlias = Mapping[str, object]

_REFERENCE: Schema = {"type": "string", "pattern": r"^\$[^$]"}
_TEXT: Schema = {"type": "string"}


def schema() -> Schema:
    """Give the schema of scenario files and fragment files."""
    keys = {key.name: key for shape in ("a fragment file", "a suite") for key in SHAPES[shape]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"sockgrade scenarios, format {FORMAT}",
        **_object(keys.values()),
        "required": ["format"],
        "anyOf": [
            {"required": ["suite", "scenarios"]},
            {"required": ["fragments"], "not": {"required": ["scenarios"]}},
        ],
        "definitions": {**_SHARED, "step": _step(), **{f"op-{op.name}": _arguments(op) for op in OPERATIONS.values()}},
    }


def text() -> str:
    """Give the schema as the text of its file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _object(keys: Iterable[Key]) -> Schema:
    properties: Schema = {key.name: {**_FORMS[key.form], "description": key.doc} for key in keys}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _shape(name: str) -> Schema:
    required = [key.name for key in SHAPES[name] if key.required]
    return {**_object(SHAPES[name]), **({"required": required} if required else {})}


def _list(item: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": item, **({"minItems": least} if least else {})}


def _named(item: Schema) -> Schema:
    return {"type": "object", "propertyNames": _whole(NAME.pattern), "additionalProperties": item}


def _whole(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^({pattern})$"}


def _words(words: Iterable[str]) -> Schema:
    return {"type": "string", "enum": list(words)}


def _ref(name: str) -> Schema:
    return {"allOf": [{"$ref": f"#/definitions/{name}"}]}  # `allOf`, so that a description may stand beside it


def _or_reference(*choices: Schema) -> Schema:
    return {"anyOf": [*choices, _REFERENCE]}


def _step() -> Schema:
    properties: dict[str, object] = {}
    for name in STEP_KEYS:
        properties[name] = _operation(name)
    for op, names in BESIDE.items():
        for name in names:
            arg = OPERATIONS[op].arg(name)
            properties[name] = {"type": "object", "description": arg.doc if arg else ""}
    dependencies: dict[str, object] = {}
    for modifier in MODIFIERS.values():
        properties[modifier.name] = {**_FORMS[modifier.form], "description": modifier.doc}
        if modifier.ops < set(OPERATIONS):
            allowed = [name for name in STEP_KEYS if name in modifier.ops]
            dependencies[modifier.name] = {"anyOf": [{"required": [name]} for name in allowed]}
    for op, names in BESIDE.items():
        dependencies.update({name: {"required": [op]} for name in names})
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "dependencies": dependencies,
        "oneOf": [{"required": [name]} for name in STEP_KEYS],
    }


def _operation(name: str) -> Schema:
    if name == "check":
        choices: Schema = {
            assertion: {**_list({}, 2), "description": OPERATIONS[assertion].doc} for assertion in ASSERTIONS
        }
        one: Schema = {"type": "object", "additionalProperties": False, "properties": choices}
        return {**one, "minProperties": 1, "maxProperties": 1, "description": "Compares values."}
    if name in BARE:
        return {"type": "string", "description": OPERATIONS[name].doc}
    return {**_ref(f"op-{name}"), "description": OPERATIONS[name].doc}


def _arguments(op: Op) -> Schema:
    properties: Schema = {arg.name: {**_argument(arg), "description": arg.doc} for arg in op.args}
    required = [arg.name for arg in op.args if arg.required]
    chosen: Schema = {"propertyNames": _NAME, "minProperties": len(required) + 1} if op.variables else {}
    return {
        "type": "object",
        "additionalProperties": {**_VALUES, "description": op.variables} if op.variables else False,
        "properties": properties,
        **({"required": required} if required else {}),
        **chosen,
    }


def _argument(arg: Arg) -> Schema:
    if arg.kind is Kind.WORD:
        numbers: tuple[Schema, ...] = ({"type": "integer"},) if arg.name in ("domain", "type", "proto", "how") else ()
        return _or_reference(_words(arg.words), *numbers)
    if arg.kind is Kind.FLAGS:
        return _or_reference(_list(_or_reference(_words(arg.words))))
    return _KINDS[arg.kind]


_NAME = _whole(NAME.pattern)
_SLUG = _whole(SLUG.pattern)
_TIME = _whole(TIME.pattern)
_DATA_FORMS: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "hex": _TEXT,
        "repeat": _ref("data"),
        "count": _or_reference({"type": "integer"}),
        "random": _or_reference({"type": "integer"}),
        "seed": _or_reference({"type": "integer"}),
        "file": _TEXT,
        "concat": _list(_ref("data")),
    },
    "dependencies": {"repeat": ["count"], "count": ["repeat"], "random": ["seed"], "seed": ["random"]},
    "oneOf": [{"required": [key]} for key in ("hex", "repeat", "random", "file", "concat")],
}
_ADDRESS: Schema = {
    "anyOf": [
        _REFERENCE,
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {"ip": _TEXT, "port": _or_reference({"type": "integer", "minimum": 0, "maximum": 65535})},
            "required": ["ip", "port"],
        },
        {"type": "object", "additionalProperties": False, "properties": {"path": _TEXT}, "required": ["path"]},
        {"type": "object", "additionalProperties": False, "properties": {"abstract": _TEXT}, "required": ["abstract"]},
    ]
}
_SHARED: Schema = {
    "data": {"anyOf": [_TEXT, _DATA_FORMS]},
    "address": _ADDRESS,
    "steps": _list(_ref("step"), 1),
    "outcome": {"anyOf": [_words(("ok", "fails", "any")), {"type": "object", "minProperties": 1}]},
    "expectation": {"anyOf": [_words(WORDS), {"type": "object", "minProperties": 1}]},
}
_WATCH: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"sock": _TEXT, "for": _list(_or_reference(_words(EVENTS)))},
    "required": ["sock", "for"],
}
_KINDS: dict[Kind, Schema] = {
    Kind.SOCK: _whole(rf"\$?{NAME.pattern}"),
    Kind.NAME: _whole(rf"\$?{NAME.pattern}"),
    Kind.NAMES: {**_list(_whole(rf"\$?{NAME.pattern}"), 2), "maxItems": 2},
    Kind.CALL: _TEXT,
    Kind.DATA: _ref("data"),
    Kind.PARTS: _list(_ref("data")),
    Kind.ADDR: _ref("address"),
    Kind.INT: _or_reference({"type": "integer"}),
    Kind.INTS: _or_reference({"type": "integer"}, _list(_or_reference({"type": "integer"}))),
    Kind.BOOL: _or_reference({"type": "boolean"}),
    Kind.TEXT: _TEXT,
    Kind.TIME: _or_reference(_TIME),
    Kind.VALUE: {},
    Kind.WATCH: _list(_WATCH),
    Kind.STEP: _ref("step"),
    Kind.STEPS: _list(_ref("step")),
    Kind.REFS: _list({}),
    Kind.MAP: {"type": "object"},
    Kind.SEGMENTS: _or_reference(_words(SEGMENTATIONS), _list(_or_reference({"type": "integer", "minimum": 1}), 1)),
}
_VALUES: Schema = _or_reference(_list({}))
_AXIS: Schema = {"anyOf": [_whole(AXIS_VALUE.pattern), {"type": "number"}, {"type": "boolean"}]}
_ADDR_KIND: Schema = {
    "anyOf": [
        _words(ADDRESS_KINDS),
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {"kind": _words(ADDRESS_KINDS), "domain": _words(DOMAINS)},
            "required": ["kind"],
        },
    ]
}
_MATRIX: Schema = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        "domain": _list(_words(DOMAINS), 1),
        "type": _list(_words(TYPES), 1),
        "exclude": _list({"type": "object", "minProperties": 1}),
        "include": _list({"type": "object", "minProperties": 1, "additionalProperties": _AXIS}),
    },
    "additionalProperties": _list(_AXIS, 1),
}
_MISTAKE: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"got": _ref("outcome"), "hint": _TEXT},
    "required": ["got", "hint"],
}
_FORMS: dict[Form, Schema] = {
    Form.FORMAT: {"const": FORMAT},
    Form.SUITE: _whole(SUITE.pattern),
    Form.TEXT: _TEXT,
    Form.SLUG: _SLUG,
    Form.NAME: _whole(rf"\$?{NAME.pattern}"),
    Form.TIME: _TIME,
    Form.NUMBER: {"type": "number", "minimum": 0},
    Form.LEVEL: _words(LEVELS),
    Form.TEXTS: _list(_TEXT),
    Form.IDS: _list(_whole(DOTTED.pattern)),
    Form.CLAIMS: _list(_TEXT),
    Form.TAGS: _list(_SLUG),
    Form.FEATURES: _list(_words(FEATURES)),
    Form.INVARIANTS: _list(_words(INVARIANTS)),
    Form.NAMES: _list(_NAME),
    Form.STEPS: _ref("steps"),
    Form.MATRIX: _MATRIX,
    Form.ACTORS: _named({**_object(()), "properties": {"kind": _words(ACTOR_KINDS)}}),
    Form.ADDRS: _named(_ADDR_KIND),
    Form.VARS: _named({}),
    Form.EXPECTATION: _ref("expectation"),
    Form.OUTCOME: _ref("outcome"),
    Form.WHEN: {"type": "object", "minProperties": 1},
    Form.MISTAKES: _list(_MISTAKE),
}
_FORMS |= {
    Form.PROGRAMS: _named(_shape("a program")),
    Form.USES: _list(_shape("a use")),
    Form.FRAGMENTS: _named(_shape("a fragment")),
    Form.DEFAULTS: _shape("defaults"),
    Form.TRANSLATION: _shape("a translation"),
}
_FORMS |= {Form.SCENARIOS: _list(_shape("a scenario"))}
_KINDS |= {Kind.WORD: _TEXT, Kind.FLAGS: _list(_TEXT), Kind.SET: _list(_TEXT)}

if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
