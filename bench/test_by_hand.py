"""The cases of by_hand.py as somebody would give them to pytest."""

from __future__ import annotations

import by_hand
import pytest


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [pytest.param(scenario, kind, id=f"{scenario.__name__}-{kind}") for scenario, kind in by_hand.CASES],
)
def test_by_hand(scenario: by_hand.Scenario, kind: by_hand.Kind) -> None:
    """Runs one case."""
    scenario(kind)
