"""What building a program and building a library have in common: how C is compiled, and what to show of the answer."""

from __future__ import annotations

import re
from pathlib import Path

COMPILE = tuple("gcc -std=c11 -D_GNU_SOURCE -Wall -Wextra -O1 -g -pthread".split())
PATIENCE_S = 60.0  # for a compiler; what students hand in takes it less than a second
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_ERROR = re.compile(r"(?<!collect2: )error:|undefined reference|\*\*\* |Error")
_SHOWN_ERRORS = 3


def has_makefile(folder: Path) -> bool:
    """Say whether `make` would find its instructions there."""
    return any((folder / name).is_file() for name in _MAKEFILES)


def first_errors(printed: str) -> str:
    """Give the first errors that a compiler or `make` has printed; without any, the last thing it said."""
    lines = [line.strip() for line in printed.splitlines()]
    errors = [line for line in lines if _ERROR.search(line)] or list(filter(None, lines))[-1:]
    return "; ".join(errors[:_SHOWN_ERRORS])
