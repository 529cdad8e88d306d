"""The judge: reads scenarios, runs them against a target, and says what was right and why."""
