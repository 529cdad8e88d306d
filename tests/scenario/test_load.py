"""Loading files: which are read, how they are named, what a bad one hides, and the file of the design."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grader.model.expectations import Failure
from grader.model.values import Ref, SockRef
from grader.scenario import load
from tests.scenario.authoring import complaints, load_text, with_keys, with_steps

COMPLETE = Path(__file__).with_name("complete.yaml")
SUITES = Path(__file__).resolve().parents[2] / "suites"


def test_a_complete_file_loads_to_its_cases(tmp_path: Path) -> None:
    """The file that the language was designed with gives five cases, each as it says."""
    loaded = load([Path(shutil.copy(COMPLETE, tmp_path / "x.yaml"))])

    assert not loaded.errors
    assert [case.id for case in loaded.cases] == [
        "api/listen-accept/accept-new-socket[unix-stream]",
        "api/listen-accept/accept-new-socket[inet-stream]",
        "api/listen-accept/accept-new-socket[inet6-stream]",
        "api/listen-accept/accept-waits[unix-stream]",
        "api/listen-accept/accept-waits[inet-stream]",
    ]
    first = loaded.cases[0]
    assert (first.scenario.points, first.scenario.claims) == (2.0, ("lecture.accept-new-socket",))
    assert [step.op for step in first.every_step] == [
        *("socket", "bind", "listen", "socket", "accept", "connect", "distinct", "socket", "connect", "accept"),
        *("send_all", "send_all", "recv_exactly", "recv_exactly"),
    ]
    accept = first.steps[4]
    assert (accept.path, accept.binds, accept.release, accept.actor) == ("4", ("s1",), True, "anon1")
    assert accept.mistakes[0].got == Failure(("EAGAIN", "EWOULDBLOCK"))
    assert accept.nested[0].args == {"sock": SockRef("c1"), "addr": Ref("srv")}
    assert str(accept.mark) == f"{tmp_path}/x.yaml:21:9"
    assert len({case.digest for case in loaded.cases}) == 1
    assert len(first.digest) == 64


def test_every_suite_of_the_project_loads() -> None:
    """No file under `suites/` has a complaint."""
    loaded = load([SUITES])

    assert not loaded.errors, "\n".join(map(str, loaded.errors))


def test_a_bad_file_does_not_hide_the_others(tmp_path: Path) -> None:
    """There is one error for each bad file, and the cases of every good one."""
    load_text(tmp_path, with_steps("- close: {sock: c}"), "a.yaml")
    load_text(tmp_path, with_steps("- close: {sock: d}").replace("id: a", "id: b"), "b.yaml")
    load_text(tmp_path, b"\xff", "c.yaml")
    load_text(tmp_path, with_steps("- close: {sock: c}").replace("id: a", "id: d"), "d.yaml")

    loaded = load([tmp_path])

    assert {case.scenario.id for case in loaded.cases} == {"a", "d"}
    assert [Path(error.complaints[0].mark.file).name for error in loaded.errors] == ["b.yaml", "c.yaml"]
    assert [file.name for file in loaded.files] == ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]


def test_a_folder_is_searched_for_scenarios_only(tmp_path: Path) -> None:
    """Fragments, deviations, claims and other files are left out; folders are searched in order."""
    for name in ("b/x.yaml", "a/x.yaml", "fragments/f.yaml", "deviations/host.yaml", "claims.yaml", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(with_steps("- close: {sock: c}").replace("id: a", f"id: {name[0]}"), "utf-8")

    assert [str(file.relative_to(tmp_path)) for file in load([tmp_path]).files] == ["a/x.yaml", "b/x.yaml"]


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    """A file and the folder it is in name it twice, and its ids are not reused."""
    file = load_text(tmp_path, with_steps("- close: {sock: c}")).files[0]

    loaded = load([file, tmp_path])

    assert (len(loaded.files), len(loaded.cases), loaded.errors) == (1, 2, ())


def test_marks_are_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file inside the working directory is named as one would type it."""
    file = load_text(tmp_path, with_steps("- close: {sock: c}")).files[0]
    monkeypatch.chdir(tmp_path)

    assert str(load([file]).cases[0].scenario.mark) == "x.yaml:4:5"


def test_a_file_that_is_not_there_is_a_complaint(tmp_path: Path) -> None:
    """A path that cannot be read is one bad file like any other."""
    (error,) = load([tmp_path / "no.yaml"]).errors

    assert str(error) == f"{tmp_path}/no.yaml:1:1: the file cannot be read: No such file or directory [syntax]"


def test_claims_must_be_known(tmp_path: Path) -> None:
    """Where a `claims.yaml` stands above a file, the claims that it cites are in there."""
    (tmp_path / "claims.yaml").write_text("claims:\n  - id: lecture.stream\n    says: x\n", "utf-8")

    assert complaints(tmp_path, with_keys("claims: [lecture.stream]")) == []
    assert complaints(tmp_path, with_keys("claims: [lecture.steam]")) == [
        "x.yaml:7:14: unknown claim 'lecture.steam' (did you mean 'lecture.stream'?) [schema]"
    ]


def test_broken_claims_are_one_error(tmp_path: Path) -> None:
    """A `claims.yaml` that cannot be read is reported once, and the scenarios are loaded."""
    (tmp_path / "claims.yaml").write_text("claims: [\n", "utf-8")

    loaded = load_text(tmp_path, with_keys("claims: [anything]"))

    assert len(loaded.cases) == 2
    assert [Path(error.complaints[0].mark.file).name for error in loaded.errors] == ["claims.yaml"]


def test_nothing_outside_the_suites_is_read(tmp_path: Path) -> None:
    """Data and fragments come from the folder of the suites, even by way of a symbolic link."""
    (tmp_path / "secret").write_text("x", "utf-8")
    inside = tmp_path / "suites"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path / "secret")

    for name in ("../secret", "link", "/etc/hostname"):
        (line,) = complaints(inside, with_steps(f"- send: {{sock: c, data: {{file: {name}}}}}"))
        assert "it is outside the suites" in line


def test_the_root_is_found_by_its_claims(tmp_path: Path) -> None:
    """Without a root, the nearest folder above with a `claims.yaml` is it."""
    (tmp_path / "claims.yaml").write_text("claims: []\n", "utf-8")
    (tmp_path / "blob").write_bytes(b"x")
    file = tmp_path / "a" / "b" / "c" / "x.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(with_steps("- send: {sock: c, data: {file: ../../../blob}}"), "utf-8")

    assert load([file]).errors == ()
