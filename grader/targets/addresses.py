"""Addresses for a case, made fresh, and the file system calls that go with AF_UNIX names."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from grader.model.errors import TargetError
from grader.model.outcomes import Broken, Failed, Outcome, Succeeded
from grader.model.scenarios import AddressSpec, Case
from grader.model.values import Address, InetAddress, Plain, UnixAddress
from grader.ops import ADDRESS_KINDS

# Below the ephemeral range of Linux (32768-60999), so that an implicit bind never takes one of ours.
_FIRST_PORT, _LAST_PORT = 20000, 30000
_LOOPBACK = {"inet": "127.0.0.1", "inet6": "::1"}
_KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
_ANY = {"inet": "0.0.0.0", "inet6": "::"}
# Documentation prefixes that no host owns. Source: RFC 5737, RFC 3849.
_FOREIGN = {"inet": "192.0.2.1", "inet6": "2001:db8::1"}
_IPS = {"wildcard": _ANY, "foreign": _FOREIGN}
# sun_path holds 108 bytes on Linux and at most 104 elsewhere. Source: unix(7); POSIX.1-2024 <sys/un.h>.
_TOO_LONG = 200

_MEMORY = "/dev/shm"  # noqa: S108 - only the parent: each case has a folder of its own in it, made by mkdtemp

PATH_OPS = frozenset({"path_type", "make_file", "unlink"})

# Workers have neighbouring numbers, and each should try ports where its neighbours do not.
_shared_ports = itertools.cycle(range(_FIRST_PORT + os.getpid() * 101 % 5000, _LAST_PORT))


def _bind_and_leave(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as owner:
        owner.bind(path)


def allot(
    case: Case, directory: Path, *, own_net: bool, make_stale: Callable[[str], None] = _bind_and_leave
) -> dict[str, Address]:
    """Make every address the case uses, by placeholder name.

    In a network of its own a case may have any port; in the host's network each port is probed first.
    A stale path is really made stale here, by `make_stale`: unless told otherwise, a socket is bound to it and closed.
    """
    next_port = itertools.count(_FIRST_PORT).__next__ if own_net else _unused_port
    made: dict[str, Address] = {}
    for name, spec in sorted(case.addresses.items()):
        made[name] = _make(name, spec, directory, next_port)
        if spec.kind == "stale":
            make_stale(_path(directory, name))
    return made


def _path(directory: Path, name: str) -> str:
    return f"{directory}/{name}"  # every case asks, and joining paths as such costs five times as much


def _unused_port() -> int:
    for port in itertools.islice(_shared_ports, _LAST_PORT - _FIRST_PORT):
        if all(itertools.starmap(_is_free, ((port, kind, domain) for kind in _KINDS for domain in _ANY))):
            return port
    raise TargetError("no unused port is left on loopback: close what listens there, or allow network namespaces")


def _is_free(port: int, kind: socket.SocketKind, domain: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if domain == "inet6" else socket.AF_INET, kind) as probe:
            probe.bind((_ANY[domain], port))  # any local address that holds the port counts
    except OSError as error:
        return error.errno != errno.EADDRINUSE  # a host without IPv6 has nobody there either
    return True


def _make(name: str, spec: AddressSpec, directory: Path, next_port: Callable[[], int]) -> Address:
    if spec.domain not in ADDRESS_KINDS[spec.kind][0]:
        raise TargetError(f"an address of kind {spec.kind} does not exist in {spec.domain}")
    if spec.kind == "otherfam":
        return UnixAddress(_path(directory, name)) if spec.domain == "inet" else InetAddress("127.0.0.1", next_port())
    return _unix(name, spec.kind, directory) if spec.domain == "unix" else _inet(spec, next_port)


def _inet(spec: AddressSpec, next_port: Callable[[], int]) -> Address:
    ip = _IPS.get(spec.kind, _LOOPBACK)[spec.domain]
    return InetAddress(ip, 0 if spec.kind == "ephemeral" else next_port())


def _unix(name: str, kind: str, directory: Path) -> Address:
    match kind:
        case "ephemeral":
            return UnixAddress()
        case "abstract":
            return UnixAddress(abstract=f"sockgrade{directory}/{name}")  # other workers may share the network
        case "toolong":
            return UnixAddress(_path(directory, "n" * _TOO_LONG))
        case "homeless":
            return UnixAddress(_path(directory, f"missing/{name}"))
    return UnixAddress(_path(directory, name))


def short_lived_folder() -> str | None:
    """Give where folders of cases are made: in memory, where binding a name is twenty times faster than on disk.

    None is the system's own choice. The path stays short, because that of a socket may have 107 bytes.
    """
    return _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None


PathCalls: TypeAlias = Mapping[str, Callable[[str], dict[str, Plain]]]


def path_operation(op: str, address: Plain, calls: PathCalls | None = None) -> Outcome:
    """Carry out one of `PATH_OPS`: on the real file system, or with calls on another that raise OSError as it does.

    Source: POSIX.1-2024 stat(), open(), unlink().
    """
    if not isinstance(address, UnixAddress) or address.path is None:
        return Broken(f"{op} needs an AF_UNIX path, not {address!r}", "invalid-suite")
    try:
        return Succeeded((calls or _PATH_CALLS)[op](address.path))
    except OSError as error:
        number = error.errno or 0
        return Failed(errno.errorcode.get(number, f"E#{number}"), number)


def _path_type(path: str) -> dict[str, Plain]:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return {"type": "none"}
    for is_type, word in ((stat.S_ISSOCK, "socket"), (stat.S_ISDIR, "directory"), (stat.S_ISREG, "file")):
        if is_type(mode):
            return {"type": word}
    return {"type": "other"}


def _make_file(path: str) -> dict[str, Plain]:
    Path(path).touch(exist_ok=False)
    return {}


def _unlink(path: str) -> dict[str, Plain]:
    Path(path).unlink()
    return {}


_PATH_CALLS: PathCalls = {
    "path_type": _path_type,
    "make_file": _make_file,
    "unlink": _unlink,
}
