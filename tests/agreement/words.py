"""What conversations are made of: kinds, addresses, flags, options, and how often each is chosen."""

from __future__ import annotations

from collections.abc import Mapping

from grader.model.values import UnixAddress, Value

DOMAINS = ("unix", "inet", "inet6")
KINDS = (
    ("unix", "stream"), ("unix", "dgram"), ("unix", "seqpacket"),
    ("inet", "stream"), ("inet", "dgram"), ("inet6", "stream"), ("inet6", "dgram"),
)  # fmt: skip
CONNECTED = ("stream", "seqpacket")

# Kinds that do not exist: domain, type, protocol. Numbers are passed as they are.
BAD_KINDS: tuple[tuple[str | int, str | int, str | int], ...] = (
    ("inet", "seqpacket", 0), ("inet6", "seqpacket", 0), ("inet", "stream", "udp"), ("inet6", "dgram", "tcp"),
    ("unix", "stream", "tcp"), ("unix", "dgram", "udp"), ("inet", "stream", "icmp"), (99, "stream", 0), ("inet", 99, 0),
    ("unix", 99, 0), ("unix", "stream", 1), ("inet", "stream", "tcp"), ("inet6", "dgram", "udp"),
)  # fmt: skip

# name: kind and domain, as in `addrs` of a scenario
ADDRESSES: Mapping[str, tuple[str, str]] = {
    "u1": ("fresh", "unix"), "u2": ("fresh", "unix"), "u3": ("abstract", "unix"), "auto": ("ephemeral", "unix"),
    "gone": ("stale", "unix"), "long": ("toolong", "unix"), "none": ("unused", "unix"),
    "i1": ("fresh", "inet"), "i2": ("fresh", "inet"), "wild": ("wildcard", "inet"), "eph": ("ephemeral", "inet"),
    "far": ("foreign", "inet"), "nobody": ("unused", "inet"),
    "j1": ("fresh", "inet6"), "j2": ("fresh", "inet6"), "wild6": ("wildcard", "inet6"), "eph6": ("ephemeral", "inet6"),
    "far6": ("foreign", "inet6"), "nobody6": ("unused", "inet6"),
}  # fmt: skip
USUAL: Mapping[str, tuple[str, ...]] = {
    "unix": ("u1", "u1", "u2", "u3", "auto"),
    "inet": ("i1", "i1", "i2", "eph", "wild"),
    "inet6": ("j1", "j1", "j2", "eph6", "wild6"),
}
UNUSUAL: Mapping[str, tuple[str, ...]] = {
    "unix": ("gone", "long", "none"),
    "inet": ("far", "nobody"),
    "inet6": ("far6", "nobody6"),
}
CHOSEN = frozenset({"auto", "eph", "eph6", "wild", "wild6"})  # the system chooses, or the name is not where others go
PATHS = ("u1", "u2", "gone", "none")
NO_FOLDER = UnixAddress("/no-such-folder/name")
# Other addresses with the port of one: the wildcard, a second loopback address, the other family in it.
IPS: Mapping[str, tuple[str, ...]] = {
    "inet": ("0.0.0.0", "127.0.0.2", "127.0.0.1"),
    "inet6": ("::", "::1", "::ffff:127.0.0.1"),
}

LENGTHS = (1, 1, 2, 3, 5, 0, 20, 70, 1, 3, 300, 2000)
SIZES = (64, 64, 16, 4, 2, 1, 0, 64, 4, 4096)
SEND_FLAGS: tuple[tuple[str, ...], ...] = (
    *((),) * 8,
    ("MSG_NOSIGNAL",), ("MSG_NOSIGNAL",), ("MSG_DONTWAIT",), ("MSG_OOB",), ("MSG_EOR",), ("MSG_DONTROUTE",),
    ("MSG_NOSIGNAL", "MSG_OOB"),
)  # fmt: skip
RECEIVE_FLAGS: tuple[tuple[str, ...], ...] = (
    *((),) * 6,
    ("MSG_PEEK",), ("MSG_PEEK",), ("MSG_TRUNC",), ("MSG_DONTWAIT",), ("MSG_DONTWAIT", "MSG_WAITALL"),
    ("MSG_PEEK", "MSG_TRUNC"), ("MSG_OOB",), ("MSG_DONTWAIT", "MSG_PEEK"), ("MSG_WAITALL",),
    ("MSG_PEEK", "MSG_WAITALL"),
)  # fmt: skip
IMPATIENT = tuple(flags for flags in RECEIVE_FLAGS if "MSG_DONTWAIT" in flags)
HOWS = ("rd", "wr", "wr", "rdwr")
BACKLOGS = (5, 0, 1, 2, 3, 4, 5, 1, -1, 100_000)
EVENTS = (("read", "write"), ("read",), ("write",), ("read", "write", "except"), ("except",))

READABLE = (
    "SO_TYPE", "SO_DOMAIN", "SO_PROTOCOL", "SO_ERROR", "SO_ERROR", "SO_ERROR", "SO_ACCEPTCONN", "SO_REUSEADDR",
    "SO_REUSEPORT", "SO_KEEPALIVE", "SO_BROADCAST", "SO_OOBINLINE", "SO_DONTROUTE", "SO_RCVLOWAT", "SO_SNDLOWAT",
    "SO_LINGER", "SO_RCVTIMEO", "SO_SNDTIMEO", "SO_SNDBUF", "SO_RCVBUF", "TCP_NODELAY", "TCP_MAXSEG", "IPV6_V6ONLY",
)  # fmt: skip
# The kernel fits the buffers of TCP to what is under way, and its segments to the network. Source: Linux tcp(7).
TUNED = frozenset({"SO_SNDBUF", "SO_RCVBUF", "TCP_MAXSEG"})
SETTABLE: tuple[tuple[str, Value], ...] = (
    ("SO_REUSEADDR", True), ("SO_REUSEADDR", True), ("SO_REUSEADDR", False), ("SO_REUSEPORT", True),
    ("SO_KEEPALIVE", True), ("SO_BROADCAST", True), ("SO_OOBINLINE", True), ("SO_DONTROUTE", True),
    ("SO_LINGER", 0), ("SO_LINGER", 1), ("SO_LINGER", -1), ("SO_RCVTIMEO", 200), ("SO_SNDTIMEO", 200),
    ("SO_TYPE", 1), ("SO_ERROR", 0), ("SO_ACCEPTCONN", True), ("SO_SNDLOWAT", 2), ("SO_RCVLOWAT", 1),
    ("SO_RCVLOWAT", 3),
    ("TCP_NODELAY", True), ("IPV6_V6ONLY", True), ("IPV6_V6ONLY", False), ("SO_DOMAIN", 2), ("SO_PROTOCOL", 6),
)  # fmt: skip
LEVELS = ("SOL_SOCKET", "IPPROTO_TCP", "IPPROTO_IP", "IPPROTO_IPV6")
