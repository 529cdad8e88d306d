"""Text that came from student code, made harmless to whoever shows it."""

from __future__ import annotations

import re

# Control characters move cursors and set colours and titles; the others turn text round. Newline and tab stay.
# Source: ECMA-48; Unicode Standard Annex 9, explicit directional formatting.
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""Write every character that acts instead of showing as \xNN or \uNNNN."""
    return _ACTIVE.sub(_written, text)


def _written(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
