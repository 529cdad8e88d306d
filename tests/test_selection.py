"""Which cases are meant by a path, an id, a pattern or the beginning of ids, and what is known of a target."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.model.deviations import Known
from grader.model.errors import ScenarioError, UsageError
from grader.model.verdicts import Cause, Verdict
from grader.pipeline import suites_folder
from grader.scenario.deviations import load_known
from grader.selection import invalid_suite, known_of, select
from tests.shell import BAD, FAILS, PASSES, ROOT, write

SUITES = str(ROOT / "suites" / "api" / "listen-accept")


@pytest.fixture(scope="module")
def every() -> list[str]:
    """Give the ids of all cases there are."""
    return ids()


def ids(*wanted: str) -> list[str]:
    """Give the ids of the cases that are meant."""
    return [case.id for case in select(wanted).cases]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with two scenarios."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, PASSES, FAILS)
    return tmp_path


@pytest.mark.slow
def test_nothing_wanted_means_every_suite(every: list[str]) -> None:
    """From wherever it is asked for."""
    assert len(every) > 1000
    assert len(set(every)) == len(every)
    assert every == ids(str(suites_folder()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "begins"),
    [
        ("api/naming", "api/naming/"),
        ("api/naming/bind", "api/naming/bind/"),
        ("api/naming/bind/name-is-reported", "api/naming/bind/name-is-reported["),
        ("*/name-is-reported[*", "api/naming/bind/name-is-reported["),
    ],
)
def test_a_beginning_or_a_pattern_means_all_that_is_in_it(wanted: str, begins: str, every: list[str]) -> None:
    """Of whole parts: `api/nam` is the beginning of nothing."""
    found = ids(wanted)

    assert len(found) > 1
    assert found == [case for case in every if case.startswith(begins)]


@pytest.mark.slow
def test_an_id_means_one_case() -> None:
    """Brackets are no pattern."""
    case = "api/naming/bind/name-is-reported[unix-stream]"

    assert ids(case) == [case]


def test_files_and_folders_are_read_wherever_they_are(folder: Path) -> None:
    """Without the suites of ours."""
    assert ids("suites/t.yaml") == ids("suites") == ids(str(folder)) == ["api/t/passes", "api/t/fails"]


@pytest.mark.slow
def test_an_id_can_be_sought_in_a_file(folder: Path) -> None:
    """A path beside an id: the file says where to look, the id what is meant."""
    assert ids("suites/t.yaml", "api/t/fails") == ["api/t/fails"]
    with pytest.raises(UsageError, match="no case is called so"):
        select(["suites/t.yaml", "api/naming/bind/name-is-reported[unix-stream]"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("api/nmaing", "did you mean api/naming?"),
        ("api/naming/bnid", "did you mean api/naming/bind?"),
        ("api/naming/bind/name-is-reportde", "did you mean api/naming/bind/name-is-reported?"),
        ("api/nam", "did you mean api"),
        ("nowhere.yaml", "sockgrade list shows what there is"),
    ],
)
def test_a_word_that_means_nothing_is_refused(wanted: str, hint: str) -> None:
    """With what is nearest to it."""
    with pytest.raises(UsageError, match=r"no such path, and no case is called so") as refused:
        select(["api/naming", wanted])

    assert hint in str(refused.value)
    assert str(refused.value).startswith(wanted)


@pytest.mark.slow
def test_a_file_named_twice_is_read_once() -> None:
    """By its own path and by that of its folder."""
    found = ids(f"{SUITES}/backlog.yaml", str(SUITES))

    assert len(found) == len(set(found))
    assert set(found) == set(ids(str(SUITES)))


def test_level_and_claim_narrow() -> None:
    """Both must hold."""
    extended = select([SUITES], level="extended").cases
    accepting = select([SUITES], claim="lecture.accept-new-socket").cases

    assert extended
    assert {case.scenario.level for case in extended} == {"extended"}
    assert accepting
    assert all("lecture.accept-new-socket" in case.scenario.claims for case in accepting)
    assert {case.scenario.level for case in select([SUITES], level="core", claim="lecture.server").cases} == {"core"}


def test_a_claim_that_nobody_makes_is_refused() -> None:
    """With what is nearest to it."""
    with pytest.raises(UsageError, match=r"lecture.sever: no scenario .* \(did you mean lecture.server\?\)"):
        select([SUITES], claim="lecture.sever")


def test_a_bad_file_comes_to_one_result(folder: Path) -> None:
    """The others are read; the result names the file, every complaint and how to see them again."""
    (folder / "suites" / "bad.yaml").write_text(BAD)

    selection = select(["suites"])

    (error,) = selection.errors
    result = invalid_suite(error, "host")
    assert [case.id for case in selection.cases] == ["api/t/passes", "api/t/fails"]
    assert (result.verdict, result.cause) == (Verdict.UNRESOLVED, Cause.INVALID_SUITE)
    assert result.case == "suites/bad.yaml"
    assert result.repeat_command == "sockgrade lint suites/bad.yaml"
    assert "sokcet" in result.reason


def test_only_targets_with_a_list_are_known() -> None:
    """A student's path is known for nothing, whatever it is called."""
    assert known_of("host") == Known()
    assert known_of("module:here/socket") == Known()
    assert known_of("module:socket").deviations
    assert all(one.reason and one.source for one in known_of("module:socket").deviations)


def test_a_file_of_a_package_of_ours_goes_by_its_dotted_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The model as a module has one list, wherever the user stands; a file that is only called so has none."""
    ours = Path(__file__).parents[1] / "reference" / "blocking.py"
    (tmp_path / "reference").mkdir()
    for name in ("__init__.py", "blocking.py"):
        (tmp_path / "reference" / name).touch()
    read = known_of.__wrapped__  # what is kept for a name holds for one working folder

    assert "processes" in read(f"module:{ours}").lacks
    monkeypatch.chdir(ours.parent)
    assert "processes" in read("module:blocking.py").lacks
    assert "processes" in read("module:../reference/blocking.py").lacks
    monkeypatch.chdir(tmp_path)
    assert read("module:reference/blocking.py") == Known()


LIST = """\
format: 1
target: here
lacks:
  threads: it has one
deviations:
  - cases: ["api/t/*"]
    reason: it is another system
    source: its manual
"""


def known(folder: Path, text: str) -> Known:
    """Read a list."""
    (folder / "deviations").mkdir()
    (folder / "deviations" / "here.yaml").write_text(text)
    return load_known(folder, "here")


def test_a_list_is_read(tmp_path: Path) -> None:
    """What the target lacks, and cases with reason, source and the place in the list."""
    listed = known(tmp_path, LIST)

    (deviation,) = listed.deviations
    assert dict(listed.lacks) == {"threads": "it has one"}
    assert (deviation.cases, deviation.reason, deviation.source) == (("api/t/*",), "it is another system", "its manual")
    assert str(deviation.mark).endswith("deviations/here.yaml:6:5")
    assert deviation.covers("api/t/passes[inet]")
    assert not deviation.covers("api/tt/passes")
    assert load_known(tmp_path, "there") == Known()


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("target: here", "target: there", "2:9: the file is here.yaml and says it is about there"),
        ("target: here\n", "", "1:1: `target` is missing"),
        ("    reason: it is another system\n", "", "6:5: `reason` is missing (a deviation without a reason and"),
        ("    source: its manual\n", "", "6:5: `source` is missing"),
        ("    source: its manual", "    sauce: its manual", "8:5: "),
        ('["api/t/*"]', "api", "6:12: "),
        ("threads: it has one", "thraeds: it has one", "4:3: "),
        ("lacks:\n  threads: it has one", "lacks: [threads]", "3:8: "),
        (LIST, "[]", "1:1: "),
    ],
)
def test_a_wrong_list_is_refused_with_its_place(before: str, after: str, complaint: str, tmp_path: Path) -> None:
    """File, line and column: an excuse that is not well founded is none."""
    with pytest.raises(ScenarioError) as refused:
        known(tmp_path, LIST.replace(before, after))

    assert f"deviations/here.yaml:{complaint}" in str(refused.value)
