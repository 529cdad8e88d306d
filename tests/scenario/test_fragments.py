"""Fragments and loops: private names, what is given, parameters, places, and what cannot be used."""

from __future__ import annotations

from pathlib import Path

from grader.model.values import Ref, SockRef
from tests.scenario.authoring import HEAD, case, cases, complaints, indented, load_text

PAIRS = """\
format: 1
fragments:
  connected:
    params: {size: 5, data: null}
    gives: [left, right]
    steps:
      - socket: {as: lst}
      - bind: {sock: lst, addr: $srv}
      - listen: {sock: lst, backlog: $size}
      - socket: {as: left}
      - connect: {sock: left, addr: $srv}
      - accept: {sock: lst, as: right}
      - send_all: {sock: left, data: $data}
      - recv: {sock: right, size: 1, as: got}
        expect: {data: {prefix_of: $data}}
      - close: {sock: lst}
        when: {domain: inet}
  doubled:
    gives: [one]
    steps:
      - do: connected
        with: {data: x}
        names: {left: one}
      - close: {sock: right}
"""
USE = "use: [{from: fragments/pairs.yaml, as: pairs}]\nscenarios:"


def write_pairs(folder: Path, text: str = PAIRS) -> None:
    """Put the fragment file where the scenario file uses it."""
    load_text(folder, text, "fragments/pairs.yaml")


def using(steps: str) -> str:
    """Give a scenario file that uses the fragment file."""
    return HEAD.replace("scenarios:", USE) + "    steps:\n" + indented(steps, 6)


def test_a_fragment_stands_where_it_is_done(tmp_path: Path) -> None:
    """Its steps come in place of `do`, with the names given as the scenario renames them."""
    write_pairs(tmp_path)
    text = using(
        "- do: pairs.connected\n  with: {data: abc}\n  names: {left: c}\n- close: {sock: c}\n- close: {sock: right}"
    )

    unix, inet = cases(tmp_path, text)

    assert [step.op for step in unix.steps][-3:] == ["recv", "close", "close"]
    assert [step.op for step in inet.steps][-4:] == ["recv", "close", "close", "close"]
    assert [step.path for step in unix.steps] == [str(n) for n in range(10)]
    assert [step.binds for step in unix.steps if step.binds] == [
        ("connected:lst",),
        ("c",),
        ("right",),
        ("connected:got",),
    ]
    assert unix.steps[2].args == {"sock": SockRef("connected:lst"), "backlog": 5}
    assert unix.steps[6].args["data"] == b"abc"
    assert unix.steps[8].args["sock"] == SockRef("c")


def test_a_step_of_a_fragment_shows_both_places(tmp_path: Path) -> None:
    """`mark` is the place in the fragment, `called_from` the places that lead there, the nearest first."""
    write_pairs(tmp_path)

    step = cases(tmp_path, using("- do: pairs.doubled"))[0].steps[0]

    assert str(step.mark) == f"{tmp_path}/fragments/pairs.yaml:7:9"
    assert [str(mark) for mark in step.called_from] == [
        f"{tmp_path}/fragments/pairs.yaml:21:9",
        f"{tmp_path}/x.yaml:9:9",
    ]


def test_private_names_of_two_uses_differ(tmp_path: Path) -> None:
    """A fragment may be done twice; only what it gives has to be renamed."""
    write_pairs(tmp_path)
    text = using(
        "- do: pairs.connected\n  with: {data: a}\n"
        "- do: pairs.connected\n  with: {data: b}\n  names: {left: l2, right: r2}"
    )

    binds = [name for step in cases(tmp_path, text)[0].steps for name in step.binds]

    assert binds[:1] + binds[4:6] == ["connected:lst", "connected2:lst", "l2"]


def test_private_names_stay_private(tmp_path: Path) -> None:
    """What a fragment does not give cannot be used outside."""
    write_pairs(tmp_path)

    assert complaints(tmp_path, using("- do: pairs.connected\n  with: {data: a}\n- close: {sock: lst}")) == [
        "x.yaml:11:23: no step before this one binds 'lst' [L1]"
    ]


def test_a_parameter_is_read_where_it_is_written(tmp_path: Path) -> None:
    """A value of `with` may be a name or a reference of the scenario, and keeps its meaning inside."""
    write_pairs(
        tmp_path,
        "format: 1\nfragments:\n  echo:\n    params: {to: null, what: null}\n"
        "    steps:\n      - send: {sock: $to, data: $what}\n"
        "      - getpeername: {sock: $to}\n        expect: {addr: $to.peer}\n",
    )
    text = using(
        "- socket: {as: c}\n- recv: {sock: c, size: 9, as: got}\n- accept: {sock: c, as: s}\n"
        "- do: pairs.echo\n  with: {to: s, what: $got}"
    )

    send, name = cases(tmp_path, text)[0].steps[3:]

    assert send.args == {"sock": SockRef("s"), "data": Ref("got")}
    assert "Ref(name='s', field='peer')" in str(name.expect)


def test_a_complaint_inside_names_the_use(tmp_path: Path) -> None:
    """What is wrong only with these arguments is said at the fragment, with the place of its use."""
    write_pairs(tmp_path)

    found = complaints(tmp_path, using("- do: pairs.connected\n  with: {data: a, size: big}"))

    assert set(found) == {"fragments/pairs.yaml:9:38: expected an integer, not 'big', used at x.yaml:9:9 [schema]"}


def test_do_is_checked_against_the_fragment(tmp_path: Path) -> None:
    """Unknown fragments, parameters and names, and missing parameters, each have their complaint."""
    write_pairs(tmp_path)
    steps = "- do: pairs.conected\n- do: pairs.connected\n  with: {siz: 1}\n  names: {lft: c}"

    assert complaints(tmp_path, using(steps)) == [
        "x.yaml:9:13: unknown fragment 'pairs.conected' (did you mean 'pairs.connected'?) [schema]",
        "x.yaml:10:9: the fragment 'pairs.connected' needs the parameter 'data' [schema]",
        "x.yaml:11:16: unknown key 'siz' in the parameters of 'pairs.connected' (did you mean 'size'?) [schema]",
        "x.yaml:12:17: unknown key 'lft' in what 'pairs.connected' gives (did you mean 'left'?) [schema]",
    ]


def test_a_fragment_file_with_complaints_cannot_be_used(tmp_path: Path) -> None:
    """The user says so and where the first is; the file itself gets its own complaints when it is loaded."""
    write_pairs(
        tmp_path, PAIRS.replace("listen:", "lisen:").replace("doubled:\n    gives: [one]", "doubled:\n    gives: [two]")
    )

    assert complaints(tmp_path, using("- do: pairs.connected")) == [
        (
            "x.yaml:3:14: file 'fragments/pairs.yaml' cannot be used: it has complaints "
            "(the first at fragments/pairs.yaml:9:9) [schema]"
        )
    ]


def test_a_fragment_binds_what_it_gives(tmp_path: Path) -> None:
    """A name in `gives` that no step binds is refused in the fragment file itself."""
    wrong = load_text(tmp_path, PAIRS.replace("gives: [one]", "gives: [two]"), "fragments/pairs.yaml")

    assert [str(error).replace(f"{tmp_path}/", "") for error in wrong.errors] == [
        (
            "fragments/pairs.yaml:19:12: no step of the fragment 'doubled' binds 'two', which it gives "
            "(one of one, right) [schema]"
        )
    ]


def test_fragments_that_use_themselves_are_refused(tmp_path: Path) -> None:
    """A fragment that does itself, and a file that uses itself, end in a complaint."""
    write_pairs(tmp_path, "format: 1\nfragments:\n  loop:\n    steps: [do: loop]\n")
    (tmp_path / "fragments" / "self.yaml").write_text(
        "format: 1\nuse: [{from: self.yaml, as: me}]\nfragments:\n  f:\n    steps: [do: me.f]\n", "utf-8"
    )

    deep = complaints(tmp_path, using("- do: pairs.loop"))
    self_used = complaints(tmp_path, using("- do: pairs.f").replace("pairs.yaml", "self.yaml"))

    assert "nested more than 16 deep" in deep[0]
    assert "cannot be used" in self_used[0]


def test_a_loop_is_unrolled(tmp_path: Path) -> None:
    """The steps stand there once for each value; the name may be text, a socket's name or a new name."""
    steps = (
        "- for_each:\n    n: [a, b]\n    steps:\n      - socket: {as: $n}\n"
        "      - for_each:\n          word: [x, $n]\n"
        "          steps:\n            - send: {sock: $n, data: $word}\n"
    )
    built = cases(tmp_path, HEAD + "    steps:\n" + indented(steps, 6))[0]

    assert [(step.path, step.op, step.args.get("data")) for step in built.steps] == [
        ("0", "socket", None),
        ("1", "send", b"x"),
        ("2", "send", b"a"),
        ("3", "socket", None),
        ("4", "send", b"x"),
        ("5", "send", b"b"),
    ]


def test_the_names_of_a_loop_multiply(tmp_path: Path) -> None:
    """Several names take their values as axes do: the last one changes first."""
    steps = (
        "- for_each: {one: [a, b], two: [x, y], steps: [send: {sock: c, data: {concat: [$one, $two]}}]}\n"
        "- for_each: {as: [p, q], steps: [dup: {sock: c, as: $as}]}"
    )
    built = case(tmp_path, steps)

    assert [step.args.get("data") for step in built.steps[1:5]] == [b"ax", b"ay", b"bx", b"by"]
    assert [step.binds for step in built.steps[5:]] == [("p",), ("q",)]


def test_the_digest_covers_fragments_and_data_files(tmp_path: Path) -> None:
    """A change of the file, of a fragment file or of a data file changes the digest, and nothing else does."""
    write_pairs(tmp_path)
    (tmp_path / "blob.bin").write_bytes(b"one")
    text = using("- do: pairs.connected\n  with: {data: {file: blob.bin}}")

    def digest() -> str:
        return cases(tmp_path, text)[0].digest

    first, again = digest(), digest()
    (tmp_path / "blob.bin").write_bytes(b"two")
    other_data = digest()
    write_pairs(tmp_path, PAIRS + "# more\n")

    assert first == again
    assert len({first, other_data, digest()}) == 3
