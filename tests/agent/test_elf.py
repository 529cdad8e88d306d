"""What a shared library gives to others, read from its file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.agent import elf

SOURCE = """
int data = 3;
static int own(void) { return data; }
__attribute__((visibility("hidden"))) int hidden(void) { return own(); }
int shown(void) { return hidden(); }
__attribute__((weak)) int weak(void) { return getpid(); }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile a library with functions of every visibility."""
    folder = tmp_path_factory.mktemp("elf")
    (folder / "some.c").write_text("#include <unistd.h>" + SOURCE)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", "some.so", "some.c"], cwd=folder, check=True)
    return folder / "some.so"


def test_only_what_is_given_to_others_is_named(library: Path) -> None:
    """Not what is private or hidden, not data, and not what the library takes from others."""
    assert elf.functions(str(library)) - {"_init", "_fini"} == {"shown", "weak"}


@given(cut=st.integers(0, 20_000), at=st.integers(0, 2000), to=st.integers(0, 255))
def test_a_damaged_library_exports_less_and_raises_nothing(library: Path, cut: int, at: int, to: int) -> None:
    """Whatever was handed in under the name of a library, reading it ends in names."""
    image = bytearray(library.read_bytes()[:cut] or b"-")
    image[at % len(image)] = to
    damaged = library.with_name("damaged.so")
    damaged.write_bytes(image)

    assert all(isinstance(name, str) for name in elf.functions(str(damaged)))
