"""An AF_UNIX datagram echo server.

    python3 server.py PATH

Every datagram goes back to the address of its sender; who has no address gets no answer. SIGTERM or SIGINT ends the
server with status 0 and removes the path.

Traps avoided:
 - A sender that has not called bind() has no name, and nobody can answer it. unix(7).
 - b"" from recvfrom() is an empty datagram, not an end-of-file.
 - A sender may have gone (ENOENT, ECONNREFUSED) or not read what it has got: with MSG_DONTWAIT its full queue costs it
   the reply, and does not stop the server for all others. send(2).
 - What does not fit into the buffer is lost, so the buffer is longer than what Linux sends by default.
 - The path outlives the socket: it is removed at the end, also when a signal ends us. POSIX.1-2024 unlink().
 - A path that a dead server has left is removed, but only when it is a socket and connect() says that nobody has it:
   else a second server would steal the path of the first. (Two servers that start in the same instant can still
   collide; a lock file would settle that.)
 - Between bind() and the `try` that tidies up, no signal may come: signals are blocked there.
"""

from __future__ import annotations

import errno
import signal
import socket
import sys
from pathlib import Path

LONGEST_BYTES = 256 * 1024
QUIT_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def is_stale(path: Path) -> bool:
    """Say whether the path is a socket that nobody has open. A live server does not notice this probe."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(str(path)) == errno.ECONNREFUSED


def bind(sock: socket.socket, path: Path) -> None:
    """Bind to the path; remove it first if a dead server has left it."""
    try:
        sock.bind(str(path))
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not is_stale(path):
            raise
        path.unlink()
        sock.bind(str(path))


def reply(sock: socket.socket, datagram: bytes, sender: str | bytes | None) -> None:
    """Send a datagram back, if its sender has a name and room."""
    if not sender:
        return
    try:
        sock.sendto(datagram, socket.MSG_DONTWAIT, sender)
    except OSError as error:
        print(f"{sender!r}: {error}", file=sys.stderr)


def serve(path: Path) -> None:
    """Own the path while answering datagrams, until a signal comes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        signal.pthread_sigmask(signal.SIG_BLOCK, QUIT_SIGNALS)
        bind(sock, path)
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, QUIT_SIGNALS)
            while True:
                reply(sock, *sock.recvfrom(LONGEST_BYTES))
        finally:
            path.unlink(missing_ok=True)


def main() -> None:
    """Read the command line, and turn failures into a message and a status."""
    for number in QUIT_SIGNALS:
        signal.signal(number, lambda *_: sys.exit(0))
    if len(sys.argv) != 2 or not sys.argv[1]:
        sys.exit(f"usage: {sys.argv[0]} PATH")
    try:
        serve(Path(sys.argv[1]))
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
