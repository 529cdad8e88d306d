"""Each lint refuses what it is for, and leaves the nearest neighbour alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.scenario import load
from grader.scenario.lint import LINTS
from tests.scenario.authoring import HEAD, complaints, load_text, with_steps

DGRAM = HEAD.replace("[stream]", "[dgram]")
BOUND = "- bind: {sock: c, addr: $srv}\n"
LISTENING = BOUND + "- listen: {sock: c}\n"
CONNECTED = LISTENING + "- socket: {as: d}\n- connect: {sock: d, addr: $srv}\n- accept: {sock: c, as: s}\n"
FRAGMENT = """\
format: 1
suite: api/x
fragments:
  made:
    params: {kind: stream, how: rd}
    gives: [it]
    steps:
      - socket: {as: it, type: $kind}
      - shutdown: {sock: it, how: HOW}
scenarios:
  - id: a
    title: one fact
    matrix: {domain: [unix, inet]}
    steps:
      - do: made
"""
WRONG = {
    "L1 unbound": with_steps("- close: {sock: d}"),
    "L1 twice": with_steps("- socket: {as: c}"),
    "L1 in a branch": with_steps("- socket: {as: d}\n  when: {domain: unix}\n- close: {sock: d}"),
    "L2 nested": with_steps("- accept: {sock: c}\n  by: main\n  blocks_until: [close: {sock: c}]"),
    "L2 started": with_steps("- recv: {sock: c, size: 1}\n  by: main\n  start: r\n- close: {sock: c}\n- finish: r"),
    "L2 race": with_steps(
        "- race: {calls: [{accept: {sock: c}, by: main}, {accept: {sock: c}, by: main}], trigger: []}\n"
        "  expect: {returned: 1, pending: 1}"
    ),
    "L3": with_steps("- recv: {sock: c, size: 1}\n  start: r"),
    "L3 twice": with_steps("- recv: {sock: c, size: 1}\n  start: r\n- finish: r\n- finish: r"),
    "L4 data": with_steps("- recv: {sock: c, size: 9}\n  expect: {data: ab}"),
    "L4 count": with_steps("- read: {sock: c, size: 9}\n  expect: {count: 2}"),
    "L4 accepted": with_steps(CONNECTED + "- recv: {sock: s, size: 9}\n  expect: {data: {starts: ab}}"),
    "L4 collected": with_steps(
        "- collect: {times: 1, step: {recv: {sock: c, size: 9}}}\n  expect: {in_any_order: [{data: ab}]}"
    ),
    "L5": with_steps("- listen: {sock: c}\n  eventually: 1s"),
    "L6": with_steps("- send: {sock: c, data: привет}"),
    "L7 port": with_steps("- bind: {sock: c, addr: {ip: 127.0.0.1, port: 8080}}"),
    "L7 path": with_steps("- bind: {sock: c, addr: {path: /tmp/s}}"),
    "L7 expected port": with_steps("- getsockname: {sock: c}\n  expect: {addr: {port: 8080}}"),
    "L7 expected path": with_steps("- getsockname: {sock: c}\n  expect: {addr: {path: /tmp/s}}"),
    "L8": with_steps("- pause: {for: 5ms, because: x}\n- pause: {for: 5ms, because: x}"),
    "L9": with_steps("- close: {sock: c}\n  expect: {one_of: [{errno: EBADF, when: {domain: unix}}]}"),
    "L10": with_steps("- close: {sock: c}")
    + "  - id: a\n    title: another fact\n    steps: [make_file: {addr: $srv}]\n"
    "    vars: {domain: unix}\n",
    "L11 should": with_steps("- close: {sock: c}").replace("one fact", "close should work"),
    "L11 test": with_steps("- close: {sock: c}").replace("one fact", "Test of close"),
    "L12": HEAD + "    steps:\n      - socket: {as: c}\n        expect: any\n",
    "L13": with_steps(
        "- recv: {sock: c, size: 1}\n  by: p\n  expect: blocks\n- close: {sock: c}\n  by: p",
        HEAD + "    actors: {p: {}}\n",
    ),
    "L14": with_steps("- close: {sock: c}", HEAD.replace("type: [stream]", "type: [stream], mode: [a, b]")),
    "L14 domain": HEAD + "    steps:\n      - socketpair: {as: [a, b], domain: inet6, type: stream}\n",
    "L15": FRAGMENT.replace("HOW", "rd"),
    "L16 bind": with_steps(
        BOUND + "- socket: {as: d}\n- bind: {sock: d, addr: $srv2}\n- bind: {sock: d, addr: $srv}\n"
        "  expect: {errno: EINVAL}"
    ),
    "L16 connect": with_steps(CONNECTED + "- connect: {sock: d, addr: $nobody}\n  expect: {errno: EISCONN}"),
    "L16 connect closed": with_steps(
        CONNECTED + "- close: {sock: c}\n- connect: {sock: d, addr: $srv}\n  expect: {errno: EISCONN}"
    ),
    "L16 send": with_steps(
        "- socketpair: {as: [a, b]}\n- shutdown: {sock: a, how: wr}\n- close: {sock: b}\n"
        "- send: {sock: a, data: x}\n  expect: {errno: EPIPE}"
    ),
}
RIGHT = {
    "L1": with_steps("- socket: {as: d}\n  when: {domain: unix}\n- close: {sock: d}\n  when: {domain: [unix]}"),
    "L2": with_steps("- accept: {sock: c}\n  blocks_until: [close: {sock: c}]"),
    "L2 after finish": with_steps(
        "- recv: {sock: c, size: 1}\n  by: main\n  start: r\n- finish: r\n- close: {sock: c}",
    ),
    "L3 finished": with_steps("- recv: {sock: c, size: 1}\n  start: r\n- finish: r"),
    "L3 blocked": with_steps("- recv: {sock: c, size: 1}\n  start: r\n- still_blocked: r\n  hold: 50ms"),
    "L4 one byte": with_steps("- recv: {sock: c, size: 9}\n  expect: {data: a, count: 1}"),
    "L4 prefix": with_steps("- recv: {sock: c, size: 9}\n  expect: {data: {prefix_of: ab}, count: {at_least: 1}}"),
    "L4 exactly": with_steps("- recv_exactly: {sock: c, count: 2}\n  expect: {data: ab}"),
    "L4 note": with_steps("- recv: {sock: c, size: 9}\n  expect: {data: ab}\n  note: single-segment ok"),
    "L4 waitall": with_steps("- recv: {sock: c, size: 2, flags: [MSG_WAITALL]}\n  expect: {data: ab}"),
    "L4 datagram": with_steps("- recv: {sock: c, size: 9}\n  expect: {data: ab}", DGRAM),
    "L5": with_steps("- unread: {sock: c}\n  eventually: 1s\n  expect: {value: 3}"),
    "L6": with_steps('- send: {sock: c, data: {hex: "ff"}}'),
    "L7 port 0": with_steps("- bind: {sock: c, addr: {ip: 127.0.0.1, port: 0}}"),
    "L7 reference": with_steps("- bind: {sock: c, addr: {ip: 127.0.0.2, port: $srv.port}}"),
    "L7 expected": with_steps("- getsockname: {sock: c}\n  expect: {addr: {port: {not: 0}}}"),
    "L8 one": with_steps("- pause: {for: 5ms, because: x}"),
    "L8 extended": with_steps(
        "- pause: {for: 5ms, because: x}\n- pause: {for: 5ms, because: x}", HEAD + "    level: extended\n"
    ),
    "L9": with_steps(
        "- close: {sock: c}\n"
        "  expect: {one_of: [{errno: EBADF, when: {domain: unix}}, {errno: EIO, when: {domain: inet}}]}"
    ),
    "L10": with_steps("- close: {sock: c}")
    + "  - id: b\n    title: another fact\n    steps: [make_file: {addr: $srv}]\n"
    "    vars: {domain: unix}\n",
    "L11": with_steps("- close: {sock: c}").replace("one fact", "the latest of the greatest protests is contested"),
    "L12": HEAD + "    steps:\n      - socket: {as: c}\n",
    "L13": with_steps("- recv: {sock: c, size: 1}\n  expect: blocks\n- close: {sock: c}"),
    "L14": with_steps("- close: {sock: c}\n  when: {mode: a}", HEAD.replace("[stream]", "[stream], mode: [a, b]")),
    "L14 said twice": HEAD + "    steps:\n      - socket: {as: c, type: stream}\n",
    "L15": FRAGMENT.replace("HOW", "$how"),
    "L16 own address": with_steps(
        BOUND + "- bind: {sock: c, addr: $srv2}\n  expect: {errno: EINVAL}",
    ),
    "L16 bind in use": with_steps(
        BOUND + "- socket: {as: d}\n- bind: {sock: d, addr: $srv}\n  expect: {errno: EADDRINUSE}"
    ),
    "L16 both errnos": with_steps(
        CONNECTED + "- connect: {sock: d, addr: $nobody}\n  expect: {errno: [EISCONN, ECONNREFUSED, ENOENT]}"
    ),
    "L16 still listening": with_steps(CONNECTED + "- connect: {sock: d, addr: $srv}\n  expect: {errno: EISCONN}"),
    "L16 datagram": with_steps(
        "- connect: {sock: c, addr: $srv}\n- connect: {sock: c, addr: $nobody}\n  expect: {errno: EPERM}", DGRAM
    ),
    "L16 peer closed": with_steps(
        "- socketpair: {as: [a, b]}\n- close: {sock: b}\n- send: {sock: a, data: x}\n  expect: {errno: EPIPE}"
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_lint_refuses_what_it_is_for(name: str, tmp_path: Path) -> None:
    """The file gets one or more complaints, all of them with the code of the lint."""
    found = complaints(tmp_path, WRONG[name])

    assert found
    assert {line.rpartition(" ")[2] for line in found} == {f"[{name.partition(' ')[0]}]"}


@pytest.mark.parametrize("name", RIGHT)
def test_a_lint_leaves_the_neighbour_alone(name: str, tmp_path: Path) -> None:
    """The file that differs in one respect is loaded without a complaint."""
    assert complaints(tmp_path, RIGHT[name]) == []


def test_every_lint_is_tried_both_ways() -> None:
    """No lint of the table is left out here."""
    assert {name.split()[0] for name in WRONG} == set(LINTS)
    assert {name.split()[0] for name in RIGHT} == set(LINTS)


def test_two_reasons_are_named(tmp_path: Path) -> None:
    """L16 says which two conditions hold, and what each of them gives."""
    (line,) = set(complaints(tmp_path, WRONG["L16 connect"]))

    assert line == (
        "x.yaml:15:9: two reasons to fail at once: already-connected (EISCONN) and "
        "nobody-listens (ECONNREFUSED or ENOENT) (make only one of them true) [L16]"
    )


def test_an_id_is_unique_across_files(tmp_path: Path) -> None:
    """The second file with an id is the bad one; the first is loaded."""
    for name in ("one.yaml", "two.yaml"):
        load_text(tmp_path, with_steps("- close: {sock: c}"), name)

    loaded = load([tmp_path])

    assert [case.id for case in loaded.cases] == ["api/x/a[unix-stream]", "api/x/a[inet-stream]"]
    assert [str(error).partition(tmp_path.name)[2] for error in loaded.errors] == [
        f"/two.yaml:4:9: the id 'api/x/a' is used already (in {tmp_path}/one.yaml:4) [L10]"
    ]


def test_a_retired_id_is_refused(tmp_path: Path) -> None:
    """An id in `retired.txt` cannot be used again."""
    (tmp_path / "retired.txt").write_text("# gone\napi/x/a  # was wrong\n", "utf-8")

    assert complaints(tmp_path, with_steps("- close: {sock: c}")) == [
        "x.yaml:4:9: the id 'api/x/a' is used already (in the list of retired ids) [L10]"
    ]
