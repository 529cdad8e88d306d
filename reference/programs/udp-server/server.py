"""A UDP echo server.

    python3 server.py PORT

Every datagram goes back to its sender, byte for byte. SIGTERM or SIGINT ends the server with status 0.

Traps avoided:
 - b"" from recvfrom() is an empty datagram, not an end-of-file. RFC 768, Length.
 - What does not fit into the buffer is lost, so the buffer holds the longest datagram. POSIX.1-2024 recvfrom().
 - A datagram need not be text, so nothing is decoded.
 - A reply that cannot be sent concerns one sender; the server goes on for the others.
 - No SO_REUSEADDR: UDP has no TIME-WAIT, and on Linux it would let a second server take the port. socket(7).
"""

from __future__ import annotations

import signal
import socket
import sys

LONGEST_BYTES = 65535


def serve(port: int) -> None:
    """Answer datagrams until a signal comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", port))
        while True:
            try:
                datagram, sender = sock.recvfrom(LONGEST_BYTES)
                sock.sendto(datagram, sender)
            except OSError as error:
                print(f"datagram: {error}", file=sys.stderr)


def main() -> None:
    """Read the command line, and turn failures into a message and a status."""
    for number in (signal.SIGTERM, signal.SIGINT):
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
