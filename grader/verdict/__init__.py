"""Seen against expected: what a history is worth, what was wrong, and the sentence for the student."""
