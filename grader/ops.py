"""The registry of operations: the only list of what a step can do.

Loader, editor schema, reference pages, engine and agent checks are all driven by `OPERATIONS`.
To add an operation, add a row here, teach the drivers to carry it out, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an argument or a result field holds."""

    SOCK = "sock"  # the bare name of a socket
    NAME = "name"  # a name to bind (`as`)
    NAMES = "names"  # two names to bind
    CALL = "call"  # the name of a started call
    DATA = "data"  # bytes
    PARTS = "parts"  # a list of bytes
    ADDR = "addr"  # an address
    INT = "int"
    INTS = "ints"  # one size or a list of sizes
    BOOL = "bool"
    TEXT = "text"
    TIME = "time"  # `<n>ms` or `<n>s`
    WORD = "word"  # one of a fixed list
    FLAGS = "flags"  # a list of words
    VALUE = "value"  # int, word or time, as the option asks
    WATCH = "watch"  # the sockets of a poll
    SET = "set"  # a set of words
    STEP = "step"
    STEPS = "steps"
    REFS = "refs"  # a list of references or names
    SEGMENTS = "segments"  # `whole`, `bytes`, or the sizes of the first pieces
    MAP = "map"


class Group(StrEnum):
    """Who carries an operation out, and how it reads in the reference."""

    SOCKET = "socket calls"
    PATH = "the file system"
    COMPOSITE = "composite calls"
    CONCURRENCY = "concurrency"
    STRUCTURE = "structure"
    ASSERTION = "assertions"
    PROGRAM = "programs as black boxes"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument: its name, what it holds, whether it must be given, its words, what it is for."""

    name: str
    kind: Kind
    required: bool = True
    words: tuple[str, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One result field."""

    name: str
    kind: Kind
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Op:
    """One operation.

    `may_block`: the call may wait, so it can carry `blocks_until`, `start`, `hold`. `repeatable`: it may
    be called again without changing what it asks about, so `eventually` is allowed. `required`: a module
    or library that lacks it is wrong, not merely limited. `primitive`: what a composite is made of.
    `variables`: what every key that is no argument means, if such keys are names that the author chooses.
    """

    name: str
    group: Group
    args: tuple[Arg, ...]
    fields: tuple[Field, ...] = ()
    doc: str = ""
    source: str = ""
    may_block: bool = False
    repeatable: bool = False
    required: bool = False
    primitive: str = ""
    variables: str = ""

    def arg(self, name: str) -> Arg | None:
        """Give the argument of that name, or None."""
        return next((arg for arg in self.args if arg.name == name), None)

    @property
    def main_field(self) -> str | None:
        """The field that a bare `$name` stands for, or None if the call gives nothing back."""
        return self.fields[0].name if self.fields else None


DOMAINS = ("unix", "inet", "inet6")
TYPES = ("stream", "dgram", "seqpacket")
PROTOCOLS = ("tcp", "udp", "icmp")
HOWS = ("rd", "wr", "rdwr")
MESSAGE_FLAGS = (
    "MSG_PEEK",
    "MSG_DONTWAIT",
    "MSG_WAITALL",
    "MSG_TRUNC",
    "MSG_CTRUNC",
    "MSG_NOSIGNAL",
    "MSG_OOB",
    "MSG_EOR",
    "MSG_DONTROUTE",
)
EVENTS = ("read", "write", "except")
OPTIONS = {
    # name: what its value holds. Words travel as the language spells them, so a scenario can compare
    # SO_TYPE with its own axis.
    "SO_TYPE": Kind.WORD,
    "SO_DOMAIN": Kind.WORD,
    "SO_PROTOCOL": Kind.WORD,
    "SO_ERROR": Kind.WORD,  # `0`, or the errno symbol
    "SO_ACCEPTCONN": Kind.BOOL,
    "SO_REUSEADDR": Kind.BOOL,
    "SO_REUSEPORT": Kind.BOOL,
    "SO_KEEPALIVE": Kind.BOOL,
    "SO_BROADCAST": Kind.BOOL,
    "SO_OOBINLINE": Kind.BOOL,
    "SO_DONTROUTE": Kind.BOOL,
    "SO_SNDBUF": Kind.INT,
    "SO_RCVBUF": Kind.INT,
    "SO_RCVLOWAT": Kind.INT,
    "SO_SNDLOWAT": Kind.INT,
    "SO_LINGER": Kind.INT,  # seconds; -1 is off
    "SO_RCVTIMEO": Kind.TIME,
    "SO_SNDTIMEO": Kind.TIME,
    "TCP_NODELAY": Kind.BOOL,
    "TCP_MAXSEG": Kind.INT,
    "IPV6_V6ONLY": Kind.BOOL,
}
OPTION_LEVELS = ("SOL_SOCKET", "IPPROTO_TCP", "IPPROTO_IP", "IPPROTO_IPV6")
PATH_TYPES = ("none", "socket", "file", "directory")
INVARIANTS = {
    "lowest-descriptor": "a new descriptor takes the lowest number that the case has closed, if any",
    "distinct-descriptors": "no two open sockets of the case share a descriptor",
}
SEGMENTATIONS = ("whole", "bytes")
FEATURES = {
    # what a scenario may `need`, and what is missing where it is not offered
    "unix": "AF_UNIX sockets",
    "inet": "AF_INET sockets",
    "inet6": "AF_INET6 sockets and ::1",
    "stream": "stream sockets",
    "dgram": "datagram sockets",
    "seqpacket": "AF_UNIX seqpacket sockets",
    "unix-autobind": "an AF_UNIX socket bound without a name gets an abstract one (Linux unix(7))",
    "abstract": "abstract AF_UNIX names (Linux unix(7))",
    "loopback-net": "the whole of 127.0.0.0/8 as local addresses",
    "own-net": "a network of its own for each case",
    "processes": "several processes that share descriptors",
    "threads": "several calls at once on one descriptor table",
    "sigpipe": "SIGPIPE visible to the caller, not hidden by the language's run time",
    "closed-descriptors": "calls on a descriptor that is not open",
    "raw-calls": "arguments passed to the system as they are",
    "programs": "client and server programs",
    "second-host": "a second host on the network",
}
ADDRESS_KINDS = {
    # kind: (domains it exists in, what it is)
    "fresh": (DOMAINS, "loopback with a port nobody has, or a short path in the directory of the case"),
    "ephemeral": (DOMAINS, "loopback with port 0; AF_UNIX: the autobind request (needs unix-autobind)"),
    "wildcard": (("inet", "inet6"), "any address with a port nobody has"),
    "unused": (DOMAINS, "loopback with a port that has no socket; a path that does not exist"),
    "stale": (("unix",), "the path of a socket file whose owner is gone"),
    "foreign": (("inet", "inet6"), "an address of no local interface"),
    "toolong": (("unix",), "a path longer than the address structure"),
    "homeless": (("unix",), "a path in a folder that does not exist"),
    "otherfam": (DOMAINS, "an address of another family"),
    "abstract": (("unix",), "an abstract AF_UNIX name"),
}
PLACEHOLDERS = {
    "srv": "fresh",
    "srv2": "fresh",
    "cli": "fresh",
    "eph": "ephemeral",
    "wild": "wildcard",
    "nobody": "unused",
    "stale": "stale",
    "foreign": "foreign",
    "toolong": "toolong",
    "homeless": "homeless",
    "otherfam": "otherfam",
}

_SOCK = Arg("sock", Kind.SOCK, doc="the socket")
_FLAGS = Arg("flags", Kind.FLAGS, required=False, words=MESSAGE_FLAGS, doc="MSG_ flags, as a list")
_AS = Arg("as", Kind.NAME, required=False, doc="name to bind the result to")
_DATA = Arg("data", Kind.DATA, doc="the bytes to send")
_SIZE = Arg("size", Kind.INT, doc="the most bytes to take")
_ADDR = Arg("addr", Kind.ADDR, doc="the address")
_DOMAIN = Arg("domain", Kind.WORD, required=False, words=DOMAINS, doc="address family; default: the axis `domain`")
_TYPE = Arg("type", Kind.WORD, required=False, words=TYPES, doc="socket type; default: the axis `type`")
_PROTO = Arg(
    "proto", Kind.WORD, required=False, words=PROTOCOLS, doc="protocol by name or number; default 0, the usual one"
)
_NONBLOCK = Arg("nonblock", Kind.BOOL, required=False, doc="make the new socket non-blocking")
_LEVEL = Arg("level", Kind.WORD, required=False, words=OPTION_LEVELS, doc="option level; default by the option's name")
_OPTION = Arg("name", Kind.WORD, words=tuple(OPTIONS), doc="the option")
_PROC = Arg("proc", Kind.TEXT, doc="the process, as named by `spawn`")

_F_SOCK = Field("sock", Kind.SOCK, "the new descriptor")
_F_COUNT = Field("count", Kind.INT, "bytes taken")
_F_DATA = Field("data", Kind.DATA, "the bytes received")
_F_EOF = Field("eof", Kind.BOOL, "true when a receive on a stream returned 0 bytes: end of file")
_F_PEER = Field("peer", Kind.ADDR, "the address of the other end")
_F_CALLS = Field("calls", Kind.INT, "how many calls it took")
_F_FLAGS = Field("flags", Kind.SET, "MSG_ flags reported with the message")


def _socket_calls() -> tuple[Op, ...]:
    group = Group.SOCKET
    return (
        Op(
            "socket",
            group,
            (Arg("as", Kind.NAME, doc="name of the new socket"), _DOMAIN, _TYPE, _PROTO, _NONBLOCK),
            (_F_SOCK,),
            "Creates an unnamed socket and gives its descriptor.",
            "POSIX.1-2024 socket()",
            required=True,
        ),
        Op(
            "socketpair",
            group,
            (Arg("as", Kind.NAMES, doc="names of the two ends"), _DOMAIN, _TYPE, _PROTO),
            (_F_SOCK, Field("other", Kind.SOCK, "the other end")),
            "Creates two connected unnamed sockets.",
            "POSIX.1-2024 socketpair()",
            required=True,
        ),
        Op(
            "bind",
            group,
            (_SOCK, _ADDR),
            (),
            "Gives the socket a local address.",
            "POSIX.1-2024 bind()",
            repeatable=True,
            required=True,
        ),
        Op(
            "listen",
            group,
            (_SOCK, Arg("backlog", Kind.INT, required=False, doc="hint for the length of the queue; default 16")),
            (),
            "Marks the socket as one that accepts connections; returns at once.",
            "POSIX.1-2024 listen()",
            required=True,
        ),
        Op(
            "accept",
            group,
            (_SOCK, _AS, _NONBLOCK),
            (_F_SOCK, _F_PEER),
            "Takes the first connection from the queue as a new connected socket.",
            "POSIX.1-2024 accept()",
            may_block=True,
            required=True,
        ),
        Op(
            "connect",
            group,
            (_SOCK, _ADDR),
            (),
            "Asks for a connection, or sets the default peer of a datagram socket.",
            "POSIX.1-2024 connect()",
            may_block=True,
            repeatable=True,
            required=True,
        ),
        Op(
            "send",
            group,
            (_SOCK, _DATA, _FLAGS),
            (_F_COUNT,),
            "Sends on a connected socket; may take less than it was given.",
            "POSIX.1-2024 send()",
            may_block=True,
            required=True,
        ),
        Op(
            "write",
            group,
            (_SOCK, _DATA),
            (_F_COUNT,),
            "Sends like `send` without flags.",
            "POSIX.1-2024 write()",
            may_block=True,
        ),
        Op(
            "sendto",
            group,
            (_SOCK, _DATA, _ADDR, _FLAGS),
            (_F_COUNT,),
            "Sends a message to an address.",
            "POSIX.1-2024 sendto()",
            may_block=True,
            required=True,
        ),
        Op(
            "sendmsg",
            group,
            (
                _SOCK,
                Arg("parts", Kind.PARTS, doc="the pieces, gathered into one message"),
                Arg("addr", Kind.ADDR, required=False, doc="the address"),
                _FLAGS,
            ),
            (_F_COUNT,),
            "Sends a message gathered from several buffers.",
            "POSIX.1-2024 sendmsg()",
            may_block=True,
        ),
        Op(
            "recv",
            group,
            (_SOCK, _SIZE, _FLAGS, _AS),
            (_F_DATA, _F_COUNT, _F_EOF),
            "Receives what is there, at most `size` bytes.",
            "POSIX.1-2024 recv()",
            may_block=True,
            required=True,
        ),
        Op(
            "read",
            group,
            (_SOCK, _SIZE, _AS),
            (_F_DATA, _F_COUNT, _F_EOF),
            "Receives like `recv` without flags.",
            "POSIX.1-2024 read()",
            may_block=True,
        ),
        Op(
            "recvfrom",
            group,
            (_SOCK, _SIZE, _FLAGS, _AS),
            (_F_DATA, _F_COUNT, _F_PEER, _F_EOF),
            "Receives, and says from whom.",
            "POSIX.1-2024 recvfrom()",
            may_block=True,
            required=True,
        ),
        Op(
            "recvmsg",
            group,
            (
                _SOCK,
                Arg("size", Kind.INT, required=False, doc="one buffer of this size"),
                Arg("sizes", Kind.INTS, required=False, doc="several buffers, filled in order"),
                _FLAGS,
                _AS,
            ),
            (_F_DATA, _F_COUNT, _F_PEER, _F_FLAGS, _F_EOF),
            "Receives into buffers and reports flags such as MSG_TRUNC.",
            "POSIX.1-2024 recvmsg()",
            may_block=True,
        ),
        Op(
            "shutdown",
            group,
            (_SOCK, Arg("how", Kind.WORD, words=HOWS, doc="SHUT_RD, SHUT_WR or SHUT_RDWR")),
            (),
            "Ends one or both directions of a connection for every copy of the descriptor.",
            "POSIX.1-2024 shutdown()",
            required=True,
        ),
        Op(
            "close",
            group,
            (_SOCK,),
            (),
            "Gives the descriptor back; the last one ends the socket.",
            "POSIX.1-2024 close()",
            may_block=True,
            required=True,
        ),
        Op(
            "dup",
            group,
            (_SOCK, Arg("as", Kind.NAME, doc="name of the copy")),
            (_F_SOCK,),
            "Gives a second descriptor for the same socket.",
            "POSIX.1-2024 dup()",
        ),
        Op(
            "getsockname",
            group,
            (_SOCK, _AS),
            (Field("addr", Kind.ADDR, "the local address"),),
            "Gives the local address.",
            "POSIX.1-2024 getsockname()",
            repeatable=True,
            required=True,
        ),
        Op(
            "getpeername",
            group,
            (_SOCK, _AS),
            (Field("addr", Kind.ADDR, "the address of the other end"),),
            "Gives the address of the peer.",
            "POSIX.1-2024 getpeername()",
            repeatable=True,
            required=True,
        ),
        Op(
            "getsockopt",
            group,
            (_SOCK, _OPTION, _LEVEL, _AS),
            (Field("value", Kind.VALUE, "the value, as the option holds it"),),
            "Reads an option. SO_TYPE, SO_DOMAIN and SO_PROTOCOL give the language's words (`stream`, `inet`, "
            "`tcp`; 0 for a protocol without a name), SO_ERROR gives 0 or an errno symbol.",
            "POSIX.1-2024 getsockopt()",
            repeatable=True,
            required=True,
        ),
        Op(
            "setsockopt",
            group,
            (_SOCK, _OPTION, _LEVEL, Arg("value", Kind.VALUE, doc="the value, as the option holds it")),
            (),
            "Sets an option.",
            "POSIX.1-2024 setsockopt()",
            required=True,
        ),
        Op(
            "nonblock",
            group,
            (_SOCK, Arg("set", Kind.BOOL, doc="true: O_NONBLOCK on")),
            (),
            "Turns O_NONBLOCK on or off.",
            "POSIX.1-2024 fcntl() F_SETFL",
        ),
        Op(
            "poll",
            group,
            (
                Arg("watch", Kind.WATCH, words=EVENTS, doc="list of `{sock: name, for: [read, write, except]}`"),
                Arg("timeout", Kind.TIME, required=False, doc="the longest wait; without it the call waits for ever"),
            ),
            (
                Field("ready", Kind.SET, "words such as `c.read`: the socket's name and read, write, hangup, error"),
                Field("count", Kind.INT, "how many sockets are ready"),
            ),
            "Waits until a socket is ready.",
            "POSIX.1-2024 poll()",
            may_block=True,
            repeatable=True,
        ),
        Op(
            "select",
            group,
            (
                Arg("watch", Kind.WATCH, words=EVENTS, doc="list of `{sock: name, for: [read, write, except]}`"),
                Arg("timeout", Kind.TIME, required=False, doc="the longest wait; without it the call waits for ever"),
            ),
            (
                Field("ready", Kind.SET, "words such as `c.read`: the socket's name and read, write, except"),
                Field("count", Kind.INT, "how many bits are set"),
            ),
            "Waits until a socket is ready.",
            "POSIX.1-2024 select()",
            may_block=True,
            repeatable=True,
        ),
        Op(
            "unread",
            group,
            (_SOCK,),
            (Field("value", Kind.INT, "bytes that can be received at once"),),
            "Asks how many bytes are waiting (FIONREAD).",
            "POSIX.1-2008 ioctl() FIONREAD; Linux tcp(7), udp(7), unix(7)",
            repeatable=True,
        ),
    )


def _path_calls() -> tuple[Op, ...]:
    group = Group.PATH
    return (
        Op(
            "path_type",
            group,
            (_ADDR,),
            (Field("type", Kind.WORD, "none, socket, file or directory"),),
            "Looks at the file system, not through the testee: what stands at the path of an AF_UNIX address.",
            "POSIX.1-2024 stat(), S_ISSOCK",
            repeatable=True,
        ),
        Op("make_file", group, (_ADDR,), (), "Puts a regular file at the path.", "POSIX.1-2024 open()"),
        Op("unlink", group, (_ADDR,), (), "Removes the path.", "POSIX.1-2024 unlink()"),
    )


def _composite_calls() -> tuple[Op, ...]:
    group = Group.COMPOSITE
    return (
        Op(
            "send_all",
            group,
            (_SOCK, _DATA, _FLAGS),
            (_F_COUNT, _F_CALLS),
            "Repeats `send` until all is taken.",
            may_block=True,
            primitive="send",
        ),
        Op(
            "recv_exactly",
            group,
            (_SOCK, Arg("count", Kind.INT, doc="how many bytes"), _AS),
            (_F_DATA, _F_EOF, _F_CALLS),
            "Repeats `recv` until `count` bytes are there or the stream ends.",
            may_block=True,
            primitive="recv",
        ),
        Op(
            "recv_until_eof",
            group,
            (_SOCK, Arg("limit", Kind.INT, required=False, doc="stop after this many bytes; default 1 MiB"), _AS),
            (_F_DATA, _F_EOF, _F_CALLS),
            "Repeats `recv` until end of file or `limit` bytes.",
            may_block=True,
            primitive="recv",
        ),
        Op(
            "drain",
            group,
            (_SOCK, _AS),
            (_F_DATA, _F_CALLS),
            "Receives without waiting (MSG_DONTWAIT) until the call would wait.",
            primitive="recv",
        ),
    )


def _concurrency() -> tuple[Op, ...]:
    group = Group.CONCURRENCY
    call = Arg("call", Kind.CALL, doc="the name given by `start`")
    return (
        Op("finish", group, (call,), (), "Waits for a started call; its outcome is matched here.", may_block=True),
        Op("still_blocked", group, (call,), (), "The started call must be seen blocked."),
        Op(
            "race",
            group,
            (
                Arg("calls", Kind.STEPS, doc="calls that wait at the same time, each on its own actor"),
                Arg("trigger", Kind.STEPS, doc="what lets some of them return"),
            ),
            (Field("returned", Kind.INT, "how many returned"), Field("pending", Kind.INT, "how many still wait")),
            "Several calls wait; the trigger lets some return.",
        ),
    )


def _structure() -> tuple[Op, ...]:
    group = Group.STRUCTURE
    return (
        Op(
            "do",
            group,
            (
                Arg("fragment", Kind.TEXT, doc="`name`, or `alias.name` of a used file"),
                Arg("with", Kind.MAP, required=False, doc="parameters"),
                Arg("names", Kind.MAP, required=False, doc="what the fragment gives, under which names"),
            ),
            (),
            "Puts the steps of a fragment here.",
        ),
        Op(
            "for_each",
            group,
            (Arg("steps", Kind.STEPS, doc="steps to repeat"),),
            (),
            "Repeats steps for each value; unrolled when the file is loaded. Several names multiply like axes.",
            variables="`name: [value, ...]`, the values that the name stands for in turn",
        ),
        Op(
            "collect",
            group,
            (Arg("times", Kind.INT, doc="how often"), Arg("step", Kind.STEP, doc="the call")),
            (),
            "Makes a call several times; the outcomes may come in any order.",
        ),
    )


def _assertions() -> tuple[Op, ...]:
    two = Arg("values", Kind.REFS, doc="references, or bare names of sockets")
    return tuple(
        Op(name, Group.ASSERTION, (two,), (), doc)
        for name, doc in (
            ("distinct", "No two of the values are equal."),
            ("same", "All the values are equal."),
            ("equal", "The two values are equal."),
            ("bytes_prefix", "The first value is a beginning of the second."),
        )
    )


def _programs() -> tuple[Op, ...]:
    group = Group.PROGRAM
    return (
        Op(
            "spawn",
            group,
            (
                Arg("program", Kind.TEXT, doc="its role: a name of `programs`, and of `run` in the assignment"),
                Arg("args", Kind.PARTS, required=False, doc="more arguments, after those of the assignment"),
                Arg("as", Kind.NAME, doc="name of the process"),
            ),
            (Field("proc", Kind.TEXT, "the process"),),
            "Starts a program as the assignment says; each time a new process.",
        ),
        Op(
            "ready",
            group,
            (
                _PROC,
                Arg(
                    "by",
                    Kind.MAP,
                    required=False,
                    doc="`{stdout: regex}`, `{port: $addr}` or `{file: path}`; default: what the assignment says",
                ),
            ),
            (),
            "Waits until the program is ready: it listens, or has bound its name. It is seen from outside, never by a "
            "connection, and what is there instead is told.",
            "Linux sock_diag(7)",
            may_block=True,
        ),
        Op(
            "exchange",
            group,
            (
                _SOCK,
                Arg("data", Kind.DATA, required=False, doc="the request, without what ends it"),
                Arg("requests", Kind.PARTS, required=False, doc="several requests, sent together"),
                Arg(
                    "segments",
                    Kind.SEGMENTS,
                    required=False,
                    words=SEGMENTATIONS,
                    doc="how the bytes are cut: `whole` (default), `bytes` (one by one), or the sizes of the first "
                    "pieces; between two pieces the program is seen waiting",
                ),
                Arg("proc", Kind.TEXT, required=False, doc="who is seen waiting; default: the program started last"),
                Arg("eof", Kind.BOOL, required=False, doc="true: our side ends after the request, then the program's"),
                Arg(
                    "late", Kind.BOOL, required=False, doc="true: nothing is received until the program is seen waiting"
                ),
                Arg("meanwhile", Kind.STEPS, required=False, doc="steps after the first piece, when the program waits"),
                _AS,
            ),
            (_F_DATA, _F_EOF),
            "Sends requests and expects the replies that the assignment's `exchange` gives. When the case is made it "
            "becomes `send_all`, `settled` and `recv_exactly`, or `send` and `recv` for datagrams. The assignment "
            "adds what ends a message, and puts rows of its own table in place of the data.",
        ),
        Op(
            "settled",
            group,
            (_PROC,),
            (),
            "Waits until every thread of the program sleeps in a call that waits, and all that was sent has arrived. "
            "A program that has ended is settled; one that goes on computing never is.",
            "Linux proc_pid_syscall(5)",
            may_block=True,
        ),
        Op(
            "resources",
            group,
            (_PROC, _AS),
            (
                Field("descriptors", Kind.INT, "open descriptors of all its processes"),
                Field("processes", Kind.INT, "processes, without zombies"),
                Field("zombies", Kind.INT, "processes that have ended and were not waited for"),
                Field("threads", Kind.INT, "threads of all its processes"),
                Field("sockets", Kind.INT, "descriptors that are sockets"),
                Field("listening", Kind.INT, "sockets that listen"),
                Field("cpu_ms", Kind.INT, "CPU time since it was started, in milliseconds"),
                Field("paths", Kind.INT, "files and sockets in its directory"),
            ),
            "Counts what the program holds.",
            "Linux proc(5)",
            repeatable=True,
        ),
        Op(
            "stdin",
            group,
            (
                _PROC,
                Arg("data", Kind.DATA, required=False, doc="the bytes to write"),
                Arg("eof", Kind.BOOL, required=False, doc="true: end-of-file after that"),
            ),
            (),
            "Writes to the program's standard input, which stays open until `eof`.",
        ),
        Op(
            "stdout",
            group,
            (_PROC,),
            (Field("text", Kind.TEXT, "all that was printed"), Field("lines", Kind.SET, "the lines")),
            "What the program has printed so far.",
            repeatable=True,
        ),
        Op(
            "stderr",
            group,
            (_PROC,),
            (Field("text", Kind.TEXT, "all that was printed"), Field("lines", Kind.SET, "the lines")),
            "What the program has printed so far on standard error.",
            repeatable=True,
        ),
        Op(
            "wait_exit",
            group,
            (
                _PROC,
                Arg(
                    "after", Kind.TEXT, required=False, doc="a signal: expects the end that the assignment wants of it"
                ),
            ),
            (
                Field("code", Kind.INT, "exit status; not there if a signal ended it"),
                Field("signal", Kind.TEXT, "the signal that ended it, or `none`"),
            ),
            "Waits until the program ends.",
            may_block=True,
        ),
        Op(
            "kill",
            group,
            (
                _PROC,
                Arg("signal", Kind.TEXT, doc="such as SIGTERM"),
                Arg("everyone", Kind.BOOL, required=False, doc="true: to all its processes; default: to the first one"),
            ),
            (),
            "Sends a signal to the program.",
        ),
    )


def _time() -> tuple[Op, ...]:
    return (
        Op(
            "pause",
            Group.TIME,
            (Arg("for", Kind.TIME, doc="how long"), Arg("because", Kind.TEXT, doc="why no event can be waited for")),
            (),
            "Lets time pass. A last resort: counted, and refused twice in a scenario below `level: extended`.",
        ),
    )


OPERATIONS: dict[str, Op] = {
    op.name: op
    for op in (
        *_socket_calls(),
        *_path_calls(),
        *_composite_calls(),
        *_concurrency(),
        *_structure(),
        *_assertions(),
        *_programs(),
        *_time(),
    )
}

# The error conditions of a call that a file alone can show, with the errnos that they may give. POSIX.1-2024
# does not say which of two conditions is seen first (XSH 2.3), so a step that provokes two of them at once
# and names one errno cannot say which rule it checked (lint L16). Kept by hand from the ERRORS sections.
SHARED_ERRNOS: dict[str, dict[str, tuple[str, ...]]] = {
    "bind": {
        "already-bound": ("EINVAL",),
        "address-in-use": ("EADDRINUSE",),
        "not-local": ("EADDRNOTAVAIL",),
        "other-family": ("EAFNOSUPPORT", "EINVAL"),
    },
    "listen": {
        "already-connected": ("EINVAL",),
        "shut-down": ("EINVAL",),
        "no-connections": ("EOPNOTSUPP",),
    },
    "accept": {
        "not-listening": ("EINVAL",),
        "no-connections": ("EOPNOTSUPP",),
    },
    "connect": {
        "already-connected": ("EISCONN",),
        "listening": ("EOPNOTSUPP", "EISCONN"),
        "nobody-listens": ("ECONNREFUSED", "ENOENT"),
        "other-family": ("EAFNOSUPPORT",),
    },
    "send": {
        "not-connected": ("ENOTCONN", "EPIPE"),
        "shut-down": ("EPIPE",),
        "peer-closed": ("EPIPE", "ECONNRESET"),
    },
}
