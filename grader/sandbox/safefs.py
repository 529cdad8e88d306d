"""Files in directories where a hostile program may have put links, pipes, devices and sockets.

Every path that a student may have made goes through here. The kernel itself refuses to leave the directory or
to follow a link (openat2(2)), so there is no moment between a check and a use. Nothing here ever waits for a
pipe to be opened, and nothing but regular files is read.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import socket
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_OPENAT2 = 437  # on every architecture
_RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 2, 4, 8
_RESOLVE = _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_CHUNK = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
}


def open_beneath(directory: int, path: str, flags: int, mode: int = 0) -> int:
    """Open a path below a directory, following no link and never leaving it.

    Raises:
        OSError: ELOOP for a link, EXDEV for `..` or an absolute path that leads out, else as open().
    """
    never_a_terminal = 0 if flags & os.O_PATH else os.O_NOCTTY
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC | never_a_terminal, mode, _RESOLVE)
    descriptor: int = _libc.syscall(_OPENAT2, directory, os.fsencode(path), how, len(how))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return descriptor


def open_regular(directory: int, path: str) -> int:
    """Open a regular file for reading.

    Raises:
        OSError: as `open_beneath`; EINVAL if it is no regular file.
    """
    descriptor = open_beneath(directory, path, os.O_RDONLY | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"not a regular file but {kind(mode)}", path)
    return descriptor


def read_regular(directory: int, path: str, limit: int = 1 << 20) -> bytes:
    """Give the first `limit` bytes of a regular file.

    Raises:
        OSError: as `open_regular`.
    """
    with open(open_regular(directory, path), "rb") as file:
        return file.read(limit)


def look_at(directory: int, path: str) -> os.stat_result:
    """Give the status of a path itself, without opening what it names: a link is a link.

    Raises:
        OSError: a directory on the way is a link or is not there.
    """
    parent, name = os.path.split(path.rstrip("/"))
    with opened(open_beneath(directory, parent or ".", os.O_PATH | os.O_DIRECTORY)) as folder:
        return os.stat(name or ".", dir_fd=folder, follow_symlinks=False)


def connect_unix(directory: int, path: str, sock: socket.socket) -> None:
    """Connect to a socket that student code has bound below a directory, however long its path is.

    Raises:
        OSError: as `open_beneath`; ENOTSOCK if it is no socket; as connect().
    """
    with opened(open_beneath(directory, path, os.O_PATH)) as place:
        mode = os.fstat(place).st_mode
        if not stat.S_ISSOCK(mode):
            raise OSError(errno.ENOTSOCK, f"not a socket but {kind(mode)}", path)
        sock.connect(f"/proc/self/fd/{place}")


def kind(mode: int) -> str:
    """Name what a mode is the mode of."""
    return _KINDS.get(stat.S_IFMT(mode), "a file")


@dataclass(frozen=True, slots=True)
class Caps:
    """How much of a tree is taken."""

    files: int = 2000  # directories count
    total_bytes: int = 64 << 20
    depth: int = 24


@dataclass(slots=True)
class _Copy:
    caps: Caps
    owner: int
    files: int = 0
    total_bytes: int = 0
    left_out: list[str] | None = None

    def leave_out(self, path: str, why: str) -> None:
        self.left_out = [*(self.left_out or ()), f"{path}: left out, {why}"]


def copy_tree(source: Path, target: Path, caps: Caps = Caps(), owner: int = -1) -> tuple[str, ...]:
    """Copy the regular files and directories of a tree into an existing directory.

    Args:
        source: a directory, or one file.
        target: where to; what is in it already stays.
        caps: what goes beyond them is left out.
        owner: the user to whom the copy belongs, -1 for this one.

    Returns:
        One sentence for each thing that was left out: links, pipes, devices, sockets, unreadable or too much.

    Raises:
        OSError: the source itself cannot be opened.
    """
    copy = _Copy(caps, owner)
    is_file = source.is_file() and not source.is_symlink()
    top = source.parent if is_file else source
    with opened(os.open(top, _DIRECTORY)) as from_fd, opened(os.open(target, _DIRECTORY)) as to_fd:
        if is_file:
            _copy_entry(copy, from_fd, to_fd, source.name, source.name)
        else:
            _copy_directory(copy, from_fd, to_fd, "")
    return tuple(copy.left_out or ())


def _copy_directory(copy: _Copy, from_fd: int, to_fd: int, place: str) -> None:
    with os.scandir(from_fd) as entries:
        names = [entry.name for entry, _ in zip(entries, range(copy.caps.files + 1), strict=False)]
    if len(names) > copy.caps.files:  # which of them came first is chance
        copy.leave_out(place or ".", f"a directory with more than {copy.caps.files} entries")
        return
    for name in sorted(names):
        _copy_entry(copy, from_fd, to_fd, name, f"{place}{name}")


def _copy_entry(copy: _Copy, from_fd: int, to_fd: int, name: str, shown: str) -> None:
    if copy.files >= copy.caps.files:
        copy.leave_out(shown, f"more than {copy.caps.files} files")
        return
    copy.files += 1
    try:
        mode = os.stat(name, dir_fd=from_fd, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            _enter(copy, from_fd, to_fd, name, shown)
        elif stat.S_ISREG(mode):
            _copy_file(copy, from_fd, to_fd, name, shown)
        else:
            copy.leave_out(shown, kind(mode))
    except OSError as error:  # it has changed under us, or we may not read it
        copy.leave_out(shown, error.strerror or str(error))


def _enter(copy: _Copy, from_fd: int, to_fd: int, name: str, shown: str) -> None:
    if shown.count("/") >= copy.caps.depth:
        copy.leave_out(shown, f"more than {copy.caps.depth} directories deep")
        return
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=to_fd)
    with (
        opened(open_beneath(from_fd, name, _DIRECTORY)) as inner_from,
        opened(open_beneath(to_fd, name, _DIRECTORY)) as inner_to,
    ):
        os.fchown(inner_to, copy.owner, copy.owner)
        _copy_directory(copy, inner_from, inner_to, f"{shown}/")


def _copy_file(copy: _Copy, from_fd: int, to_fd: int, name: str, shown: str) -> None:
    with open(open_regular(from_fd, name), "rb") as source:
        status = os.fstat(source.fileno())
        if copy.total_bytes + status.st_size > copy.caps.total_bytes:
            copy.leave_out(shown, f"all files together are larger than {copy.caps.total_bytes >> 20} MiB")
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with open(open_beneath(to_fd, name, flags, 0o755 if status.st_mode & 0o111 else 0o644), "wb") as target:
            os.fchown(target.fileno(), copy.owner, copy.owner)
            # As much as it had when it was measured: one that grows while it is read ends there.
            left = status.st_size
            while left and (chunk := source.read(min(_CHUNK, left))):
                left -= target.write(chunk)
            copy.total_bytes += status.st_size


def size_of_tree(directory: int, files: int) -> tuple[int, int]:
    """Give how many files a tree has and what they take up in bytes; stops counting beyond `files`."""
    count = taken = 0
    with contextlib.suppress(OSError):  # it changes under us
        for _, _, names, folder in os.fwalk(".", dir_fd=directory, follow_symlinks=False):
            count += 1
            for name in names:
                with contextlib.suppress(OSError):
                    taken += os.stat(name, dir_fd=folder, follow_symlinks=False).st_blocks * 512
                count += 1
                if count > files:
                    return count, taken
    return count, taken


def remove_tree(path: str) -> None:
    """Remove a directory with all that is in it, also where a program has taken every permission away."""
    if shutil.rmtree.avoids_symlink_attacks:
        shutil.rmtree(path, ignore_errors=True)
    if not os.path.lexists(path):
        return
    for folder, names, _ in os.walk(path):
        for name in [folder, *(os.path.join(folder, name) for name in names)]:
            if not os.path.islink(name):
                with contextlib.suppress(OSError):
                    os.chmod(name, 0o700)
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def opened(descriptor: int) -> Iterator[int]:
    """Close a descriptor at the end."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)
