"""Programs of ours that behave as students' may, and a network to run them in."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.model.errors import SandboxError
from grader.sandbox import levels, netns, wall
from grader.sandbox.levels import Level
from tests.shell import same_network

SOURCES = Path(__file__).parent / "programs"


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """Compile the programs once, where whom they run as can read them."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("NO C COMPILER: the wall is not tested")
    with wall.fresh_directory() as folder:
        folder.chmod(0o755)
        for source in SOURCES.glob("*.c"):
            flags = ["-O1", "-w", "-pthread", "-o", str(folder / source.stem)]
            subprocess.run([compiler, *flags, str(source)], check=True)
        yield folder


@pytest.fixture
def network() -> Iterator[None]:
    """Put this thread into a fresh network, as a worker does for a case."""
    with same_network():
        try:
            netns.enter_fresh_network()
        except SandboxError as error:
            pytest.skip(f"NO NETWORKS OF ONE'S OWN HERE, the wall is not tested: {error}")
        netns.pin_defaults()
        yield


@pytest.fixture
def level_a() -> None:
    """Leave out what this host cannot do, and say so."""
    netns.prepare_process()
    if levels.best() is not Level.A:
        pytest.skip(f"THE WALL IS NOT TESTED HERE: {levels.why_not(Level.A)}")


def is_gone(process: int) -> bool:
    """Say whether there is no such process any more."""
    return not Path(f"/proc/{process}").exists()
