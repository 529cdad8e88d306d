"""The editor schema and the checker agree, as far as a schema can say things."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from grader.scenario.read import Mapping, Node, Sequence, read
from grader.scenario.schema import PATH, schema, text
from tests.scenario.authoring import complaints, with_keys, with_steps
from tests.scenario.test_complaints import PLACES, TABLE

ROOT = Path(__file__).resolve().parents[2]
SUITES = [path for path in sorted(ROOT.glob("suites/**/*.yaml")) if path.parent.name not in ("suites", "deviations")]
GOOD = [*SUITES, Path(__file__).with_name("complete.yaml")]
VALIDATOR = jsonschema.Draft7Validator(json.loads(PATH.read_text("utf-8")))

# What a schema cannot say: names, cases, files, sums, and what depends on another key.
BEYOND = (
    "[L",
    "[syntax]",
    "written without `$`",
    "cannot be read",
    "IP address",
    "is not pairs of hex",
    "this is more",
    "is not a reference",
    "twice",
    "is not an axis",
    "leaves no case",
    "is not a value of",
    "is no axis",
    "no actor",
    "unknown fragment",
    "known only in a run",
    "stands for itself",
    "needs a domain",
    "needs 'type'",
    "exclude each other",
    "belongs to the 'finish'",
    "'hold' needs",
    "'give_up_on' is about",
    "never waits, so",
    "result field",
    "errno",
    "signal",
    "matcher",
    "64 hex digits",
    "'between'",
    "expected an integer, not 'two'",
    "verdict",
    "'ok' is true",
    "a failure",
    "a descriptor",
    "expected an address, not 'srv' (`$name`",
    "expected a list of words",
    "'returned' and 'pending'",
    "in_any_order",
    "a race",
    "cannot stand in",
    "compares",
    "expected true or false, not 1",
    "5 is not a time (such as 300ms or 2s)",
    "expected 0 or more",
    "expected 1 or more",
    "in 'by'",
    "'recvmsg' needs",
    "it is empty",
    "is kept for actors",
)


def plain(content: bytes) -> Any:
    """Read a file as we do, and give it as the lists and dictionaries that a validator wants."""

    def plain_node(node: Node) -> Any:
        if isinstance(node, Mapping):
            return {key: plain_node(value) for key, value in node.items.items()}
        return [plain_node(item) for item in node.items] if isinstance(node, Sequence) else node.value

    return plain_node(read(content, "x.yaml"))


def is_expressible(row: dict[str, Any]) -> bool:
    """Whether a schema could refuse the snippet."""
    return not any(word in line for line in row["gives"] for word in BEYOND)


EXPRESSIBLE = [row for row in TABLE if is_expressible(row)]


def test_the_committed_schema_is_current() -> None:
    """The file beside the module is what the tables give now; `python -m grader.scenario.schema` makes it."""
    assert PATH.read_text("utf-8") == text()


def test_the_schema_is_one() -> None:
    """It is a correct draft-07 schema."""
    jsonschema.Draft7Validator.check_schema(dict(schema()))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_the_schema_accepts_what_the_checker_accepts(path: Path) -> None:
    """Every file of the suites, and the complete example, is good to both."""
    assert [error.message for error in VALIDATOR.iter_errors(plain(path.read_bytes()))] == []


@pytest.mark.parametrize(
    "text",
    [
        with_steps("- recv: {sock: c, size: $type}"),
        with_steps("- socket: {as: d, domain: 77, type: $type}"),
        with_steps("- send: {sock: c, data: {concat: [a, {repeat: {hex: '00'}, count: 3}]}}"),
        with_steps("- bind: {sock: c, addr: {ip: '::1', port: $srv.port}}\n  expect: {one_of: [{ok: true}, fails]}"),
        with_keys("addrs: {x: {kind: fresh, domain: unix}}\nru: {title: x}\nactors: {p: {kind: process}, q: {}}"),
    ],
)
def test_good_snippets_are_good_to_the_schema(text: str, tmp_path: Path) -> None:
    """What the grammar allows, the editor does not underline."""
    assert not [line for line in complaints(tmp_path, text) if line.endswith("[syntax]")]
    assert [error.message for error in VALIDATOR.iter_errors(plain(text.encode()))] == []


@pytest.mark.parametrize("row", EXPRESSIBLE, ids=[row["gives"][0].split(" ", 1)[1][:60] for row in EXPRESSIBLE])
def test_the_schema_refuses_what_the_checker_refuses(row: dict[str, Any]) -> None:
    """Each wrong snippet that a schema can express is underlined in the editor too."""
    text = PLACES[row["in"]](row["text"])

    assert not VALIDATOR.is_valid(plain(text.encode()))


def test_most_of_the_grammar_is_in_the_schema() -> None:
    """At least fifty of the wrong snippets are of a kind that the schema must refuse."""
    assert len(EXPRESSIBLE) >= 50
