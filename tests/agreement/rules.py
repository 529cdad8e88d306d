"""The rules a conversation is written by, each with its weight: single calls, and pieces such as a connected pair."""

from __future__ import annotations

from collections.abc import Callable

from grader.model.scenarios import Case
from grader.model.values import InetParts, Ref, SockRef, Watch
from tests.agreement import words
from tests.agreement.author import Author, Draw, Socket, case_of


def open_socket(author: Author) -> None:
    """A socket of its own."""
    author.open()


def open_badly(author: Author) -> None:
    """A socket or a pair of a kind that may not exist."""
    domain, kind, proto = author.of(words.BAD_KINDS)
    op, names = author.of((("socket", 1), ("socket", 1), ("socketpair", 2)))
    binds = tuple(author.fresh("x") for _ in range(names))
    author.step(op, binds=binds, domain=domain, type=kind, proto=proto, nonblock=True if op == "socket" else None)
    for name in binds if op == "socketpair" else ():
        author.step("nonblock", name, set=True)


def pair(author: Author) -> None:
    """A connected pair, or the attempt to make one where there are none."""
    domain, kind = author.kind()
    if domain != "unix" and not author.chance(6):
        domain = "unix"
    ends = [Socket(author.fresh("p"), domain, kind, "connected") for _ in range(2)]
    author.step("socketpair", binds=(ends[0].name, ends[1].name), domain=domain, type=kind)
    for end, other in zip(ends, reversed(ends), strict=True):
        end.peer = other
        author.step("nonblock", end.name, set=True)
    if domain == "unix":
        author.sockets += ends


def listener(author: Author) -> None:
    """A socket that listens, most often at a name."""
    sock = author.open(author.kind(*words.CONNECTED))
    if author.chance(4):
        author.set(sock, author.of(("SO_REUSEADDR", "SO_REUSEPORT")), value=True)
    if not author.chance(6):
        author.bind(sock, author.name_for(sock.domain))
    author.step("listen", sock.name, backlog=author.of(words.BACKLOGS))
    sock.phase = "listening"
    if sock.address is None:
        author.ask(sock)


def _accept(author: Author, sock: Socket) -> Socket:
    new = Socket(author.fresh("c"), sock.domain, sock.type, "connected")
    author.step("accept", sock.name, binds=(new.name,), nonblock=True)
    if sock.waiting or author.chance(3):
        author.sockets.append(new)
    sock.waiting = max(0, sock.waiting - 1)
    return new


def _connect(author: Author, sock: Socket) -> None:
    address = author.target_for(sock)
    author.step("connect", sock.name, addr=address)
    if sock.phase != "listening":
        sock.phase = "connected"
    for other in author.sockets:
        if other.phase == "listening" and other.address == address and other.domain == sock.domain:
            other.waiting += 1


def connection(author: Author) -> None:
    """A connection to a listener, accepted, perhaps from a name of the client."""
    if not any(sock.phase == "listening" for sock in author.sockets):
        listener(author)
    server = author.some("listening", kinds=words.CONNECTED)
    client = author.open((server.domain, server.type))
    if author.chance(5):
        author.bind(client, author.name_for(client.domain))
    author.step("connect", client.name, addr=author.target_for(client) if server.address is None else server.address)
    client.phase = "connected"
    server.waiting += 1
    if not author.chance(8):
        client.peer = _accept(author, server)
        client.peer.peer = client


def datagrams(author: Author) -> None:
    """Two datagram sockets with names, most often connected to one another."""
    ends = [author.open(author.kind("dgram"))]
    ends.append(author.open((ends[0].domain, "dgram")))
    for end in ends:
        author.bind(end, author.name_for(end.domain))
    for end, other in zip(ends, reversed(ends), strict=True):
        if other.address is not None and not author.chance(3):
            author.step("connect", end.name, addr=other.address)
            end.phase, end.peer = "connected", other


def rebind(author: Author) -> None:
    """Bind a second socket where one is or was, perhaps willing to share, and let it do what the first did."""
    named = [sock for sock in author.sockets if sock.address is not None] or [author.some("bound")]
    first = author.of(named)
    if author.chance(2):
        _close(author, first)
    second = author.open((first.domain, first.type))
    if author.chance(2):
        author.set(second, "SO_REUSEADDR", value=True)
    author.bind(second, author.beside(first.address, second.domain) or author.name_for(second.domain))
    if second.type in words.CONNECTED and author.chance(2):
        author.step("listen", second.name, backlog=author.of(words.BACKLOGS))
        second.phase = "listening"


def two_versions(author: Author) -> None:
    """One port in both versions of IP, with the IPv6 socket for both or for IPv6 only."""
    kind = author.of(("stream", "dgram"))
    address = author.of((Ref("i1"), Ref("i2"), Ref("wild")))
    for domain in author.of((("inet", "inet6"), ("inet6", "inet"))):
        sock = author.open((domain, kind))
        if domain == "inet6" and author.chance(2):
            author.set(sock, "IPV6_V6ONLY", author.chance(3))
        host = author.of(words.IPS[domain])
        author.bind(sock, InetParts(host, Ref(address.name, "port")))
        if kind == "stream" and author.chance(2):
            author.step("listen", sock.name, backlog=3)
            sock.phase = "listening"


def bind(author: Author) -> None:
    """Bind() of a socket, most often one without a name."""
    sock = author.some("new")
    author.bind(sock, author.name_for(sock.domain))


def listen(author: Author) -> None:
    """Let any socket listen, most often one with a name."""
    sock = author.some("bound", "new", kinds=words.CONNECTED)
    author.step("listen", sock.name, backlog=author.of(words.BACKLOGS))
    if sock.phase in ("bound", "new") and sock.type in words.CONNECTED:
        sock.phase = "listening"
        if sock.address is None:
            author.ask(sock)


def connect(author: Author) -> None:
    """Connect any socket, most often one that is not connected."""
    _connect(author, author.some("new", "bound", "connected"))


def accept(author: Author) -> None:
    """Take a connection, most often where somebody waits."""
    waited_for = [sock for sock in author.sockets if sock.waiting]
    _accept(author, author.of(waited_for) if waited_for and not author.chance(4) else author.some("listening"))


def send(author: Author) -> None:
    """Data or nothing on a connection, by one of the calls without an address."""
    _send(author, author.some("connected"))


def _send(author: Author, sock: Socket) -> None:
    op = author.of(("send", "send", "write", "sendmsg"))
    if op == "write":
        author.step(op, sock.name, data=author.data())
    elif op == "send":
        author.step(op, sock.name, data=author.data(), flags=author.of(words.SEND_FLAGS))
    else:
        parts = tuple(author.data() for _ in range(1 + author.draw(3)))
        author.step(op, sock.name, parts=parts, flags=author.of(words.SEND_FLAGS))
    if sock.peer is not None:
        sock.peer.incoming += 1


def burst(author: Author) -> None:
    """More messages in a row than the queue of an AF_UNIX socket takes. Source: unix(7), max_dgram_qlen."""
    sock = author.some("connected")
    for _ in range(9 + author.draw(5)):
        author.step("send", sock.name, data=b"x")
        if sock.peer is not None:
            sock.peer.incoming += 1


def send_to(author: Author) -> None:
    """A message to an address."""
    sock = author.some("bound", "new", "connected", kinds=("dgram",))
    address, flags = author.target_for(sock), author.of(words.SEND_FLAGS)
    if author.chance(4):
        author.step("sendmsg", sock.name, parts=(author.data(),), addr=address, flags=flags)
    else:
        author.step("sendto", sock.name, data=author.data(), addr=address, flags=flags)
    for other in author.sockets:
        other.incoming += other.address == address and other.domain == sock.domain


def receive(author: Author) -> None:
    """A receive, most often where something has been sent."""
    full = [sock for sock in author.sockets if sock.incoming]
    _receive(author, author.of(full) if full and not author.chance(3) else author.some("connected", "bound"))


def _receive(author: Author, sock: Socket) -> None:
    sock.incoming = max(0, sock.incoming - 1)
    op = author.of(("recv", "recv", "read", "recvfrom", "recvmsg"))
    if op == "read":
        author.step(op, sock.name, size=author.of(words.SIZES))
        return
    flags = author.of(words.RECEIVE_FLAGS)
    if op == "recvmsg" and author.chance(2):
        author.step(op, sock.name, sizes=tuple(author.of(words.SIZES) for _ in range(1 + author.draw(2))), flags=flags)
    elif op == "recvfrom":
        found = author.fresh("f")
        author.step(op, sock.name, binds=(found,), size=author.of(words.SIZES), flags=flags)
        author.reached.append((Ref(found, "peer"), sock.domain))
    else:
        author.step(op, sock.name, size=author.of(words.SIZES), flags=flags)


def shut(author: Author) -> None:
    """shutdown() in one or both directions."""
    author.step("shutdown", author.some("connected").name, how=author.of(words.HOWS))


def close(author: Author) -> None:
    """Give any descriptor back."""
    _close(author, author.some())


def _close(author: Author, sock: Socket) -> None:
    author.step("close", sock.name)
    sock.phase, sock.incoming = "closed", 0


def hang_up(author: Author) -> None:
    """The end of one side of a conversation, orderly or not, and what the other side sees of it."""
    sock = author.some("connected")
    peer = sock.peer or sock
    if author.chance(2):
        _send(author, peer)
    if author.chance(3):
        author.set(sock, "SO_LINGER", 0)
    _close(author, sock)
    for _ in range(1 + author.draw(3)):
        author.of((_send, _receive, _watch, _pending_error))(author, peer)


def _watch(author: Author, sock: Socket) -> None:
    watch = (Watch(SockRef(sock.name), author.of(words.EVENTS)),)
    author.step(author.of(("poll", "select")), watch=watch, timeout=0)


def _pending_error(author: Author, sock: Socket) -> None:
    author.step("getsockopt", sock.name, name="SO_ERROR")


def copy(author: Author) -> None:
    """dup() of any socket."""
    sock = author.some()
    author.sockets.append(Socket(author.fresh("d"), sock.domain, sock.type, sock.phase, sock.address))
    author.step("dup", sock.name, binds=(author.sockets[-1].name,))


def ask_name(author: Author) -> None:
    """getsockname() or getpeername()."""
    sock = author.some()
    if author.chance(2):
        author.ask(sock)
    else:
        author.step("getpeername", sock.name)


def get_option(author: Author) -> None:
    """getsockopt() of any option on any socket."""
    level = author.of(words.LEVELS) if author.chance(15) else None
    author.step("getsockopt", author.some().name, name=author.of(words.READABLE), level=level)


def set_option(author: Author) -> None:
    """setsockopt() of any option on any socket."""
    name, value = author.of(words.SETTABLE)
    level = author.of(words.LEVELS) if author.chance(15) else None
    author.set(author.some(), name, value, level)


def wait_or_not(author: Author) -> None:
    """O_NONBLOCK taken off for a while in which no call may wait by itself."""
    sock = author.some("connected", "bound")
    author.step("nonblock", sock.name, set=False)
    for _ in range(1 + author.draw(2)):
        if author.chance(2):
            author.step("recv", sock.name, size=author.of(words.SIZES), flags=author.of(words.IMPATIENT))
        else:
            author.step("send", sock.name, data=author.data(), flags=("MSG_DONTWAIT",))
    author.step("nonblock", sock.name, set=True)


def ready(author: Author) -> None:
    """poll() or select() that does not wait, of one to three sockets."""
    names = dict.fromkeys(author.some().name for _ in range(1 + author.draw(3)))
    watch = tuple(Watch(SockRef(name), author.of(words.EVENTS)) for name in names)
    author.step(author.of(("poll", "select")), watch=watch, timeout=0)


def unread(author: Author) -> None:
    """FIONREAD."""
    author.step("unread", author.some("connected", "bound").name)


def paths(author: Author) -> None:
    """A call on the file system beside the sockets."""
    author.step(author.of(("unlink", "unlink", "make_file", "path_type")), addr=Ref(author.of(words.PATHS)))


RULES: tuple[tuple[int, Callable[[Author], None]], ...] = (
    (3, open_socket), (1, open_badly), (3, pair), (2, listener), (6, connection), (4, datagrams), (4, bind),
    (3, rebind), (2, two_versions), (3, listen), (6, connect), (5, accept), (20, send), (1, burst), (9, send_to),
    (24, receive), (8, shut), (5, close), (5, hang_up), (1, wait_or_not), (3, copy), (5, ask_name), (6, get_option),
    (4, set_option), (10, ready), (4, unread), (3, paths),
)  # fmt: skip
_WEIGHTED = [rule for weight, rule in RULES for _ in range(weight)]
_FEWEST, _MOST = 8, 60  # rules of one conversation


def conversation(draw: Draw) -> Case:
    """Write a whole conversation, about one to three kinds of socket."""
    author = Author(draw)
    author.kinds = [author.of(words.KINDS) for _ in range(1 + draw(3))]
    for _ in range(_FEWEST + draw(_MOST - _FEWEST)):
        author.of(_WEIGHTED)(author)
    return case_of(author.steps)
