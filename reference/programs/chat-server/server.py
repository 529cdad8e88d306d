"""A chat server with a selector for all clients.

    python3 server.py PORT

Every line of a client goes to all other clients, never back to itself. A client that ends leaves the room; what it has
said after its last newline is no line and goes to nobody. SIGTERM or SIGINT ends the server with status 0.

Traps avoided:
 - One recv() is not one line: it may give half of one or several. What is not complete waits, for each client apart, or
   the halves of two clients would be mixed. POSIX.1-2024 recv().
 - A client that does not read must not hold up the others: sockets are non-blocking, what cannot be sent yet waits in
   its buffer, and who leaves too much there is turned out. POSIX.1-2024 send(), EAGAIN.
 - A client that fails while others are served is only marked, and removed when the round is over: the table must not
   change under the loop.
 - Bytes stay bytes: a line may end in the middle of what recv() gives, and so may a letter. Nothing is decoded.
 - A connection in TIME-WAIT must not keep the port from a new server: SO_REUSEADDR. RFC 9293 section 3.6.1.
 - Python ignores SIGPIPE by itself, so writing to a client that has gone raises BrokenPipeError.
"""

from __future__ import annotations

import selectors
import signal
import socket
import sys

CHUNK_BYTES = 65536
MOST_BYTES = 16 * 1024 * 1024


class Client:
    """A connection with what it has said of a line, and what it has still to be sent."""

    def __init__(self, sock: socket.socket) -> None:
        """Start with nothing said and nothing to send."""
        self.sock = sock
        self.said = b""
        self.unsent = b""
        self.has_ended = False
        self.has_failed = False

    def hear(self) -> bytes:
        """Take what the client says; the lines that are complete now."""
        try:
            chunk = self.sock.recv(CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            self.give_up(error)
            return b""
        self.has_ended = not chunk
        lines, newline, self.said = (self.said + chunk).rpartition(b"\n")
        if len(self.said) > MOST_BYTES:
            self.give_up("a line is too long")
        return lines + newline

    def tell(self, lines: bytes) -> None:
        """Let the client hear what another has said."""
        self.unsent += lines
        if len(self.unsent) > MOST_BYTES:
            self.give_up("does not read")

    def send_some(self) -> None:
        """Send as much as there is room for."""
        try:
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        except BlockingIOError:
            pass  # ready when the selector looked, not any more
        except OSError as error:
            self.give_up(error)

    def give_up(self, reason: object) -> None:
        """Mark the client as one that leaves now."""
        print(f"client: {reason}", file=sys.stderr)
        self.has_failed = True

    def events(self) -> int:
        """Say what to wait for; nothing, if the client is to leave."""
        if self.has_failed:
            return 0
        return selectors.EVENT_READ * (not self.has_ended) | selectors.EVENT_WRITE * bool(self.unsent)


class Room:
    """All clients, and the socket by which they come."""

    def __init__(self, listener: socket.socket, selector: selectors.BaseSelector) -> None:
        """Open an empty room."""
        self.listener = listener
        self.selector = selector
        self.clients: set[Client] = set()
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ)

    def serve(self) -> None:
        """Serve one round of clients that are ready."""
        for key, events in self.selector.select():
            if key.fileobj is self.listener:
                self.add_client()
            else:
                self.serve_client(key.data, events)
        for client in list(self.clients):
            if wanted := client.events():
                self.selector.modify(client.sock, wanted, client)
            else:
                self.remove_client(client)

    def serve_client(self, client: Client, events: int) -> None:
        """Hear one client and let it hear."""
        if events & selectors.EVENT_READ and (lines := client.hear()):
            for other in self.clients - {client}:
                other.tell(lines)
        if events & selectors.EVENT_WRITE and not client.has_failed:
            client.send_some()

    def add_client(self) -> None:
        """Accept one connection, if it is still there."""
        try:
            sock, _ = self.listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # out of descriptors: stop listening until a client leaves, or we would spin
            if not self.clients:
                raise
            print(f"accept: {error}", file=sys.stderr)
            self.selector.unregister(self.listener)
            return
        sock.setblocking(False)
        client = Client(sock)
        self.clients.add(client)
        self.selector.register(sock, selectors.EVENT_READ, client)

    def remove_client(self, client: Client) -> None:
        """Forget a client."""
        self.selector.unregister(client.sock)
        client.sock.close()
        self.clients.remove(client)
        if self.listener not in self.selector.get_map():
            self.selector.register(self.listener, selectors.EVENT_READ)


def serve(port: int) -> None:
    """Serve clients until a signal comes."""
    with (
        socket.create_server(("", port), backlog=socket.SOMAXCONN) as listener,
        selectors.DefaultSelector() as selector,
    ):
        room = Room(listener, selector)
        while True:
            room.serve()


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
