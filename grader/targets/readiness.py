"""What a program has opened, seen from outside: whether it is ready, and if not, what is there instead.

Never by a connection: a server that serves one client would have served us.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

from grader.model.values import Address, InetAddress, Plain, UnixAddress
from grader.sandbox import sockdiag
from grader.sandbox.holdings import descriptors
from grader.sandbox.introspect import Wait
from grader.sandbox.sockdiag import InetSocket, SockDiag, UnixSocket
from grader.targets.running import Running

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_WORDS = {"inet": "IPv4", "inet6": "IPv6", socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}
_FIRST_EPHEMERAL = 32768  # Source: Linux ip(7), ip_local_port_range; pinned in the networks of cases
_HANDSHAKES = frozenset({sockdiag.SYN_SENT, sockdiag.SYN_RECV})
_ENDING = frozenset({sockdiag.FIN_WAIT1, sockdiag.CLOSING})  # the end was sent and is not confirmed
_OPEN = frozenset({sockdiag.ESTABLISHED, sockdiag.CLOSE_WAIT})
_BY_DESCRIPTOR = frozenset({"read", "write", "readv", "writev", "connect", "accept", "accept4", "sendto", "recvfrom"})
_OF_SOCKETS = _BY_DESCRIPTOR | {"sendmsg", "recvmsg", "recvmmsg", "sendmmsg"}


class Network:
    """The network of a case, as the kernel tells it; opened in the thread that is in it."""

    def __init__(self) -> None:
        """Open the line to the kernel."""
        self._diag = SockDiag()

    def close(self) -> None:
        """Close the line."""
        self._diag.close()

    def listening(self, running: Running) -> int:
        """Count the sockets of a program that listen."""
        return len(self._held(running, [*self._tcp(sockdiag.LISTEN), *self._unix(sockdiag.LISTEN)]))

    def is_under_way(self, *, strictly: bool) -> bool:
        """Say whether a handshake or an end of a connection is on its way, or `strictly` any bytes are.

        What goes to a receiver that has unread bytes is not: it does not wait for that, or its window is closed.
        """
        for family in _FAMILIES:
            socks = self._diag.inet(family)
            if any(sock.state in _HANDSHAKES for sock in socks):
                return True
            unread = {(sock.local, sock.peer) for sock in socks if sock.received}
            heard = (sock for sock in socks if (sock.peer, sock.local) not in unread)
            if any(sock.state in _ENDING or (strictly and sock.unsent and sock.state in _OPEN) for sock in heard):
                return True
        return False

    def is_ready(self, running: Running, how: str, address: Address) -> bool:
        """Say whether a program listens at an address, or has bound a datagram socket to it."""
        return bool(self._held(running, [sock for sock in self._candidates(how) if _is_at(sock, address, running)]))

    def instead(self, running: Running, how: str, address: Address) -> str:
        """Say what a program has opened that is not ready at its address."""
        if isinstance(address, UnixAddress):
            return self._unix_instead(running, address)
        held = self._held(running, [*self._tcp(), *self._udp()])
        reasons = (_reason(sock, how, address) for sock in held if isinstance(sock, InetSocket))
        return next((reason for reason in reasons if reason), "it has no socket with a name")

    def _unix_instead(self, running: Running, address: UnixAddress) -> str:
        for sock in self._held(running, self._diag.unix()):
            if isinstance(sock, UnixSocket) and sock.name:
                name = _name_of(sock)
                if _same_path(name, address, running):
                    return f"it has bound {name}, and never listens"
                return f"it has bound {name}, and {address.path} is asked for"
        return "it has no socket with a name"

    def _candidates(self, how: str) -> Iterator[InetSocket | UnixSocket]:
        if how == "listen":
            yield from self._tcp(sockdiag.LISTEN)
            yield from self._unix(sockdiag.LISTEN)
        else:
            yield from self._udp()
            yield from self._unix(sockdiag.CLOSE)

    def _tcp(self, *states: int) -> Iterator[InetSocket]:
        among = sockdiag.states(*states) if states else sockdiag.EVERY_STATE
        for family in _FAMILIES:
            yield from self._diag.inet(family, among=among)

    def _udp(self) -> Iterator[InetSocket]:
        for family in _FAMILIES:
            yield from self._diag.inet(family, socket.IPPROTO_UDP)

    def _unix(self, state: int) -> Iterator[UnixSocket]:
        yield from self._diag.unix(sockdiag.states(state))

    def _held(self, running: Running, socks: Iterable[InetSocket | UnixSocket]) -> list[InetSocket | UnixSocket]:
        found = list(socks)
        held = sockdiag.owners([sock.inode for sock in found], running.tree()) if found else {}
        return [sock for sock in found if held.get(sock.inode)]

    # -- what a waiting program waits for -------------------------------------------------------------

    def show_wait(self, name: str, wait: Wait) -> str:
        """Say which process waits in which call for what."""
        who = f"{name} (process {wait.process}) waits in {wait.call}"
        if wait.call not in _OF_SOCKETS:
            return who
        return f"{who} on {self._show_descriptor(wait.process, wait.argument)}"

    def _show_descriptor(self, process: int, number: int) -> str:
        target = descriptors(process).get(number, "")
        match = re.fullmatch(r"socket:\[([0-9]+)\]", target)
        if match is None:
            kind = "its standard input" if number == 0 else target.partition(":")[0]
            return f"descriptor {number} ({kind})"
        inode = int(match[1])
        for sock in (*self._tcp(), *self._udp()):
            if sock.inode == inode:
                return f"descriptor {number} ({_show_socket(sock)})"
        for local in self._diag.unix():
            if local.inode == inode:
                return f"descriptor {number} ({_show_unix(local)})"
        return f"descriptor {number} (a socket)"


def is_ready_by(running: Running, by: tuple[Plain, ...], network: Network, how: str) -> bool:
    """Say whether a program is ready by what a scenario names: a text on standard output, a file, an address."""
    kind, value = by
    if kind == "stdout":
        return re.search(str(value), running.printed().decode("utf-8", "replace")) is not None
    if kind == "file":
        return os.path.lexists(running.directory / str(value))
    return isinstance(value, (InetAddress, UnixAddress)) and network.is_ready(running, how, value)


def _is_at(sock: InetSocket | UnixSocket, address: Address, running: Running) -> bool:
    if isinstance(sock, UnixSocket):
        return isinstance(address, UnixAddress) and _same_path(_name_of(sock), address, running)
    if not isinstance(address, InetAddress) or sock.local[1] != address.port:
        return False
    is_any = sock.local[0] in {"0.0.0.0", "::"}
    same_family = (":" in sock.local[0]) == (":" in address.ip)
    return (is_any and (same_family or sock.local[0] == "::")) or sock.local[0] == address.ip


def _name_of(sock: UnixSocket) -> str:
    """Give the path of a socket, or its abstract name after an `@`; a path comes with the zero that ends it."""
    if sock.name.startswith(b"\0"):
        return "@" + sock.name[1:].decode("utf-8", "replace")
    return sock.name.rstrip(b"\0").decode("utf-8", "replace")


def _same_path(name: str, address: UnixAddress, running: Running) -> bool:
    return address.path is not None and (running.directory / name) == Path(address.path)


def _reason(sock: InetSocket, how: str, address: InetAddress) -> str:
    """Say what is wrong with a socket that the program has, or nothing if it says nothing."""
    ip, port = sock.local
    is_udp = sock.protocol == socket.IPPROTO_UDP
    listens = sock.state == sockdiag.LISTEN
    if port == address.port:
        if is_udp != (how == "bound"):
            return (
                f"it has a {'UDP' if is_udp else 'TCP'} socket on port {port}, not a {'TCP' if is_udp else 'UDP'} one"
            )
        if (":" in ip) != (":" in address.ip):
            return f"it has port {port} of {_WORDS[sock.family]} only"
        if not is_udp and not listens:
            return f"it has bound port {port}, and never listens"
        return f"it has port {port} of {ip} only, and {address.ip} is asked for"
    if not listens and not (is_udp and how == "bound" and port):
        return ""
    verb = "listens on" if listens else "has bound"
    if port == int.from_bytes(address.port.to_bytes(2, "big"), "little"):
        return f"it {verb} port {port}: that is {address.port} with its bytes swapped, htons() is missing"
    if port >= _FIRST_EPHEMERAL:
        return f"it {verb} port {port}, which the kernel chose: bind() was not called or has failed unnoticed"
    return f"it {verb} port {port}, and {address.port} is asked for"


def _show_unix(sock: UnixSocket) -> str:
    name = f" {_name_of(sock)}" if sock.name else ""
    if sock.state == sockdiag.LISTEN:
        return f"AF_UNIX, listening at{name}, {sock.received} waiting"
    return f"AF_UNIX{name}, {sock.received} bytes unread"


def _show_socket(sock: InetSocket) -> str:
    protocol = "TCP" if sock.protocol == socket.IPPROTO_TCP else "UDP"
    if sock.state == sockdiag.LISTEN:
        return f"{protocol}, listening on port {sock.local[1]}, {sock.received} waiting"
    if sock.peer[1]:
        return f"{protocol}, port {sock.local[1]}, connected to port {sock.peer[1]}, {sock.received} bytes unread"
    return f"{protocol}, port {sock.local[1]}"
