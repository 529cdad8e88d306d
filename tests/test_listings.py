"""`list` and `show` on what is not quite as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.cli import main
from tests.shell import BAD, PASSES, write


def test_claims_of_files_elsewhere_are_listed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no list of claims stands beside them, a claim may have any name."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, PASSES)
    path = tmp_path / "suites" / "t.yaml"
    path.write_text(path.read_text().replace("lecture.descriptor", "elsewhere.claim"))

    assert main(["list", "--claims", "suites"]) == 2

    assert "elsewhere.claim: 1 scenarios, 1 cases" in capsys.readouterr().out


def test_what_has_no_case_cannot_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad file says what is wrong with it, an empty folder that nothing is in it."""
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text(BAD)
    Path("empty").mkdir()

    assert main(["show", "bad.yaml"]) == 2
    assert main(["show", "empty"]) == 2

    said = capsys.readouterr().err
    assert "sokcet" in said
    assert "empty: no case is in it" in said
