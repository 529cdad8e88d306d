"""A pretend file system: paths, and the sockets bound to them.

Binding an AF_UNIX socket makes a file of type socket. The file is only a name: it holds no data, it stays when
the socket is closed, and removing it does not end a connection. Source: POSIX.1-2024 bind(); Linux unix(7).
"""

from __future__ import annotations

import posixpath
from typing import Protocol

from reference.errors import Error


class Owner(Protocol):
    """A socket that may stand behind a name."""


class Files:
    """Every path that exists, and who answers behind it."""

    def __init__(self) -> None:
        """Begin with an empty root."""
        self._types: dict[str, str] = {"": "directory", "/": "directory"}
        self._owners: dict[str, Owner] = {}

    def type_of(self, path: str) -> str:
        """Give `none`, `socket`, `file` or `directory`."""
        return self._types.get(path, "none")

    def has_folder_for(self, path: str) -> bool:
        """Whether the folder exists that the path lies in; a path without one lies in the working directory."""
        return self.type_of(posixpath.dirname(path)) == "directory"

    def make_folder(self, path: str) -> None:
        """Make a folder, and those it lies in."""
        while path not in self._types:
            self._types[path] = "directory"
            path = posixpath.dirname(path)

    def make_file(self, path: str) -> None:
        """Put a regular file there."""
        if self.type_of(path) != "none":
            raise Error("EEXIST")
        if not self.has_folder_for(path):
            raise Error("ENOENT")
        self._types[path] = "file"

    def unlink(self, path: str) -> None:
        """Remove the path; a socket bound to it goes on and can only not be found any more."""
        if self.type_of(path) == "none":
            raise Error("ENOENT")
        self._types.pop(path, None)
        self._owners.pop(path, None)

    def make_stale(self, path: str) -> None:
        """Put the file of a socket there whose owner is gone."""
        self._types[path] = "socket"

    def make_socket(self, path: str, owner: Owner) -> None:
        """Put the file of a socket there; nothing may stand at the path."""
        self._types[path] = "socket"
        self._owners[path] = owner

    def owner_of(self, path: str) -> Owner | None:
        """Give the socket behind the path, if there is one and it is open."""
        return self._owners.get(path)

    def forget(self, path: str, owner: Owner) -> None:
        """The socket behind the path is closed: the file stays, and nobody is behind it."""
        if self._owners.get(path) is owner:
            del self._owners[path]
