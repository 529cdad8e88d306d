"""Paths that a process may use and no others, without any privilege: for hosts that allow no namespaces.

Source: Linux landlock(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_PATH_BENEATH = 1
_VERSION = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST_ABI = (1 << 13) - 1  # what the first version could restrict
_LATER = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEV}  # version: what came with it
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_SCOPES = 3  # abstract addresses and signals stay among those that are restricted together; from version 6

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Give the version that this kernel has, 0 if none."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def restrict(readable: Iterable[str], writable: Iterable[str], devices: Iterable[str]) -> None:
    """Leave this process, and all that comes from it, only these paths and what is below them.

    The process needs no_new_privs. Does nothing where the kernel has no Landlock.

    Raises:
        OSError: the kernel refuses, which it does for no reason that we know.
    """
    abi = version()
    if abi == 0:
        return
    everything = _FIRST_ABI | sum(right for since, right in _LATER.items() if abi >= since)
    ruleset = _create(everything, abi)
    for paths, rights in ((readable, _READ), (writable, everything), (devices, _READ_FILE | _WRITE_FILE)):
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                _allow(ruleset, path, rights & everything)
    _call(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _create(everything: int, abi: int) -> int:
    fields = [everything, *([0] if abi >= 4 else []), *([_SCOPES] if abi >= 6 else [])]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    return _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    answer: int = _libc.syscall(number, *arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "landlock")
    return answer
