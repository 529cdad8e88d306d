"""A TCP server that greets one client and exits.

    python3 server.py PORT

Accepts one client, sends it "hello, world" and a newline, closes the connection and exits with status 0. SIGTERM or
SIGINT ends it before that, with status 0 too.

Traps avoided:
 - close() with unread bytes in the socket resets the connection, and the reset may overtake the greeting. So we end our
   side only, with shutdown(), and read until the client ends its own. RFC 1122 section 4.2.2.13, RFC 2525 section 2.17.
 - A client that stays must not keep us for ever: we read for a second at most.
 - A client that has gone raises BrokenPipeError: Python ignores SIGPIPE by itself.
 - A connection in TIME-WAIT must not keep the port from a new server: SO_REUSEADDR. RFC 9293 section 3.6.1.
"""

from __future__ import annotations

import signal
import socket
import sys
import time

GREETING = b"hello, world\n"
PATIENCE_S = 1.0


def accept_one(port: int) -> socket.socket:
    """Wait for one client; whoever comes after it is refused."""
    with socket.create_server(("", port), backlog=socket.SOMAXCONN) as listener:
        while True:
            try:
                client, _ = listener.accept()
            except ConnectionAbortedError:
                continue
            return client


def drain(client: socket.socket) -> None:
    """Read and forget what the client sends, until it ends or our patience does."""
    end_s = time.monotonic() + PATIENCE_S
    while (left_s := end_s - time.monotonic()) > 0:
        client.settimeout(left_s)
        if not client.recv(4096):
            return


def greet(client: socket.socket) -> None:
    """Send the greeting, so that it arrives."""
    try:
        client.sendall(GREETING)
        client.shutdown(socket.SHUT_WR)
        drain(client)
    except OSError as error:  # the client has gone, or stays too long; we have done our part
        print(f"client: {error}", file=sys.stderr)


def main() -> None:
    """Read the command line, and turn failures into a message and a status."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        (port,) = map(int, sys.argv[1:])
    except ValueError:
        sys.exit(f"usage: {sys.argv[0]} PORT")
    try:
        with accept_one(port) as client:
            greet(client)
    except (OSError, OverflowError) as error:
        sys.exit(f"port {port}: {error}")


if __name__ == "__main__":
    main()
