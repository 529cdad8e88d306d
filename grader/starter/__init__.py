"""What a student begins with: a module or a library of sockets in which every call says that it is not written yet."""

from __future__ import annotations

from pathlib import Path

from grader.model.errors import UsageError

_TEMPLATES = Path(__file__).parent
KINDS = ("module", "library")


def write_kit(kind: str, directory: Path) -> list[Path]:
    """Write the files of a new module or library into the directory, which is made if it is not there.

    Returns:
        The files, first the one that says how to go on.

    Raises:
        UsageError: one of the files is there already; nothing has been written then.
    """
    there = (path for path in (_TEMPLATES / kind).iterdir() if path.is_file())
    templates = sorted(there, key=lambda path: (path.suffix != ".md", path.name))
    files = [directory / template.name for template in templates]
    for file in files:
        if file.exists():
            raise UsageError(f"{file} is there already: choose another folder, or take it away first")
    directory.mkdir(parents=True, exist_ok=True)
    for template, file in zip(templates, files, strict=True):
        file.write_bytes(template.read_bytes())
    return files
