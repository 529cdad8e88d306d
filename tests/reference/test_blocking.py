"""The model behind calls that block, called in this process: how values are spelled, and where files are."""

from __future__ import annotations

import errno
import importlib.util
import os
import select
import socket as system
import struct
from pathlib import Path
from types import ModuleType

import pytest

from reference import Unix
from reference.blocking import RealFiles
from reference.errors import Error

_FILE = Path(__file__).parents[2] / "reference" / "blocking.py"


@pytest.fixture
def sockets() -> ModuleType:
    """Give the module with a kernel of its own; imported in the usual way there is one for the whole process."""
    spec = importlib.util.spec_from_file_location("blocking", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def number(failing: pytest.ExceptionInfo[OSError]) -> int | None:
    """Give the errno of what was raised."""
    return failing.value.errno


# -- spelling ----------------------------------------------------------------------------------------------


def test_descriptors_begin_at_three(sockets: ModuleType) -> None:
    """The module's descriptors are the model's, whatever the process has open."""
    assert sockets.socket(system.AF_INET, system.SOCK_STREAM, 0) == 3
    assert sockets.socketpair(system.AF_UNIX, system.SOCK_SEQPACKET, 0) == (4, 5)
    assert sockets.dup(4) == 6


@pytest.mark.parametrize(
    ("domain", "address"),
    [
        (system.AF_INET, ("127.0.0.1", 20000)),
        (system.AF_INET6, ("::1", 20000, 0, 0)),
        (system.AF_UNIX, "name"),
        (system.AF_UNIX, b"\0name"),
    ],
)
def test_an_address_comes_back_as_it_went_in(
    sockets: ModuleType, domain: int, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tuples of two and of four, a path, and an abstract name as bytes."""
    monkeypatch.chdir(tmp_path)
    fd = sockets.socket(domain, system.SOCK_DGRAM, 0)

    sockets.bind(fd, address)

    assert sockets.getsockname(fd) == address


def test_a_socket_without_a_name_has_an_empty_one(sockets: ModuleType) -> None:
    """An unnamed AF_UNIX socket has the path of no letters, its datagrams come from nobody."""
    one, other = sockets.socketpair(system.AF_UNIX, system.SOCK_DGRAM, 0)
    sockets.send(one, b"hello", 0)

    assert sockets.getsockname(one) == ""
    assert sockets.recvfrom(other, 9, 0) == (b"hello", "")


def test_a_failure_is_an_oserror_with_its_number(sockets: ModuleType) -> None:
    """Symbols of the model become numbers, and number and text belong together."""
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)) as failing:
        sockets.listen(3, 1)
    assert number(failing) == errno.EBADF

    with pytest.raises(OSError, match=os.strerror(errno.EAFNOSUPPORT)) as failing:
        sockets.socket(9999, system.SOCK_STREAM, 0)
    assert number(failing) == errno.EAFNOSUPPORT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (system.SO_REUSEADDR, 1),
        (system.SO_LINGER, struct.pack("ii", 1, 7)),
        (system.SO_LINGER, struct.pack("ii", 0, 0)),
        (system.SO_RCVTIMEO, struct.pack("ll", 3, 5000)),
    ],
)
def test_an_option_comes_back_as_it_went_in(sockets: ModuleType, name: int, value: int | bytes) -> None:
    """Numbers, and the bytes of structures."""
    fd = sockets.socket(system.AF_INET, system.SOCK_STREAM, 0)

    sockets.setsockopt(fd, system.SOL_SOCKET, name, value)

    assert sockets.getsockopt(fd, system.SOL_SOCKET, name) == value


def test_words_of_the_model_are_numbers_here(sockets: ModuleType) -> None:
    """Domain, type and protocol as `socket` took them, and the error that waits as its errno."""
    fd = sockets.socket(system.AF_INET6, system.SOCK_DGRAM, 0)
    sockets.connect(fd, ("::1", 20000, 0, 0))
    sockets.send(fd, b"to nobody", 0)

    names = (system.SO_DOMAIN, system.SO_TYPE, system.SO_PROTOCOL, system.SO_ERROR, system.SO_ERROR)
    values = [sockets.getsockopt(fd, system.SOL_SOCKET, name) for name in names]
    assert values == [system.AF_INET6, system.SOCK_DGRAM, system.IPPROTO_UDP, errno.ECONNREFUSED, 0]


def test_an_unknown_option_is_refused(sockets: ModuleType) -> None:
    """A number that names no option at that level."""
    fd = sockets.socket(system.AF_INET, system.SOCK_STREAM, 0)

    with pytest.raises(OSError, match=os.strerror(errno.ENOPROTOOPT)) as failing:
        sockets.getsockopt(fd, system.IPPROTO_TCP, 9999)
    assert number(failing) == errno.ENOPROTOOPT


def test_what_is_ready_comes_in_each_calls_own_form(sockets: ModuleType) -> None:
    """`poll` gives events by descriptor, `select` three lists."""
    one, other = sockets.socketpair(system.AF_UNIX, system.SOCK_STREAM, 0)
    sockets.send(other, b"x", 0)
    both = select.POLLIN | select.POLLOUT

    assert sockets.poll([(one, both), (other, select.POLLIN)], 0) == [(one, both)]
    assert sockets.select([one, other], [other], [one], 0) == ([one], [other], [])
    assert sockets.select([other], [], [], 0) == ([], [], [])


def test_a_message_that_was_cut_says_so(sockets: ModuleType) -> None:
    """`recvmsg` fills its buffers in order and gives the flags as a number."""
    one, other = sockets.socketpair(system.AF_UNIX, system.SOCK_DGRAM, 0)
    sockets.sendmsg(one, [b"ab", b"cdef"], None, 0)

    data, flags, _ = sockets.recvmsg(other, [1, 3], 0)

    assert (data, flags) == (b"abcd", system.MSG_TRUNC)


def test_a_time_limit_ends_a_wait(sockets: ModuleType) -> None:
    """Virtual time follows the real clock while a call waits, so the limit is reached without anybody's help."""
    fd, _ = sockets.socketpair(system.AF_UNIX, system.SOCK_STREAM, 0)
    sockets.setsockopt(fd, system.SOL_SOCKET, system.SO_RCVTIMEO, struct.pack("ll", 0, 2000))

    with pytest.raises(BlockingIOError):
        sockets.recv(fd, 1, 0)
    assert sockets.poll([(fd, select.POLLIN)], 2) == []
    assert sockets.select([fd], [], [], 0.002) == ([], [], [])


# -- files -------------------------------------------------------------------------------------------------


def test_a_bound_name_is_a_file_that_others_see(sockets: ModuleType, tmp_path: Path) -> None:
    """It stays when the socket is closed, and stands in the way of the next."""
    path = tmp_path / "name"
    first, second = (sockets.socket(system.AF_UNIX, system.SOCK_STREAM, 0) for _ in range(2))

    sockets.bind(first, str(path))
    assert path.is_socket()
    sockets.close(first)
    assert path.is_socket()

    with pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)) as failing:
        sockets.bind(second, str(path))
    assert number(failing) == errno.EADDRINUSE


def test_a_name_that_was_removed_leads_nowhere(sockets: ModuleType, tmp_path: Path) -> None:
    """Who removes the file takes the name from the socket; a file put in its place is not the socket."""
    path = tmp_path / "name"
    server, client = (sockets.socket(system.AF_UNIX, system.SOCK_DGRAM, 0) for _ in range(2))
    sockets.bind(server, str(path))
    sockets.sendto(client, b"found", str(path), 0)
    path.unlink()

    with pytest.raises(FileNotFoundError):
        sockets.sendto(client, b"lost", str(path), 0)
    path.touch()
    with pytest.raises(ConnectionRefusedError):
        sockets.sendto(client, b"lost", str(path), 0)
    assert sockets.getsockname(server) == str(path)


def test_files_are_what_they_are(tmp_path: Path) -> None:
    """Each type by its word; a name that cannot be made fails with the errno of mknod()."""
    files = RealFiles()
    (tmp_path / "file").touch()

    assert [files.type_of(str(tmp_path / name)) for name in ("file", ".", "nothing")] == ["file", "directory", "none"]
    assert [files.has_folder_for(name) for name in ("name", f"{tmp_path}/name", f"{tmp_path}/file/name")] == [1, 1, 0]
    with pytest.raises(Error) as failing:
        files.make_socket(str(tmp_path / "no" / "folder"), Unix())
    assert failing.value.errno == "ENOENT"
