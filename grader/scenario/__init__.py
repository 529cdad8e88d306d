"""Text to nouns: scenario files are read, checked, linted and expanded to cases here, and nowhere else."""

from grader.scenario.load import Loaded, is_scenario_file, load, load_claims
from grader.scenario.read import has_libyaml

__all__ = ["Loaded", "has_libyaml", "is_scenario_file", "load", "load_claims"]
