"""What is well formed and still wrong: the lints L1 to L16."""

from __future__ import annotations

from grader.scenario.expand import Built
from grader.scenario.read import Node
from grader.scenario.scopes import Source


def lint(root: Node, source: Source, built: tuple[Built, ...], taken: dict[str, str]) -> None:
    """Apply every lint to a file."""
