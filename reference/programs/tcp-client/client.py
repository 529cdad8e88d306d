"""A TCP client that sends lines and prints the replies.

    python3 client.py HOST PORT

Reads lines from stdin. Each is sent, and one line of reply is awaited and printed before the next is sent; what is left
over of the replies stays for the next line. At the end of stdin the client ends its side, prints what still comes, and
exits with status 0 when the server ends too. It also exits with status 0 when the server ends first. When it cannot
connect it says why, and exits with status 1.

A last line without newline gets one, because the server could not tell that it is complete.

Traps avoided:
 - One recv() is not one line: replies are collected until a newline comes. POSIX.1-2024 recv().
 - stdin and socket are awaited together, or the end of the server would be noticed only after the next line. stdin is
   read with os.read(): sys.stdin reads ahead, and poll() knows nothing about its buffer. epoll, which
   selectors.DefaultSelector takes, refuses regular files: `< file` would fail.
 - A line longer than all buffers must not stop both sides, each waiting until the other reads: the socket is
   non-blocking, and we read while we send. POSIX.1-2024 send(), EAGAIN.
 - Without shutdown() a server that reads until end-of-file would wait for us, and we for it. POSIX.1-2024 shutdown().
 - Bytes stay bytes, from stdin to stdout, and what is printed is flushed.
 - A name may have several addresses, of both families: create_connection() tries each. RFC 6724.
"""

from __future__ import annotations

import os
import select
import socket
import sys

CHUNK_BYTES = 65536
STDIN = 0


class Conversation:
    """Lines that go out and lines that come back, one for one."""

    def __init__(self, sock: socket.socket) -> None:
        """Start with nothing read and nothing owed."""
        self.sock = sock
        self.unread_lines = b""
        self.unsent = b""
        self.replies = b""
        self.is_owed = False
        self.input_ended = False
        self.has_shut_down = False

    def run(self) -> None:
        """Talk until the server ends."""
        while True:
            self.advance()
            ready = self.wait()
            if STDIN in ready:
                self.read_input()
            if ready.get(self.sock.fileno(), 0) & select.POLLOUT:
                self.send_line()
            if ready.get(self.sock.fileno(), 0) & ~select.POLLOUT and not self.receive():
                break
        if not self.has_shut_down:
            print("the server has ended the connection", file=sys.stderr)
        self.print_replies(len(self.replies))

    def advance(self) -> None:
        """Do what needs no waiting: print the reply that is owed, and begin with the next line."""
        if self.is_owed and not self.unsent and b"\n" in self.replies:
            self.print_replies(self.replies.index(b"\n") + 1)
            self.is_owed = False
        if not self.is_owed and b"\n" in self.unread_lines:
            line, _, self.unread_lines = self.unread_lines.partition(b"\n")
            self.unsent = line + b"\n"
            self.is_owed = True
        if not self.is_owed and self.input_ended:
            self.print_replies(len(self.replies))
            if not self.has_shut_down:
                self.shut_down()

    def shut_down(self) -> None:
        """Tell the server that no more lines come; one that has gone already need not be told."""
        self.has_shut_down = True
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            print(f"shutdown: {error}", file=sys.stderr)

    def wait(self) -> dict[int, int]:
        """Wait for stdin and server together; descriptors with their events."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | select.POLLOUT if self.unsent else select.POLLIN)
        if not self.is_owed and not self.input_ended:
            poll.register(STDIN, select.POLLIN)
        return dict(poll.poll())

    def read_input(self) -> None:
        """Take what stdin has."""
        chunk = os.read(STDIN, CHUNK_BYTES)
        self.unread_lines += chunk
        if not chunk:
            self.input_ended = True
            if self.unread_lines:
                self.unread_lines += b"\n"

    def send_line(self) -> None:
        """Send as much of the line as there is room for."""
        try:
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        except BlockingIOError:
            pass
        except OSError as error:  # the server has gone: what it sent before is still read, and recv() will say so
            print(f"send: {error}", file=sys.stderr)
            self.unsent = b""

    def receive(self) -> bool:
        """Take what the server has sent; False when it has ended."""
        try:
            chunk = self.sock.recv(CHUNK_BYTES)
        except BlockingIOError:
            return True
        except OSError as error:
            print(f"recv: {error}", file=sys.stderr)
            return False
        self.replies += chunk
        return bool(chunk)

    def print_replies(self, length: int) -> None:
        """Print the first bytes of the replies at once."""
        sys.stdout.buffer.write(self.replies[:length])
        sys.stdout.flush()
        self.replies = self.replies[length:]


def connect_to(host: str, port: str) -> socket.socket:
    """Connect to the first address that answers."""
    sock = socket.create_connection((host, int(port)))
    sock.setblocking(False)
    return sock


def main() -> None:
    """Read the command line, and turn failures into a message and a status."""
    if len(sys.argv) != 3 or not sys.argv[2].isdecimal():
        sys.exit(f"usage: {sys.argv[0]} HOST PORT")
    _, host, port = sys.argv
    try:
        with connect_to(host, port) as sock:
            Conversation(sock).run()
    except (OSError, OverflowError, UnicodeError) as error:  # the last: a name that is none
        sys.exit(f"{host} {port}: {error}")


if __name__ == "__main__":
    main()
