"""A TCP echo server with one thread and a selector for all clients.

    python3 with_selectors.py PORT

Every client gets back what it sends, byte for byte, until it ends its side. SIGTERM or SIGINT ends the server with
status 0.

Each client has one buffer. While it is empty we wait until the client can be read, while it is not we wait until the
client can be written: so nobody can fill our memory, and end-of-file is seen only when all has been sent back.

Traps avoided:
 - One recv() is not one message, and send() takes what has room: the rest stays in the buffer. POSIX.1-2024 send().
 - A client that resets its connection raises ConnectionResetError: it ends that client, not the server.
 - Bytes stay bytes: what is sent need not be text, so nothing is decoded.
 - A connection in TIME-WAIT must not keep the port from a new server: SO_REUSEADDR. RFC 9293 section 3.6.1.
 - Python ignores SIGPIPE by itself, so writing to a client that has gone raises BrokenPipeError.
 - This file must not be called selectors.py: Python would import it instead of the module.
"""

from __future__ import annotations

import selectors
import signal
import socket
import sys

CHUNK_BYTES = 65536


class Client:
    """A connection, and what is still to be sent back on it."""

    def __init__(self, sock: socket.socket) -> None:
        """Start with nothing to send."""
        self.sock = sock
        self.unsent = b""

    def serve(self) -> bool:
        """Do what can be done without waiting; False when the client has left."""
        try:
            if not self.unsent:
                self.unsent = self.sock.recv(CHUNK_BYTES)
                if not self.unsent:
                    return False
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        except BlockingIOError:
            pass  # ready when the selector looked, not any more
        except OSError as error:
            print(f"client: {error}", file=sys.stderr)
            return False
        return True


def add_client(listener: socket.socket, selector: selectors.BaseSelector) -> None:
    """Accept one connection, if it is still there."""
    try:
        sock, _ = listener.accept()
    except (BlockingIOError, ConnectionAbortedError):
        return
    except OSError as error:  # out of descriptors: stop listening until a client leaves, or we would spin
        if len(selector.get_map()) == 1:
            raise  # there is no client that could leave
        print(f"accept: {error}", file=sys.stderr)
        selector.unregister(listener)
        return
    sock.setblocking(False)
    selector.register(sock, selectors.EVENT_READ, Client(sock))


def serve_client(client: Client, listener: socket.socket, selector: selectors.BaseSelector) -> None:
    """Serve a client that is ready, and wait for what it needs next."""
    if client.serve():
        selector.modify(client.sock, selectors.EVENT_WRITE if client.unsent else selectors.EVENT_READ, client)
        return
    selector.unregister(client.sock)
    client.sock.close()
    if listener not in selector.get_map():
        selector.register(listener, selectors.EVENT_READ)


def serve(port: int) -> None:
    """Serve clients until a signal comes."""
    with (
        socket.create_server(("", port), backlog=socket.SOMAXCONN) as listener,
        selectors.DefaultSelector() as selector,
    ):
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    add_client(listener, selector)
                else:
                    serve_client(key.data, listener, selector)


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
