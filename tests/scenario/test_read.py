"""Narrowed YAML: what a plain value is, and that nothing hostile gets through or takes long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from grader.model.errors import ScenarioError
from grader.scenario.check import check
from grader.scenario.read import DEEPEST, MOST_BYTES, Atom, Mapping, Scalar, read
from grader.scenario.scopes import Allowance, Source

PLAIN: list[tuple[str, Atom]] = [
    ("true", True),
    ("false", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("0", 0),
    ("-12", -12),
    ("0x1F", 31),
    ("1.5", 1.5),
    ("-0.5e3", -500.0),
    ("on", "on"),
    ("yes", "yes"),
    ("True", "True"),
    ("NULL", "NULL"),
    (".5", ".5"),
    ("5.", "5."),
    ("1e3", "1e3"),
    ("+5", "+5"),
    ("127.0.0.1", "127.0.0.1"),
    ("2s", "2s"),
    ("=", "="),
    ("18446744073709551615", 18446744073709551615),
    ('"010"', "010"),
    ("'true'", "true"),
    ('"22:22"', "22:22"),
    ("$srv", "$srv"),
]
HOSTILE = {
    "deep list": b"[" * 100_000,
    "deep mapping": b"{a: " * 25_000,
    "deep block": b"".join(b" " * n + b"- \n" for n in range(440)),
    "deep question marks": b"? " * 50_000,
    "many anchors": b"a: [" + b"&x 1, " * 16_000 + b"]",
    "billion laughs": b"a: &a [x]\n" + b"".join(b"b%d: &b%d [*a, *a, *a, *a]\n" % (n, n) for n in range(3_000)),
    "merge keys": b"<<: {a: 1}\n" * 9_000,
    "long number": b"a: " + b"9" * 100_000,
    "long underscored number": b"a: 1" + b"_1" * 50_000,
    "long time": b"a: 1" + b":1" * 50_000,
    "NUL": b"a: \0" * 20_000,
    "UTF-16": ("a: 1\n" * 10_000).encode("utf-16"),
    "UTF-16 without a mark": ("a: 1\n" * 10_000).encode("utf-16-le"),
    "not UTF-8": b"a: \xff\xfe" * 15_000,
    "many unknown keys": b"".join(b"key%d: 1\n" % n for n in range(10_000)),
    "equal keys": b"a: 1\n" * 20_000,
    "long key": b"k" * 100_000 + b": 1",
    "long tag": b"a: !" + b"t" * 100_000 + b" 1",
    "many documents": b"---\n" * 25_000,
    "one long line": b"a: " + b"x y " * 25_000,
    "quotes": b'"' * 100_000,
    "brackets that do not match": b"[}" * 50_000,
    "percent signs": b"%" * 100_000,
    "bars": b"|" * 100_000,
}


@pytest.mark.parametrize(("text", "value"), PLAIN)
def test_a_plain_value_is_what_it_looks_like(text: str, value: Atom) -> None:
    """Booleans, integers, floats and null are few; all else is text."""
    root = read(f"a: {text}\n".encode(), "x.yaml")

    assert isinstance(root, Mapping)
    assert isinstance(root.items["a"], Scalar)
    assert (root.items["a"].value, type(root.items["a"].value)) == (value, type(value))


def test_every_node_knows_its_place() -> None:
    """Marks count lines and columns from 1, in characters."""
    root = read("ключ: {b: [1, два, {c: x}]}\n".encode(), "x.yaml")

    assert str(root).count("line=1") > 3
    assert isinstance(root, Mapping)
    assert str(root.items["ключ"].mark) == "x.yaml:1:7"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_at_once(name: str) -> None:
    """A hundred kilobytes made to hurt are refused within a second, or read as the plain text that they are."""
    began = time.perf_counter()

    with pytest.raises(ScenarioError) as error:
        _refuse(HOSTILE[name])

    assert time.perf_counter() - began < 1.0
    assert all(len(str(line)) < 400 for line in error.value.complaints)


def test_a_file_beyond_the_limit_is_not_read() -> None:
    """A file may have a mebibyte."""
    with pytest.raises(ScenarioError, match="at most"):
        read(b"#" * (MOST_BYTES + 1), "x.yaml")


def test_nesting_has_a_limit_that_scenarios_do_not_reach() -> None:
    """Lists may be nested a few dozen levels deep, and no deeper."""
    read(b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1), "x.yaml")

    with pytest.raises(ScenarioError, match="levels deep"):
        read(b"[" * (DEEPEST + 2) + b"]" * (DEEPEST + 2), "x.yaml")


def test_syntax_complaints_are_collected() -> None:
    """Reading goes on after a complaint as long as the text makes sense."""
    with pytest.raises(ScenarioError) as error:
        read(b"a: &x 1\nb: 010\nb: !t x\n", "x.yaml")

    assert [complaint.mark.line for complaint in error.value.complaints] == [1, 2, 3, 3]


def _refuse(content: bytes) -> None:
    """Read content and check it as a file: some of it is well formed, but no scenario file."""
    root = read(content, "x.yaml")
    check(root, "a suite", Source(Path("x.yaml"), "x.yaml", Path()), Allowance())
