"""What is published works where nothing of the repository is: the wheel, in an environment of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow  # builds and installs a distribution


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without the settings of this test run, and give what it printed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "COVERAGE"))}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build what would be published: the source archive, and the wheel from that archive."""
    dist = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, cwd=ROOT)
    return dist


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the `bin` of a new environment that has the wheel, and of everything else what this one has.

    A line in a `.pth` file lends the third parties, so nothing has to be downloaded. The repository itself
    is not lent: paths named in the `.pth` files of a lent folder are not followed.
    """
    home = tmp_path_factory.mktemp("home")
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    python = home / "bin" / "python"
    install = ("install", "--quiet", "--no-index", "--no-deps", next(dist.glob("*.whl")))
    run(sys.executable, "-m", "pip", "--python", python, *install, cwd=home)
    folder = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).strip())
    (folder / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return home / "bin"


def names(folder: str, *, below: str = "") -> set[str]:
    """Give the files of a folder of the repository but for caches, as paths below another."""
    files = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
    return {below + path.as_posix() for path in files if not re.search(r"cache\w*/", path.as_posix())}


def test_the_wheel_holds_the_judge_and_its_suites(dist: Path) -> None:
    """The wheel has every file of grader/, reference/ and suites/ but the model solutions, and nothing else."""
    held = set(zipfile.ZipFile(next(dist.glob("*.whl"))).namelist())
    model = {name for name in names("reference") if not name.startswith("reference/programs/")}

    told = {name for name in held if ".dist-info/" in name}

    assert held - told == names("grader") | model | names("suites", below="grader/")
    assert {name.rpartition("/")[2] for name in told} >= {"LICENSE", "METADATA", "entry_points.txt"}


def test_the_source_archive_can_be_tested(dist: Path) -> None:
    """The source archive has what the tests and the samples need, not only what the wheel is built from."""
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}

    folders = ("grader", "reference", "suites", "tests", "fixtures", "ci")
    assert held >= set().union(*(names(folder) for folder in folders))
    assert held >= {"pyproject.toml", "Makefile", "README.md", "LICENSE", "CHANGELOG.md"}


def test_the_installed_grader_is_not_the_repository(installed: Path, tmp_path: Path) -> None:
    """The environment imports the judge from the wheel: what the next tests see is what a user gets."""
    place = run(installed / "python", "-c", "import grader; print(grader.__file__)", cwd=tmp_path)

    assert Path(place.strip()).is_relative_to(installed.parent)


def test_the_installed_command_finds_its_suites(installed: Path, tmp_path: Path) -> None:
    """In an empty folder the command lists the same cases as in the repository."""
    here = run(Path(sys.executable).with_name("sockgrade"), "list", cwd=ROOT)

    there = run(installed / "sockgrade", "list", cwd=tmp_path)

    assert there.splitlines()
    assert there == here


def test_the_installed_command_grades_this_host(installed: Path, tmp_path: Path) -> None:
    """In an empty folder the command runs a suite against this host's own sockets, all pass, and nothing is left."""
    printed = run(installed / "sockgrade", "run", "api/listen-accept", "--target", "host", cwd=tmp_path)

    assert re.search(r"^[1-9]\d* PASS in ", printed, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


def test_the_installed_plugin_finds_scenarios(installed: Path, tmp_path: Path) -> None:
    """The other front door opens from the wheel too: pytest runs the suites that lie beside the plugin."""
    suite = installed.parent.joinpath("lib").glob("python*/site-packages/grader/suites/api/socketpair")

    printed = run(installed / "python", "-m", "pytest", "-p", "grader.pytest_plugin", next(suite), cwd=tmp_path)

    assert re.search(r"\b[1-9]\d* passed", printed)
