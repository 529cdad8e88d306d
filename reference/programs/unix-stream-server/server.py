"""An AF_UNIX stream echo server with one thread for each client.

    python3 server.py PATH

Every client gets back what it sends, byte for byte, until it ends its side. SIGTERM or SIGINT ends the server with
status 0 and removes the path.

Traps avoided:
 - The path outlives the socket: it is removed at the end, also when a signal ends us. POSIX.1-2024 unlink().
 - A path that a dead server has left is removed, but only when it is a socket and connect() says that nobody listens:
   else a second server would steal the path of the first. (Two servers that start in the same instant can still
   collide; a lock file would settle that.)
 - Between bind() and the `try` that tidies up, no signal may come: signals are blocked there.
 - One recv() is not one message; sendall() sends all, send() need not. POSIX.1-2024 send().
 - An exception in a thread ends that thread only, and `with` closes its connection.
 - Python runs signal handlers in the main thread, which has to wake up for it: the other threads block the signals.
 - Bytes stay bytes: what is sent need not be text, so nothing is decoded.
 - Python ignores SIGPIPE by itself, so writing to a client that has gone raises BrokenPipeError.
"""

from __future__ import annotations

import errno
import signal
import socket
import sys
import threading
from pathlib import Path

CHUNK_BYTES = 65536
QUIT_SIGNALS = (signal.SIGTERM, signal.SIGINT)
client_left = threading.Event()


def is_stale(path: Path) -> bool:
    """Say whether the path is a socket at which nobody listens. A live server sees a client that comes and goes."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
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


def echo(client: socket.socket) -> None:
    """Echo until end-of-file or failure."""
    signal.pthread_sigmask(signal.SIG_BLOCK, QUIT_SIGNALS)
    with client:
        try:
            while received := client.recv(CHUNK_BYTES):
                client.sendall(received)
        except OSError as error:
            print(f"client: {error}", file=sys.stderr)
    client_left.set()


def start_thread(client: socket.socket) -> None:
    """Serve a client in a thread of its own, or turn it away."""
    try:
        threading.Thread(target=echo, args=(client,), daemon=True).start()
    except RuntimeError as error:  # no more threads here
        print(f"thread: {error}", file=sys.stderr)
        client.close()


def accept_clients(listener: socket.socket) -> None:
    """Serve clients until a signal comes."""
    listener.listen(socket.SOMAXCONN)
    while True:
        try:
            client, _ = listener.accept()
        except ConnectionAbortedError:
            continue
        except OSError as error:  # out of descriptors: the client stays queued, and without a pause we would spin
            print(f"accept: {error}", file=sys.stderr)
            client_left.clear()
            client_left.wait(timeout=0.1)
            continue
        start_thread(client)


def serve(path: Path) -> None:
    """Own the path while serving."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        signal.pthread_sigmask(signal.SIG_BLOCK, QUIT_SIGNALS)
        bind(listener, path)
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, QUIT_SIGNALS)
            accept_clients(listener)
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
