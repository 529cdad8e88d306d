"""Whatever the bytes, nothing but a complaint comes out."""

from __future__ import annotations

import copy
import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.ops import FEATURES, OPERATIONS
from grader.scenario import load
from grader.scenario.forms import MODIFIERS, SHAPES, STEP_KEYS
from tests.scenario.authoring import HEAD, load_text, with_steps

COMPLETE = Path(__file__).with_name("complete.yaml").read_bytes()
WORDS = [
    *STEP_KEYS,
    *MODIFIERS,
    *{arg.name for op in OPERATIONS.values() for arg in op.args},
    *{field.name for op in OPERATIONS.values() for field in op.fields},
    *{key.name for keys in SHAPES.values() for key in keys},
    *("errno", "one_of", "not", "at_least", "between", "starts", "hex", "repeat", "count", "random", "concat", "file"),
    *("exclude", "include", "distinct", "in_any_order", "ip", "path", "port", "abstract", "got", "hint", "kind"),
]
VALUES = [
    "c",
    "$c",
    "$srv",
    "$type",
    "$c.peer",
    "$$",
    "$",
    "any",
    "ok",
    "blocks",
    "1s",
    "unix",
    "stream",
    "r1",
    *FEATURES,
]
scalars = st.one_of(
    st.sampled_from(VALUES),
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


def arguments(op: str) -> st.SearchStrategy[dict[str, Any]]:
    """Give a step with the arguments of an operation, their values at random."""
    args = {arg.name: scalars | trees for arg in OPERATIONS[op].args if arg.required or len(arg.name) % 2}
    return st.fixed_dictionaries(args).map(lambda given: {op: given})


expected = st.dictionaries(st.sampled_from([*WORDS, "data", "count", "addr", "ready"]), scalars | trees, max_size=2)
modifiers = st.dictionaries(st.sampled_from(list(MODIFIERS)), trees | expected, max_size=2)
plain_steps = st.sampled_from([name for name in STEP_KEYS if name != "check"]).flatmap(arguments)
steps = st.lists(st.tuples(plain_steps, modifiers).map(lambda both: {**both[0], **both[1]}), max_size=3)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def loads_or_complains(folder: Path, content: bytes) -> None:
    """Load a file: it gives cases or complaints, quickly, and never another exception."""
    began = time.perf_counter()
    loaded = load_text(folder, content)

    assert bool(loaded.cases) != bool(loaded.errors) or not loaded.cases
    assert time.perf_counter() - began < 5


@pytest.mark.slow
@quick
@given(st.text(max_size=300))
def test_random_text_is_refused(tmp_path: Path, text: str) -> None:
    """Text of any kind is refused in words."""
    loads_or_complains(tmp_path, text.encode("utf-8", "surrogatepass"))


@pytest.mark.slow
@quick
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    """Bytes of any kind are refused in words."""
    loads_or_complains(tmp_path, content)


@pytest.mark.slow
@quick
@given(st.integers(0, 2**32))
def test_a_mutated_file_is_loaded_or_refused(tmp_path: Path, seed: int) -> None:
    """A good file with pieces cut out, doubled, swapped or overwritten is loaded or refused in words."""
    dice = random.Random(seed)
    content = bytearray(COMPLETE)
    for _ in range(dice.randint(1, 6)):
        start = dice.randrange(len(content))
        end = min(len(content), start + dice.randint(1, 20))
        piece = content[start:end]
        content[start:end] = dice.choice(
            [b"", piece * 2, bytes(reversed(piece)), dice.choice(WORDS).encode(), dice.randbytes(3), b"$", b"{", b"- "]
        )
    loads_or_complains(tmp_path, bytes(content))


@pytest.mark.slow
@quick
@given(trees)
def test_a_random_tree_is_refused(tmp_path: Path, tree: Any) -> None:
    """A well-formed tree of the words of the language is refused in words."""
    loads_or_complains(tmp_path, yaml.safe_dump(tree, allow_unicode=True).encode())


@pytest.mark.slow
@quick
@given(steps)
def test_random_steps_are_loaded_or_refused(tmp_path: Path, listed: list[Any]) -> None:
    """Steps of known operations with random arguments and modifiers are loaded or refused in words."""
    document = yaml.safe_load(HEAD)
    document["scenarios"][0]["steps"] = [{"socket": {"as": "c"}}, *listed]
    loads_or_complains(tmp_path, yaml.safe_dump(document, allow_unicode=True).encode())


@pytest.mark.slow
@quick
@given(st.sampled_from([key.name for key in SHAPES["a scenario"]]), trees, st.integers(0, 2**32))
def test_a_random_key_is_loaded_or_refused(tmp_path: Path, key: str, tree: Any, seed: int) -> None:
    """A good file in which one key of a scenario or of a step holds something else is loaded or refused in words."""
    document = copy.deepcopy(yaml.safe_load(COMPLETE))
    scenario = document["scenarios"][0]
    scenario[key] = tree
    if isinstance(scenario.get("steps"), list) and scenario["steps"] and key != "steps":
        step = random.Random(seed).choice(scenario["steps"])
        step[next(iter(step))] = tree
    loads_or_complains(tmp_path, yaml.safe_dump(document, allow_unicode=True).encode())


HOSTILE = {
    "many steps": with_steps("- close: {sock: c}\n" * 3_900),
    "many wrong steps": with_steps("- recieve: {sock: c}\n" * 3_500),
    "many wrong names": with_steps("".join(f"- close: {{sock: d{n}}}\n" for n in range(3_500))),
    "many names": with_steps("".join(f"- socket: {{as: d{n}}}\n" for n in range(3_500))),
    "much data": with_steps("- send: {sock: c, data: {repeat: x, count: 60000000}}\n" * 1_500),
    "repeated repeats": with_steps(
        "- send: {sock: c, data: " + "{repeat: " * 20 + "x" + ", count: 9}" * 20 + "}\n",
    ),
    "random data": with_steps(
        "".join(f"- send: {{sock: c, data: {{random: 9000000, seed: {n}}}}}\n" for n in range(1_300))
    ),
    "nested loops": with_steps("- for_each: {a: [x, y, z], steps: [" * 12 + "close: {sock: c}" + "]}" * 12 + "\n"),
    "wide collection": with_steps("- collect: {times: 99999999, step: {recv: {sock: c, size: 1}}}\n"),
    "wide matrix": with_steps(
        "- close: {sock: c}",
        HEAD.replace("[stream]}", "[stream]" + "".join(f", a{n}: [a, b, c, d]" for n in range(3_000)) + "}"),
    ),
    "many scenarios": "format: 1\nsuite: api/x\nscenarios:\n"
    + "".join(
        f"  - {{id: a{n}, title: x, vars: {{domain: unix}}, steps: [make_file: {{addr: $srv}}]}}\n"
        for n in range(1_150)
    ),
    "fragments that double": "format: 1\nsuite: api/x\nfragments:\n  f0: {steps: [unlink: {addr: $srv}]}\n"
    + "".join(f"  f{n + 1}: {{steps: [do: f{n}, do: f{n}]}}\n" for n in range(14))
    + "scenarios:\n  - {id: a, title: x, vars: {domain: unix}, steps: [do: f14, do: f14]}\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_grows_is_stopped(name: str, tmp_path: Path) -> None:
    """A hundred kilobytes that ask for more than they are cost no more than a good file of that size."""
    path = tmp_path / "x.yaml"
    path.write_text(HOSTILE[name], "utf-8")
    assert path.stat().st_size < 120_000
    began = time.perf_counter()

    loaded = load([path])

    assert time.perf_counter() - began < 4.0  # 1 s when nothing else runs
    assert bool(loaded.errors) != bool(loaded.cases)
