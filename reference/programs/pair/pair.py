"""Parent and child joined by a socketpair.

    python3 pair.py

The parent sends all of stdin to the child, the child sends it back in upper case (the letters a to z; all other bytes
stay), and the parent prints it to stdout. Exits with status 0 when all went well, the child's part included.

Traps avoided:
 - Both processes have both ends after fork(). Each closes the one that is not its own: the child sees end-of-file only
   when nobody has the parent's end open for writing, and the child has it too. POSIX.1-2024 fork(), close().
 - The parent reads while it sends. If it sent all first, it would wait with full buffers for the child, and the child
   for it, as soon as the input is larger than the buffers. POSIX.1-2024 send(), EAGAIN.
 - After the input the parent ends its side only, with shutdown(): the reply is still to come.
 - Bytes stay bytes: bytes.upper() changes a to z only; str.upper() would change lengths.
 - poll() is used and not selectors.DefaultSelector: epoll refuses regular files, and stdin may be one.
 - The child ends with os._exit(), whatever happens: what the parent has buffered is not printed twice.
 - The child is waited for, and its status is looked at. POSIX.1-2024 waitpid().
"""

from __future__ import annotations

import os
import select
import socket
import sys

CHUNK_BYTES = 65536
STDIN = 0


def be_child(sock: socket.socket) -> int:
    """Answer until end-of-file; the status with which the child exits."""
    try:
        while received := sock.recv(CHUNK_BYTES):
            sock.sendall(received.upper())
    except OSError as error:
        print(f"child: {error}", file=sys.stderr)
        return 1
    return 0


def be_parent(sock: socket.socket) -> bool:
    """Send stdin and print the reply; whether all of stdin was sent before the child ended."""
    sock.setblocking(False)
    unsent, input_ended = b"", False
    while True:
        poll = select.poll()
        poll.register(sock, select.POLLIN | select.POLLOUT if unsent else select.POLLIN)
        if not unsent and not input_ended:
            poll.register(STDIN, select.POLLIN)
        ready = dict(poll.poll())
        if STDIN in ready:
            unsent = os.read(STDIN, CHUNK_BYTES)
            if not unsent:
                input_ended = True
                sock.shutdown(socket.SHUT_WR)
        if ready.get(sock.fileno(), 0) & select.POLLOUT:
            unsent = unsent[send_some(sock, unsent) :]
        if ready.get(sock.fileno(), 0) & ~select.POLLOUT and not print_reply(sock):
            return input_ended


def send_some(sock: socket.socket, unsent: bytes) -> int:
    """Send as much as there is room for; how much that was."""
    try:
        return sock.send(unsent)
    except BlockingIOError:
        return 0


def print_reply(sock: socket.socket) -> bool:
    """Print what has come; False when the child has ended its side."""
    try:
        reply = sock.recv(CHUNK_BYTES)
    except BlockingIOError:
        return True
    sys.stdout.buffer.write(reply)
    sys.stdout.flush()
    return bool(reply)


def main() -> None:
    """Fork, talk, wait; turn failures into a message and a status."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            ours.close()
            status = be_child(theirs)
        finally:
            os._exit(status)
    theirs.close()
    try:
        with ours:
            is_complete = be_parent(ours)
    except OSError as error:
        sys.exit(f"parent: {error}")
    _, wait_status = os.waitpid(child, 0)
    if not is_complete or wait_status != 0:
        sys.exit("the child has failed")


if __name__ == "__main__":
    main()
