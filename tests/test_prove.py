"""The command that proves that every scenario can fail, on the model itself and on models broken in a line."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from grader.cli import main
from grader.prove import trials
from tests.shell import PASSES, sockgrade, write

NUMBERS = """\
  - id: numbers
    title: each socket has a descriptor of its own
    why: a descriptor names one thing
    matrix: {domain: [inet], type: [stream, dgram]}
    steps:
      - socket: {as: c}
      - socket: {as: d}
      - check: {distinct: [c, d]}
"""
EASY = """\
  - id: easy
    title: a socket can be made, or not
    why: what may end in any way proves nothing
    vars: {domain: inet, type: stream}
    steps:
      - socket: {as: c}
        expect: {one_of: [{ok: true}, {errno: any}]}
"""
TOO_MUCH = """\
  - id: too-much
    title: a socket cannot be made
    why: a model that is right does not pass what is wrong
    vars: {domain: inet, type: stream}
    steps:
      - socket: {as: c}
        expect: {errno: ENOSYS}
"""
MUTANT = """\
import os

from reference import Refused
from reference.mutation import Mutant


class Broken(Mutant):
    \"\"\"A rule is broken.

    It is said here which.
    \"\"\"

    clause = "POSIX socket()"
    parts = ("process",)

    def call(self, op, args):
        result = super().call(op, args)
        if op != "socket" or args["type"] == "dgram":
            return result
        {}
"""
SAME = "return {**result, 'sock': 3}"
REFUSES = "return Refused('EMFILE')"
HARMLESS = "return result"
RAISES = "return {}['sock']"
SPINS = "while True: pass"
DIES = "os._exit(1)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a folder of mutants below it."""
    monkeypatch.chdir(tmp_path)
    Path("mutants").mkdir()
    return tmp_path


def mutant(name: str, rule: str) -> None:
    """Write a mutant that does this for a stream socket."""
    Path("mutants", f"{name.lower()}.py").write_text(MUTANT.replace("Broken", name).replace("{}\n", f"{rule}\n", 1))


def proved(*arguments: str) -> int:
    """Prove what stands in this folder."""
    return main(["prove", "--mutants", "mutants", "suites", *arguments])


def test_every_mutant_caught_and_every_scenario_able_is_a_proof(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with 0, and the matrix says which case sees which broken rule."""
    write(folder, PASSES, NUMBERS)
    mutant("Same", SAME)
    mutant("Refuses", REFUSES)

    assert proved("--json", "out/proof.json") == 0

    told = capsys.readouterr().out
    assert "  passes  #.\n  numbers ++\n" in told
    assert told.splitlines()[-1].startswith("no complaints in ")
    mutants = json.loads(Path("out/proof.json").read_text())["mutants"]
    assert [(one["name"], one["sentence"]) for one in mutants] == [
        ("Refuses", "A rule is broken."),
        ("Same", "A rule is broken."),
    ]
    assert mutants[1]["caught_by"] == {"api/t/numbers[inet-stream]": "mismatch"}


@pytest.mark.slow
def test_several_workers_come_to_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The matrix does not depend on who tried what."""
    write(folder, PASSES, NUMBERS)
    for name, rule in {"Same": SAME, "Refuses": REFUSES, "Harmless": HARMLESS}.items():
        mutant(name, rule)

    told = []
    for jobs in ("1", "2"):
        assert proved("-j", jobs) == 1
        told.append(capsys.readouterr().out.splitlines()[:-1])

    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("scenarios", "rules", "complaint"),
    [
        ((NUMBERS,), {"Same": SAME, "Harmless": HARMLESS}, "Harmless: no case catches it: "),
        ((NUMBERS, PASSES), {"Same": SAME}, "api/t/passes: catches no mutant: "),
        ((NUMBERS, TOO_MUCH), {"Same": SAME}, "api/t/too-much: not proved, FAIL mismatch on the reference (socket("),
        ((NUMBERS, EASY), {"Same": SAME}, "api/t/easy: passes where every call fails: "),
        ((NUMBERS,), {"Same": SAME, "Raises": RAISES}, "Raises: breaks the model, not a rule: "),
    ],
)
def test_what_proves_nothing_is_a_failure(
    scenarios: tuple[str, ...], rules: dict[str, str], complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with 1 and a line that names the one to be mended."""
    write(folder, *scenarios)
    for name, rule in rules.items():
        mutant(name, rule)

    assert proved() == 1

    assert any(line.startswith(complaint) for line in capsys.readouterr().out.splitlines())


def test_a_model_that_goes_round_for_ever_is_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its case ends when its CPU time is used up, the next goes on, and nothing of the limit is left behind."""
    monkeypatch.setattr(trials, "_LIMIT_S", 0.05)  # no case here takes a hundredth of it
    write(folder, PASSES, NUMBERS)
    mutant("Same", SAME)
    mutant("Spins", SPINS)
    before = signal.getsignal(signal.SIGVTALRM)

    assert proved() == 1

    told = capsys.readouterr().out
    assert "(2 by crash/hang)" in told
    assert "  passes  .!\n  numbers +!\n" in told
    assert (signal.getsignal(signal.SIGVTALRM), signal.getitimer(signal.ITIMER_VIRTUAL)) == (before, (0, 0))


def test_a_model_that_always_hangs_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows nothing that a few cases have not shown, and every case would cost its limit."""
    monkeypatch.setattr(trials, "_LIMIT_S", 0.02)  # no case here takes a tenth of it
    write(folder, *(PASSES.replace("id: passes", f"id: passes-{number}") for number in range(12)))
    mutant("Spins", SPINS)

    assert proved() == 1

    told = capsys.readouterr().out
    assert "Spins: not tried to the end: it hangs in 10 cases: let it break a rule and come to an end\n" in told


@pytest.mark.slow
def test_a_worker_that_dies_is_told_of(folder: Path) -> None:
    """It spoils what was under way, and nobody waits for ever."""
    write(folder, NUMBERS)
    mutant("Dies", DIES)
    mutant("Same", SAME)

    ended = sockgrade("prove", "suites", "--mutants", "mutants", "-j", "2", cwd=folder)

    assert ended.returncode == 1
    assert (
        "Dies: not tried to the end: the worker that tried it died, or one beside it did: try it alone" in ended.stdout
    )
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("text_of_file", "complaint"),
    [
        ("x = 1\nclass Bad(:\n", "mutants/bad.py:2: invalid syntax"),
        ("x = 1\nraise KeyError(3)\n", "mutants/bad.py:2: KeyError: 3"),
        ("import elephant\n", "mutants/bad.py:1: ModuleNotFoundError: No module named 'elephant'"),
        ("", "mutants: no mutant is in it"),
        (None, "mutants: there is no such folder of mutants"),
    ],
)
def test_mutants_that_cannot_be_loaded_are_said_in_one_line(
    text_of_file: str | None, complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with 2 and the place, without a traceback."""
    write(folder, PASSES)
    if text_of_file is None:
        Path("mutants").rmdir()
    else:
        Path("mutants", "bad.py").write_text(text_of_file)

    assert proved() == 2

    told = capsys.readouterr().err
    assert told.startswith("sockgrade: ")
    assert told.endswith(f"{complaint}\n")
    assert told.count("\n") == 1


def test_a_mutant_that_nobody_wrote_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest name is offered."""
    write(folder, PASSES)
    mutant("Same", SAME)

    assert proved("--only", "Sane") == 2

    assert capsys.readouterr().err == "sockgrade: no mutant is called Sane (did you mean Same?)\n"


def test_who_names_a_mutant_asks_about_that_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scenarios that are about something else are no complaint then, and the other way round."""
    write(folder, PASSES, NUMBERS)
    mutant("Same", SAME)
    mutant("Harmless", HARMLESS)

    assert proved("--only", "Same") == 0
    assert proved("api/t/numbers") == 0
    assert proved("api/t/numbers", "--only", "Harmless") == 1

    assert "Same" not in capsys.readouterr().out.rpartition("no complaints in ")[2]


def test_two_mutants_of_one_name_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A column of the matrix would have two meanings."""
    write(folder, PASSES)
    mutant("Same", SAME)
    Path("mutants", "zz.py").write_text(Path("mutants", "same.py").read_text())

    assert proved() == 2

    assert capsys.readouterr().err == "sockgrade: mutants: two mutants are called Same\n"


def test_a_file_that_is_no_scenario_ends_the_proof(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is left of a suite proves nothing of the whole."""
    write(folder, PASSES.replace("socket:", "sokcet:"))

    assert proved() == 2

    assert "unknown operation 'sokcet'" in capsys.readouterr().err


def test_an_installed_grader_says_where_mutants_may_be(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wheel has none; below this folder they are found."""
    path = write(folder, PASSES, NUMBERS)
    monkeypatch.setattr("grader.pipeline.suites_folder", lambda: path.parent)  # as where no checkout is around it

    assert main(["prove", "suites"]) == 2
    told = capsys.readouterr().err
    assert told.endswith("an installed sockgrade has none: try --mutants FOLDER\n")

    mutant("Same", SAME)
    mutant("Refuses", REFUSES)
    Path("fixtures").mkdir()
    Path("mutants").rename("fixtures/mutants")
    assert main(["prove", "suites"]) == 0


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ('"a" = "x"\nb\n', "survivors.toml:2: "),
        ('"a" = ""\n', "survivors.toml: a: expected a reason, as in "),
        ('"a" = 3\n', "survivors.toml: a: expected a reason, as in "),
    ],
)
def test_wrong_explanations_are_said_in_one_line(
    toml: str, complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with 2 before anything is tried."""
    write(folder, PASSES)
    Path("mutants", "survivors.toml").write_text(toml)

    assert proved("--generated") == 2

    told = capsys.readouterr().err
    assert told.startswith(f"sockgrade: mutants/{complaint}")
    assert told.count("\n") == 1


@pytest.mark.slow
def test_generated_mutants_that_survive_must_be_explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A case that makes a socket sees hardly any rule; each survivor is told, and explained there is none left."""
    write(folder, PASSES)

    assert proved("--generated", "--json", "out.json") == 1
    told = capsys.readouterr().out
    rows = json.loads(Path("out.json").read_text())["generated"]
    survivors = [one["name"] for one in rows if not one["caught_by"]]
    assert survivors
    assert all(f"survives {name}: " in told for name in survivors)

    lines = (f"{json.dumps(name)} = 'it is about more than a socket that is made'\n" for name in survivors)
    Path("mutants", "survivors.toml").write_text("".join(lines))
    assert proved("--generated") == 0
    assert proved("--generated", "--only", survivors[0]) == 0
