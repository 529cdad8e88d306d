"""The matrix: ids, order, what is taken out and added, what a case needs, what `when` keeps."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from grader.model.scenarios import ActorKind, AddressSpec, Level, Translation
from grader.scenario.words import system_of
from tests.scenario.authoring import HEAD, case, cases, complaints, with_keys, with_steps

PLAIN = "- close: {sock: c}"


def ids(folder: Path, matrix: str) -> list[str]:
    """Give the ids of the cases of a scenario with this matrix."""
    text = with_steps(PLAIN, HEAD.replace("{domain: [unix, inet], type: [stream]}", matrix))
    return [case.id for case in cases(folder, text)]


def test_axes_multiply_in_the_order_written(tmp_path: Path) -> None:
    """The last axis changes first, and values keep their order."""
    assert ids(tmp_path, "{type: [stream, dgram], domain: [inet, unix]}") == [
        "api/x/a[stream-inet]",
        "api/x/a[stream-unix]",
        "api/x/a[dgram-inet]",
        "api/x/a[dgram-unix]",
    ]


def test_a_scenario_without_a_matrix_is_one_case(tmp_path: Path) -> None:
    """Its id has no brackets."""
    text = HEAD.replace("    matrix: {domain: [unix, inet], type: [stream]}\n", "")

    assert [case.id for case in cases(tmp_path, f"{text}    steps:\n      - make_file: {{addr: $x}}\n{ADDRS}")] == [
        "api/x/a"
    ]


ADDRS = "    addrs: {x: {kind: fresh, domain: unix}}\n"


def test_exclude_takes_out_what_fits(tmp_path: Path) -> None:
    """A value of `exclude` may be a list; an item takes out the cases in which all of it holds."""
    matrix = "{domain: [unix, inet, inet6], type: [stream, dgram], exclude: [{domain: [inet, inet6], type: dgram}]}"

    assert ids(tmp_path, matrix) == [
        "api/x/a[unix-stream]",
        "api/x/a[unix-dgram]",
        "api/x/a[inet-stream]",
        "api/x/a[inet6-stream]",
    ]


def test_include_adds_at_the_end(tmp_path: Path) -> None:
    """An axis that `include` does not name takes all its values; a case that is there already is not added."""
    matrix = "{domain: [inet], type: [stream, dgram], include: [{domain: unix}, {domain: inet, type: stream}]}"

    assert ids(tmp_path, matrix) == [
        "api/x/a[inet-stream]",
        "api/x/a[inet-dgram]",
        "api/x/a[unix-stream]",
        "api/x/a[unix-dgram]",
    ]


def test_include_may_bring_a_value_of_its_own(tmp_path: Path) -> None:
    """A value that the axis does not list is a value of that axis all the same."""
    assert ids(tmp_path, "{domain: [inet], type: [stream], include: [{type: dgram}]}")[1:] == ["api/x/a[inet-dgram]"]


def test_values_that_are_no_text_stand_in_the_id(tmp_path: Path) -> None:
    """Numbers and booleans may be values of an axis, and keep their type."""
    head = HEAD.replace("type: [stream]", "type: [stream], size: [1, 2.5], flag: [true]")
    built = cases(tmp_path, with_steps("- close: {sock: c}\n  when: {size: 1, flag: true}", head))

    assert [case.id for case in built][:2] == ["api/x/a[unix-stream-1-true]", "api/x/a[unix-stream-2.5-true]"]
    assert [len(case.steps) for case in built] == [2, 1, 2, 1]
    assert built[0].variables == {"domain": "unix", "type": "stream", "size": 1, "flag": True}


def test_too_many_cases_are_refused(tmp_path: Path) -> None:
    """A matrix that would grow without bound is refused before it does."""
    axes = ", ".join(f"a{n}: [a, b, c, d, e, f, g, h]" for n in range(40))

    (line,) = complaints(tmp_path, with_steps(PLAIN, HEAD.replace("type: [stream]", f"type: [stream], {axes}")))

    assert "a scenario has at most 256 cases" in line


def test_loops_cannot_grow_without_bound(tmp_path: Path) -> None:
    """Loops in loops are refused when they come to more steps than a file may have, even if they are empty."""
    steps = "- close: {sock: c}"
    for n in range(12):
        steps = f"- for_each:\n    x{n}: [a, b, c, d, e, f]\n    steps:\n" + "".join(
            f"      {line}\n" for line in steps.splitlines()
        )

    assert any("30000 steps" in line for line in complaints(tmp_path, with_steps(steps)))


def test_when_keeps_a_step_where_all_of_it_holds(tmp_path: Path) -> None:
    """Several names must all hold; a list of values means one of them."""
    steps = (
        "- close: {sock: c}\n  when: {domain: [inet, unix], type: stream}\n- listen: {sock: c}\n  when: {domain: inet}"
    )

    assert [[step.op for step in case.steps] for case in cases(tmp_path, with_steps(steps))] == [
        ["socket", "close"],
        ["socket", "close", "listen"],
    ]


def test_when_knows_the_system(tmp_path: Path) -> None:
    """`os` is the system that the files are loaded on."""
    own, other = ("linux", "darwin") if sys.platform == "linux" else (system_of(sys.platform), "linux")
    steps = f"- close: {{sock: c}}\n  when: {{os: {own}}}\n- listen: {{sock: c}}\n  when: {{os: {other}}}"

    assert [step.op for step in case(tmp_path, steps).steps] == ["socket", "close"]


def test_alternatives_are_kept_by_when(tmp_path: Path) -> None:
    """Each case has the alternatives of `one_of` whose `when` holds there."""
    steps = "- close: {sock: c}\n  expect: {one_of: [{errno: EIO}, {errno: EBADF, when: {domain: inet}}]}"

    assert [len(case.steps[1].expect.alternatives) for case in cases(tmp_path, with_steps(steps))] == [1, 2]


@pytest.mark.parametrize(
    ("keys", "steps", "needs"),
    [
        ("", "- close: {sock: c}", ("stream", "unix")),
        ("needs: [own-net, sigpipe]", "- close: {sock: c}", ("own-net", "sigpipe", "stream", "unix")),
        ("", "- bind: {sock: c, addr: $eph}", ("stream", "unix", "unix-autobind")),
        ("", "- bind: {sock: c, addr: {abstract: x}}", ("abstract", "stream", "unix")),
        ("addrs: {x: abstract}", "- bind: {sock: c, addr: $x}", ("abstract", "stream", "unix")),
        ("addrs: {x: {kind: fresh, domain: inet}}", "- bind: {sock: c, addr: $x}", ("inet", "stream", "unix")),
        ("", "- bind: {sock: c, addr: $wild}", ("address:wildcard-unix", "stream", "unix")),
        ("", "- bind: {sock: c, addr: {ip: 127.0.0.2, port: 0}}", ("loopback-net", "stream", "unix")),
        ("", "- bind: {sock: c, addr: {ip: 127.0.0.1, port: 0}}", ("stream", "unix")),
        ("", "- socket: {as: d, type: dgram, domain: inet}", ("dgram", "inet", "stream", "unix")),
        ("", "- socket: {as: d, type: 77}", ("raw-calls", "stream", "unix")),
        ("actors: {p: {kind: process}}", "- close: {sock: c}\n  by: p", ("processes", "stream", "unix")),
        ("actors: {p: {kind: trusted}}", "- close: {sock: c}\n  by: p", ("programs", "stream", "unix")),
        ("", "- spawn: {program: x, as: y}", ("programs", "stream", "unix")),
    ],
)
def test_a_case_needs_what_its_steps_need(keys: str, steps: str, needs: tuple[str, ...], tmp_path: Path) -> None:
    """Needs are those that are said, and those that follow from domain, type, addresses and actors."""
    head = HEAD + (f"    {keys}\n" if keys else "")

    assert case(tmp_path, steps, head).needs == needs


def test_a_case_has_the_addresses_that_it_uses(tmp_path: Path) -> None:
    """Placeholders that no step uses are not made; a field of one counts as its use."""
    steps = "- bind: {sock: c, addr: $srv}\n- connect: {sock: c, addr: {ip: 127.0.0.1, port: $srv2.port}}"

    assert case(tmp_path, steps).addresses == {
        "srv": AddressSpec("fresh", "unix"),
        "srv2": AddressSpec("fresh", "unix"),
    }


def test_actors_are_those_that_act_and_those_declared(tmp_path: Path) -> None:
    """`main` is always there; calls that others run beside get actors of their own, each once in a case."""
    steps = (
        "- recv: {sock: c, size: 1}\n  start: r\n- recv: {sock: c, size: 1}\n  expect: blocks\n"
        "- close: {sock: c}\n  by: kid\n- finish: r"
    )
    built = case(tmp_path, steps, HEAD + "    actors: {kid: {kind: process}, idle: {}}\n")

    assert [step.actor for step in built.steps] == ["main", "anon1", "anon2", "kid", "main"]
    assert built.actors == {
        "anon1": ActorKind.SUT,
        "anon2": ActorKind.SUT,
        "idle": ActorKind.SUT,
        "kid": ActorKind.PROCESS,
        "main": ActorKind.SUT,
    }


def test_a_scenario_says_what_its_file_says_and_more(tmp_path: Path) -> None:
    """Defaults and sources of the file hold unless the scenario has its own; needs and invariants add up."""
    text = with_keys(
        "why: because\nru: {title: факт}\nlevel: extended\ntags: [x]\nneeds: [sigpipe]\ninvariants: [lowest-descriptor]"
    ).replace(
        "scenarios:",
        "spec: [POSIX]\nneeds: [own-net]\n"
        "defaults: {within: 500ms, points: 2.5, level: standard, needs: [threads],\n"
        "  invariants: [distinct-descriptors]}\n"
        "scenarios:",
    )

    built = cases(tmp_path, text)[0]

    scenario = built.scenario
    assert (scenario.id, scenario.suite, scenario.section) == ("a", "api/x", "x")
    assert (scenario.why, scenario.ru) == ("because", Translation("факт"))
    assert (scenario.spec, scenario.tags) == (("POSIX",), ("x",))
    assert (scenario.level, scenario.points, built.steps[0].within_s) == (Level.EXTENDED, 2.5, 0.5)
    assert built.needs == ("own-net", "sigpipe", "stream", "threads", "unix")
    assert built.invariants == ("distinct-descriptors", "lowest-descriptor")


@pytest.mark.parametrize(
    "steps",
    [
        "- recv: {sock: c, size: 1}\n  expect: blocks",
        "- recv: {sock: c, size: 1}\n  blocks_until: [unlink: {addr: $srv}]",
        "- recv: {sock: c, size: 1}\n  by: main\n  overlaps: [unlink: {addr: $srv}]",
        "- recv: {sock: c, size: 1}\n  start: r\n- finish: r",
        (
            "- race: {calls: [accept: {sock: c}, accept: {sock: c}], trigger: [unlink: {addr: $srv}]}\n"
            "  expect: {returned: 1, pending: 1}"
        ),
    ],
)
def test_calls_at_once_need_threads(steps: str, tmp_path: Path) -> None:
    """A case that has calls under way while others are made needs threads, though its author does not say so."""
    assert "threads" in case(tmp_path, steps).needs
    assert "threads" not in case(tmp_path, "- recv: {sock: c, size: 1}").needs


def test_actors_say_what_they_need(tmp_path: Path) -> None:
    """Another actor of the testee needs threads, a process of it needs processes and no threads."""
    head = HEAD + "    actors: {other: {kind: KIND}}\n"
    steps = "- close: {sock: c}\n  by: other"

    thread, process = (case(tmp_path, steps, head.replace("KIND", kind)).needs for kind in ("sut", "process"))

    assert "threads" in thread
    assert "processes" in process
    assert "threads" not in process


def test_cases_share_the_steps_that_no_axis_changes(tmp_path: Path) -> None:
    """A step is built once; a name that stands for something else in another case is looked up again."""
    steps = (
        "- send: {sock: c, data: same}\n"
        "- socket: {as: d}\n  when: {domain: unix}\n"
        "- getsockname: {sock: c, as: d}\n  when: {domain: inet}\n"
        "- close: {sock: d}"
    )
    first, *_ = complaints(tmp_path, with_steps(steps))
    unix, inet = cases(tmp_path, with_steps("- send: {sock: c, data: same}"))

    assert "'d' is no socket: it was bound by 'getsockname'" in first
    assert unix.steps[0] != inet.steps[0]
    assert unix.steps[1] is inet.steps[1]
