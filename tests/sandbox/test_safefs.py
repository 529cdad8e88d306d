"""Directories that a hostile program has filled: nothing is followed, nothing waits, nothing is too much."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from grader.sandbox import safefs
from grader.sandbox.safefs import Caps


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Give a file that no student may reach through us."""
    path = tmp_path / "secret"
    path.write_text("hunter2")
    return path


@pytest.fixture
def trap(tmp_path: Path, secret: Path) -> Path:
    """Fill a directory."""
    path = tmp_path / "trap"
    (path / "inner").mkdir(parents=True)
    (path / "file.c").write_text("int x;")
    (path / "inner" / "run").write_text("#!/bin/sh")
    (path / "inner" / "run").chmod(0o4755)
    (path / "link").symlink_to(secret)
    (path / "inner" / "up").symlink_to("..")
    (path / "outside").symlink_to(secret.parent)
    (path / "magic").symlink_to("/proc/self/fd/0")
    os.mkfifo(path / "pipe")
    with closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.bind(str(path / "socket"))
    return path


@pytest.fixture
def folder(trap: Path) -> Iterator[int]:
    """Open the directory."""
    with safefs.opened(os.open(trap, os.O_PATH | os.O_DIRECTORY)) as descriptor:
        yield descriptor


def test_a_regular_file_is_read_up_to_a_limit(folder: int) -> None:
    """Also in a directory further down."""
    assert safefs.read_regular(folder, "file.c") == b"int x;"
    assert safefs.read_regular(folder, "inner/run", limit=2) == b"#!"


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("link", errno.ELOOP),
        ("inner/up/file.c", errno.ELOOP),
        ("outside/secret", errno.ELOOP),
        ("magic", errno.ELOOP),
        ("../secret", errno.EXDEV),
        ("/etc/passwd", errno.EXDEV),
        ("pipe", errno.EINVAL),
        ("socket", errno.ENXIO),
        ("inner", errno.EINVAL),
        ("nothing", errno.ENOENT),
    ],
)
def test_nothing_else_is_read(folder: int, path: str, number: int) -> None:
    """No link, nothing outside, nothing that is no file; and a pipe does not make us wait."""
    with pytest.raises(OSError, match=r".") as refused:
        safefs.read_regular(folder, path)

    assert refused.value.errno == number


def test_a_path_is_looked_at_without_following_it(folder: int) -> None:
    """A link is a link, wherever it leads."""
    assert safefs.kind(safefs.look_at(folder, "link").st_mode) == "a symbolic link"
    assert safefs.kind(safefs.look_at(folder, "inner/run").st_mode) == "a file"
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        safefs.look_at(folder, "outside/secret")


def test_a_socket_is_reached_however_deep_it_lies(tmp_path: Path) -> None:
    """Its path may be longer than the 107 bytes of an address."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    before = Path.cwd()
    with closing(socket.socket(socket.AF_UNIX)) as server, closing(socket.socket(socket.AF_UNIX)) as client:
        os.chdir(deep)
        server.bind("sock")
        os.chdir(before)
        server.listen()
        with safefs.opened(os.open(tmp_path, os.O_PATH)) as folder:
            safefs.connect_unix(folder, f"{deep.parent.name}/{deep.name}/sock", client)


def test_a_link_to_a_socket_of_this_host_is_not_followed(tmp_path: Path, trap: Path, folder: int) -> None:
    """That is how a harness is made to speak to a daemon of root's."""
    with closing(socket.socket(socket.AF_UNIX)) as daemon, closing(socket.socket(socket.AF_UNIX)) as client:
        daemon.bind(str(tmp_path / "daemon"))
        daemon.listen()
        (trap / "sock").symlink_to(tmp_path / "daemon")

        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            safefs.connect_unix(folder, "sock", client)
        with pytest.raises(OSError, match="not a socket but a pipe"):
            safefs.connect_unix(folder, "pipe", client)


def test_a_tree_is_copied_without_its_traps(trap: Path, tmp_path: Path) -> None:
    """Files and directories; for everything else a sentence."""
    target = tmp_path / "copy"
    target.mkdir()

    left_out = safefs.copy_tree(trap, target)

    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == ["file.c", "inner", "inner/run"]
    assert (target / "inner" / "run").stat().st_mode & 0o7777 == 0o755  # no set-user-ID
    assert left_out == (
        "inner/up: left out, a symbolic link",
        "link: left out, a symbolic link",
        "magic: left out, a symbolic link",
        "outside: left out, a symbolic link",
        "pipe: left out, a pipe",
        "socket: left out, a socket",
    )


def test_one_file_is_copied_alone(trap: Path, tmp_path: Path) -> None:
    """A submission may be a file."""
    target = tmp_path / "copy"
    target.mkdir()

    assert safefs.copy_tree(trap / "file.c", target) == ()
    assert [path.name for path in target.iterdir()] == ["file.c"]


@pytest.mark.parametrize(
    ("caps", "sentence"),
    [
        (Caps(files=2), ".: left out, a directory with more than 2 entries"),
        (Caps(files=8), "socket: left out, more than 8 files"),
        (Caps(total_bytes=10), "inner/run: left out, all files together are larger than 0 MiB"),
        (Caps(depth=0), "inner: left out, more than 0 directories deep"),
    ],
)
def test_a_copy_has_limits(trap: Path, tmp_path: Path, caps: Caps, sentence: str) -> None:
    """Of files, of bytes, of depth; what is beyond is named."""
    target = tmp_path / "copy"
    target.mkdir()

    assert sentence in safefs.copy_tree(trap, target, caps)


def test_a_link_in_the_target_is_not_written_through(trap: Path, tmp_path: Path, secret: Path) -> None:
    """Copying over what a student has made is as dangerous as reading it."""
    target = tmp_path / "copy"
    target.mkdir()
    (target / "file.c").symlink_to(secret)

    assert "file.c: left out, Too many levels of symbolic links" in safefs.copy_tree(trap, target)
    assert secret.read_text() == "hunter2"


def test_the_size_of_a_tree_is_counted_without_leaving_it(folder: int) -> None:
    """Two directories, seven entries beside the inner one; it stops when there are too many."""
    assert safefs.size_of_tree(folder, 100)[0] >= 8
    assert safefs.size_of_tree(folder, 3)[0] <= 5


def test_a_tree_is_removed_and_nothing_behind_its_links(trap: Path, secret: Path) -> None:
    """Also where every permission was taken away."""
    (trap / "inner").chmod(0)
    trap.chmod(0)

    safefs.remove_tree(str(trap))

    assert not trap.exists()
    assert secret.exists()
