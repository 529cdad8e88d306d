"""What a proof comes to, what keeps it from being one, and how it is told: functions of what was seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grader.model.verdicts import Verdict
from grader.prove.proof import HANG, Generated, Proof, Row, Scope, Seen
from grader.prove.run import explanations
from grader.prove.show import text, to_json

CASES = ("api/s/one[a]", "api/s/one[b]", "api/s/two[a]", "api/t/three")
FAILED = Seen(Verdict.FAIL, "mismatch", "recv(c): expected end-of-file, got 1 byte")
HUNG = Seen(Verdict.FAIL, HANG, "the model goes round for ever")
BROKE = Seen(Verdict.UNRESOLVED, "harness", "KeyError: 3")
LACKS = Seen(Verdict.UNSUPPORTED, "needs", "needs programs: it is none")
NOTHING_WORKS = Row("stub", seen=dict.fromkeys(CASES, FAILED))


def row(name: str, seen: dict[str, Seen], fault: str = "") -> Row:
    """Give a mutant that came to this."""
    return Row(name, f"{name} is broken.", f"POSIX {name}()", seen, fault)


def proof(*mutants: Row, reference: Row | None = None, stub: Row = NOTHING_WORKS, scope: Scope | None = None) -> Proof:
    """Give a proof in which only the mutants are of interest."""
    return Proof(CASES, reference or Row("reference"), stub, mutants, scope or Scope())


ALL_CAUGHT = proof(
    row("first", {"api/s/one[a]": FAILED, "api/s/one[b]": HUNG, "api/s/two[a]": FAILED}),
    row("second", {"api/s/one[b]": FAILED, "api/t/three": FAILED}),
)


def test_a_proof_is_told_in_full() -> None:
    """First who catches each mutant, then a line for each scenario with a column for each mutant, then the sums."""
    assert (
        text(ALL_CAUGHT)
        == """\
  1 first      3 cases    2 scenarios (1 by crash/hang)  POSIX first(): api/s/one[a], api/s/two[a]
  2 second     2 cases    2 scenarios  POSIX second(): api/s/one[b], api/t/three

each column a mutant by its number; # all cases of the scenario catch it, + some, ! it hangs, . none
api/s   1
  one   #+
  two   #.
api/t   1
  three .#

the reference passes 4 of 4 cases
the stub, where every call fails, passes 0 of 4 cases
2 of 2 mutants are caught
3 of 3 scenarios catch at least one"""
    )


def test_columns_stand_in_tens_under_the_number_of_the_first() -> None:
    """With a hundred mutants an eye still finds the column."""
    told = text(proof(*(row(f"m{number}", {CASES[3]: FAILED} if number == 11 else {}) for number in range(1, 23))))

    assert "api/t   1          11         21\n  three .......... #......... ..\n" in told
    assert " 11 m11     1 cases    1 scenarios  POSIX m11(): api/t/three\n" in told
    assert " 12 m12     0 cases    0 scenarios  POSIX m12(): NOT CAUGHT\n" in told


def test_a_proof_as_json_holds_every_case() -> None:
    """Programs read who caught what, and the same results are the same bytes."""
    told = json.loads(to_json(ALL_CAUGHT, "9"))

    assert to_json(ALL_CAUGHT, "9") == to_json(ALL_CAUGHT, "9")
    assert (told["format"], told["sockgrade"], told["complaints"], told["stub"]) == (1, "9", [], {"passes": []})
    assert told["mutants"][1] == {
        "name": "second",
        "sentence": "second is broken.",
        "clause": "POSIX second()",
        "fault": "",
        "caught_by": {"api/s/one[b]": "mismatch", "api/t/three": "mismatch"},
        "spoilt": {},
        "unsupported": [],
    }
    assert told["scenarios"][0] == {
        "scenario": "api/s/one",
        "cases": ["api/s/one[a]", "api/s/one[b]"],
        "catches": ["first", "second"],
    }


ONE = dict.fromkeys(CASES, FAILED)  # caught by everything


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (
            proof(row("m", ONE), row("lame", {})),
            "lame: no case catches it: write a scenario that sees the broken rule (POSIX lame())",
        ),
        (
            proof(row("m", {CASES[0]: FAILED, CASES[3]: FAILED})),
            "api/s/two: catches no mutant: break the rule it is about in a new mutant, or mend the scenario",
        ),
        (
            proof(row("m", ONE), stub=Row("stub", seen=dict.fromkeys(CASES[1:], FAILED))),
            "api/s/one[a]: passes where every call fails: let it expect something that only a socket that works gives",
        ),
        (
            proof(row("m", ONE), reference=Row("reference", seen={CASES[1]: FAILED})),
            (
                "api/s/one[b]: not proved, FAIL mismatch on the reference "
                "(recv(c): expected end-of-file, got 1 byte): mend the model or the scenario"
            ),
        ),
        (
            proof(row("m", ONE), reference=Row("reference", seen={CASES[1]: LACKS})),
            (
                "api/s/one[b]: not proved, the reference cannot run it (needs programs: it is none): "
                "teach the model what it lacks"
            ),
        ),
        (
            proof(row("m", {**ONE, CASES[1]: BROKE, CASES[2]: BROKE}), row("n", ONE)),
            "m: breaks the model, not a rule: api/s/one[b] ends in KeyError: 3, as 1 more cases do: mend the mutant",
        ),
        (proof(row("m", ONE, fault="it died")), "m: not tried to the end: it died"),
        (
            proof(row("m", dict.fromkeys(CASES[:3], FAILED)), row("stuck", dict.fromkeys(CASES, HUNG))),
            "api/t/three: catches no mutant: break the rule it is about in a new mutant, or mend the scenario",
        ),
    ],
)
def test_what_keeps_a_proof_from_being_one_is_said_in_a_line(given: Proof, complaint: str) -> None:
    """Each complaint says what to do."""
    assert [*given.complaints()] == [complaint]


def test_a_case_that_breaks_the_model_catches_nothing() -> None:
    """An exception of ours is no evidence of what a scenario sees."""
    broken = proof(row("m", dict.fromkeys(CASES, BROKE)), scope=Scope(scenarios=False))

    assert "POSIX m(): NOT CAUGHT" in text(broken)
    assert [complaint.split(":")[1] for complaint in broken.complaints()] == [
        " breaks the model, not a rule",
        " no case catches it",
    ]


@pytest.mark.parametrize(
    ("scope", "named"),
    [
        (Scope(), ["lame", "api/s/two", "api/t/three"]),
        (Scope(mutants=False), ["api/s/two", "api/t/three"]),
        (Scope(scenarios=False), ["lame"]),
    ],
)
def test_only_what_was_asked_about_has_to_be_shown(scope: Scope, named: list[str]) -> None:
    """Who asks about one mutant is not told of every scenario that is about something else."""
    given = proof(row("m", {CASES[0]: FAILED}), row("lame", {}), scope=scope)

    assert [complaint.partition(":")[0] for complaint in given.complaints()] == named


def tables(explained: dict[str, str]) -> Generated:
    """Give the fate of three generated mutants: one caught, one survivor, one that only breaks the model."""
    rows = (row("a", {CASES[0]: FAILED}), row("b", {}), row("c", {CASES[0]: BROKE}))
    return Generated(Row("reference"), rows, explained, "survivors.toml", frozenset("abc"))


def test_survivors_are_told_with_their_row_and_why_they_may_survive() -> None:
    """The list is short, and each line of it says what was changed."""
    assert (
        text(tables({"b": "nobody can see it"}))
        == """\
survives b: b is broken. (POSIX b())
         explained: nobody can see it
survives c: c is broken. (POSIX c())
         breaks the model: KeyError: 3
1 of 3 generated mutants are caught
2 survive, 1 of them explained"""
    )


@pytest.mark.parametrize(
    ("explained", "complaints"),
    [
        ({"b": "x", "c": "y"}, []),
        (
            {"b": "x"},
            ["c: survives: write a scenario that catches it, or say in survivors.toml why none can"],
        ),
        (
            {"b": "x", "c": "y", "a": "z"},
            ["survivors.toml: a is explained, but api/s/one[a] catches it: take the line out"],
        ),
        (
            {"b": "x", "c": "y", "elephant": "z"},
            ["survivors.toml: no generated mutant is called elephant: take the line out"],
        ),
    ],
)
def test_survivors_and_explanations_belong_together(explained: dict[str, str], complaints: list[str]) -> None:
    """The list is strict both ways."""
    assert [*tables(explained).complaints()] == complaints


def test_the_fate_of_generated_mutants_is_told_as_json() -> None:
    """Of one that was caught by whom first, of a survivor why."""
    told = json.loads(to_json(tables({"b": "nobody can see it"}), "9"))["generated"]

    assert [(one["name"], one["caught_by"], one["explained"]) for one in told] == [
        ("a", {CASES[0]: "mismatch"}, ""),
        ("b", {}, "nobody can see it"),
        ("c", {}, ""),
    ]


def test_explanations_are_read_from_a_table(tmp_path: Path) -> None:
    """A name and a reason on each line; without a file nothing is explained."""
    file = tmp_path / "survivors.toml"
    assert explanations(file) == {}

    file.write_text('"tcp: a -> b" = "nobody can see it"\n')
    assert explanations(file) == {"tcp: a -> b": "nobody can see it"}


def test_a_hang_has_a_mark_of_its_own() -> None:
    """That a model never ended says nothing of what the scenario is about."""
    assert "\n  three !\n" in text(proof(row("stuck", {CASES[3]: HUNG})))
