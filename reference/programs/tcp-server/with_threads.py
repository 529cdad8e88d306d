"""A TCP echo server with one thread for each client.

    python3 with_threads.py PORT

Every client gets back what it sends, byte for byte, until it ends its side. SIGTERM or SIGINT ends the server with
status 0.

Traps avoided:
 - One recv() is not one message; sendall() sends all, send() need not. POSIX.1-2024 send().
 - An exception in a thread ends that thread only, and `with` closes its connection.
 - Threads are daemons: a client that stays connected does not keep the server from ending.
 - Python runs signal handlers in the main thread, which has to wake up for it: the other threads block the signals.
 - Bytes stay bytes: what is sent need not be text, so nothing is decoded.
 - A connection in TIME-WAIT must not keep the port from a new server: SO_REUSEADDR. RFC 9293 section 3.6.1.
 - Python ignores SIGPIPE by itself, so writing to a client that has gone raises BrokenPipeError.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading

CHUNK_BYTES = 65536
QUIT_SIGNALS = (signal.SIGTERM, signal.SIGINT)
client_left = threading.Event()


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


def serve(port: int) -> None:
    """Serve clients until a signal comes."""
    with socket.create_server(("", port), backlog=socket.SOMAXCONN) as listener:
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


def main() -> None:
    """Read the command line, and turn failures into a message and a status."""
    for number in QUIT_SIGNALS:
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        (port,) = map(int, sys.argv[1:])
    except ValueError:
        sys.exit(f"usage: {sys.argv[0]} PORT")
    try:
        serve(port)
    except (OSError, OverflowError) as error:
        sys.exit(f"port {port}: {error}")


if __name__ == "__main__":
    main()
