"""Reads from a shared library which functions it gives to others, without loading it.

Asking the loader would not do: what a library does not have itself, the loader finds in those that it needs.

Source: Tool Interface Standard, ELF 1.2, Book I; ELF-64 Object File Format 1.5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER = struct.Struct("=16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("=IIQQQQIIQQ")
_SYMBOL = struct.Struct("=IBBHQQ")
_MAGIC, _CLASS_64 = b"\x7fELF", 2
_DYNAMIC_SYMBOLS = 11  # SHT_DYNSYM
_LOCAL, _UNDEFINED, _PUBLIC = 0, 0, {0, 3}  # STB_LOCAL; SHN_UNDEF; STV_DEFAULT and STV_PROTECTED
_FUNCTIONS = {2, 10}  # STT_FUNC and STT_GNU_IFUNC


def functions(path: str) -> frozenset[str]:
    """Give the names of the functions that a 64-bit library of this machine's byte order exports.

    A file that is no such library, or a damaged one, exports nothing: the loader says what is wrong with it.
    """
    with open(path, "rb") as file:
        image = file.read()
    try:
        return frozenset(_functions(image))
    except (struct.error, IndexError, OverflowError, ValueError):
        return frozenset()


def _functions(image: bytes) -> Iterator[str]:
    sections = list(_sections(image))
    for kind, place, size, link in sections:
        if kind != _DYNAMIC_SYMBOLS:
            continue
        _, names, width, _ = sections[link]
        strings = image[names : names + width]
        for name, info, other, section, _, _ in _SYMBOL.iter_unpack(image[place : place + size]):
            is_given = section != _UNDEFINED and info >> 4 != _LOCAL and other & 3 in _PUBLIC
            if is_given and info & 0xF in _FUNCTIONS:
                yield strings[name : strings.index(b"\0", name)].decode("ascii")


def _sections(image: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Give kind, place, size and link of each section."""
    ident, *_, start, _, _, _, _, width, count, _ = _HEADER.unpack_from(image)
    if ident[:4] != _MAGIC or ident[4] != _CLASS_64:
        return
    for index in range(count):
        _, kind, _, _, place, size, link, *_ = _SECTION.unpack_from(image, start + index * width)
        yield kind, place, size, link
