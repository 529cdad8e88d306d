"""A UDP client that sends lines and prints the replies.

    python3 client.py HOST PORT

Reads lines from stdin. Each goes out as one datagram, newline included, and one datagram of reply is awaited and
printed (with a newline, if it has none) before the next line is read. At the end of stdin it exits with status 0. When
nobody listens, or no reply comes in time, it says so and exits with status 1.

Traps avoided:
 - A datagram from a stranger is no reply: connect() makes the system drop it. POSIX.1-2024 connect().
 - Only a connected socket is told that nobody listens: ECONNREFUSED comes with the call after the one that sent.
   RFC 1122 section 4.1.3.3, udp(7).
 - A datagram may be lost, so no wait may be endless. We do not send again: the server may have acted on the first, and
   only the lost thing have been its reply. RFC 8085 section 3.1.
 - A name may have several addresses, of both families. UDP connects to each of them, so whether there is a server
   shows at the first reply only.
 - An empty reply is a reply: b"" from recv() is no end-of-file here. RFC 768, Length.
 - Bytes stay bytes, from stdin to stdout, and what is printed is flushed.
"""

from __future__ import annotations

import socket
import sys

LONGEST_BYTES = 65535
PATIENCE_S = 5.0


class Server:
    """A server that is somewhere among the addresses of its name."""

    def __init__(self, host: str, port: str) -> None:
        """Look the name up and take the first address."""
        self.others = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        self.has_answered = False
        self.sock = self.connect()

    def connect(self) -> socket.socket:
        """Take the first of the addresses that are left."""
        family, kind, protocol, _, address = self.others.pop(0)
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(PATIENCE_S)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            if not self.others:
                raise
            return self.connect()
        return sock

    def ask(self, line: bytes) -> bytes:
        """Send a line and wait for the reply; at the next address if nobody listens at this one."""
        try:
            self.sock.send(line)
            reply = self.sock.recv(LONGEST_BYTES)
        except ConnectionRefusedError:
            if self.has_answered or not self.others:
                raise
            self.sock.close()
            self.sock = self.connect()
            return self.ask(line)
        self.has_answered = True
        return reply


def print_reply(reply: bytes) -> None:
    """Print a reply as a line, at once."""
    sys.stdout.buffer.write(reply if reply.endswith(b"\n") else reply + b"\n")
    sys.stdout.flush()


def main() -> None:
    """Read the command line, and turn failures into a message and a status."""
    if len(sys.argv) != 3 or not sys.argv[2].isdecimal():
        sys.exit(f"usage: {sys.argv[0]} HOST PORT")
    _, host, port = sys.argv
    try:
        server = Server(host, port)
        with server.sock:
            for line in sys.stdin.buffer:
                print_reply(server.ask(line))
    except TimeoutError:
        sys.exit(f"{host} {port}: no reply")
    except (OSError, UnicodeError) as error:  # the last: a name that is none
        sys.exit(f"{host} {port}: {error}")


if __name__ == "__main__":
    main()
