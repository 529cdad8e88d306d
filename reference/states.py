"""The tables: what a socket of each kind does in each state, with the clause that says so.

How to read them. A socket is born in the initial state of its table. A *call* is what the program does with a
descriptor; an *event* is a call that succeeded, or news from the other end. Words in capitals are states. The
names of TCP's states are those of RFC 9293 3.3.2, and three of them are ours:

* On a loopback every segment is answered before the call that sent it returns. So FIN-WAIT-1, CLOSING, LAST-ACK
  and SYN-RECEIVED are passed through and cannot be seen: they are not in the table.
* REFUSED is a connection attempt that failed: the program has yet to be told, by the connect() that waits or by
  the next one after a non-blocking connect() that had returned.
* ENDED is a connection that is over in both directions while its descriptor is still open. RFC 9293 calls this
  CLOSED too, but a program can tell it from CLOSED: a new socket may connect, one whose connection is over may not
  (unless it was over before connect() had told that it began: then that call tells the failure and starts anew).

`SYN arrives` is drawn from CLOSED: it is the birth of the new socket that accept() will give. The listener that it
arrived at stays in LISTEN.

Errors come from three places. A *refusal* follows from call and state alone. A *condition* is the world's: its
row gives the errno, and the code that meets the situation names it by the words that stand here. Pending errors
(an ICMP message, a reset) are stored in the socket, and the next call reports them (POSIX.1-2024 2.10.10).

Where POSIX leaves a choice, the row follows Linux and says so in its clause.
"""

from __future__ import annotations

from collections.abc import Mapping

from reference.tables import Table, conditions, refusals, transitions

_CLAUSES: Mapping[str, str] = {
    "accept": "POSIX.1-2024 accept(), ERRORS",
    "accept-new": "POSIX.1-2024 accept(), DESCRIPTION: a new socket",
    "bind": "POSIX.1-2024 bind(), ERRORS",
    "bound": "POSIX.1-2024 bind(), DESCRIPTION",
    "close": "POSIX.1-2024 close(), ERRORS",
    "connect": "POSIX.1-2024 connect(), ERRORS",
    "connected": "POSIX.1-2024 connect(), DESCRIPTION",
    "connect-again": "POSIX.1-2024 connect(), DESCRIPTION: a failed attempt; Linux connect(2)",
    "connect-datagram": "POSIX.1-2024 connect(), DESCRIPTION: sockets that are not connection-mode",
    "connect-linux": "Linux connect(2): a listening TCP socket is already connected, POSIX would say EOPNOTSUPP",
    "connect-unix": "Linux unix(7): a listening socket cannot connect, POSIX would say EOPNOTSUPP",
    "fin": "RFC 9293 3.6: closing a connection",
    "gone": "Linux unix(7): the receiver of a connected datagram socket was closed",
    "icmp": "RFC 1122 4.1.3.3: an ICMP error is told to the sender",
    "implicit": "POSIX.1-2024 2.10.6; Linux ip(7): a name is given where one is needed",
    "inq": "Linux tcp(7), unix(7): FIONREAD",
    "listen": "POSIX.1-2024 listen(), ERRORS",
    "listening": "POSIX.1-2024 listen(), DESCRIPTION",
    "passive": "POSIX.1-2024 listen(), DESCRIPTION; RFC 9293 3.9.1: passive OPEN",
    "2msl": "RFC 9293 3.6.1: TIME-WAIT lasts two maximum segment lifetimes",
    "names": "POSIX.1-2024 getpeername(), ERRORS",
    "open": "RFC 9293 3.5: establishing a connection",
    "option": "POSIX.1-2024 setsockopt(), getsockopt(), ERRORS",
    "pair": "POSIX.1-2024 socketpair(), DESCRIPTION",
    "pair-errors": "POSIX.1-2024 socketpair(), ERRORS",
    "recv": "POSIX.1-2024 recv(), ERRORS",
    "recv-unix": "Linux unix(7), recv(2): a stream that was never connected, POSIX would say ENOTCONN",
    "reset": "RFC 9293 3.5.3: reset processing",
    "reset-sent": "RFC 9293 3.5.2: reset generation; 3.9.1: ABORT",
    "send": "POSIX.1-2024 send(), ERRORS",
    "send-linux": "Linux tcp(7), send(2): a socket that was never connected is a broken pipe, POSIX would say ENOTCONN",
    "send-name": "POSIX.1-2024 sendto(), ERRORS",
    "shutdown": "POSIX.1-2024 shutdown(), ERRORS",
    "shutdown-attempt": "Linux shutdown(2): an attempt to connect that is shut down is given up",
    "shutdown-linux": "Linux shutdown(2): a listening socket that is shut down for receiving listens no more",
    "socket": "POSIX.1-2024 socket(), ERRORS",
    "unix": "Linux unix(7), ERRORS",
}

# -- descriptors -------------------------------------------------------------------------------------------
# What goes wrong before any socket is asked: numbers that are no descriptors, and sockets that cannot be made.

DESCRIPTORS = Table(
    name="descriptors",
    initial="OPEN",
    states=("OPEN",),
    transitions=(),
    refusals=(),
    conditions=conditions(
        """
        not an open descriptor: EBADF, close
        unknown family: EAFNOSUPPORT, socket
        unknown type: EINVAL, socket
        type not in the family: ESOCKTNOSUPPORT, socket
        protocol not in the type: EPROTONOSUPPORT, socket
        no pairs in the family: EOPNOTSUPP, pair-errors
        address longer than any: EINVAL, bind
        """,
        _CLAUSES,
    ),
)

# -- TCP ---------------------------------------------------------------------------------------------------
# The two ends of a connection run the same table, each with its own state. `FIN sent` is shutdown(SHUT_WR) or
# close() at this end, `FIN arrives` is the same at the other.

TCP = Table(
    name="tcp",
    initial="CLOSED",
    states=(
        "CLOSED",
        "LISTEN",
        "SYN-SENT",
        "REFUSED",
        "ESTABLISHED",
        "FIN-WAIT-2",
        "CLOSE-WAIT",
        "TIME-WAIT",
        "ENDED",
    ),
    transitions=transitions(
        """
        CLOSED -- listen -> LISTEN, passive
        LISTEN -- listen -> LISTEN, passive
        LISTEN -- shutdown -> CLOSED, shutdown-linux
        CLOSED -- connect -> SYN-SENT, open
        CLOSED -- SYN arrives -> ESTABLISHED, accept-new
        SYN-SENT -- SYN,ACK arrives -> ESTABLISHED, open
        SYN-SENT -- RST arrives -> REFUSED, open
        SYN-SENT -- nothing arrives -> REFUSED, open
        SYN-SENT -- shutdown -> CLOSED, shutdown-attempt
        REFUSED TIME-WAIT ENDED -- failure told -> CLOSED, connect-again
        ESTABLISHED -- FIN sent -> FIN-WAIT-2, fin
        ESTABLISHED -- FIN arrives -> CLOSE-WAIT, fin
        FIN-WAIT-2 -- FIN arrives -> TIME-WAIT, fin
        CLOSE-WAIT -- FIN sent -> ENDED, fin
        TIME-WAIT -- 2 MSL pass -> ENDED, 2msl
        ESTABLISHED FIN-WAIT-2 CLOSE-WAIT -- RST arrives -> ENDED, reset
        ESTABLISHED FIN-WAIT-2 CLOSE-WAIT -- RST sent -> ENDED, reset-sent
        """,
        _CLAUSES,
    ),
    refusals=refusals(
        """
        listen in SYN-SENT REFUSED ESTABLISHED FIN-WAIT-2 CLOSE-WAIT TIME-WAIT ENDED: EINVAL, listen
        accept in CLOSED SYN-SENT REFUSED ESTABLISHED FIN-WAIT-2 CLOSE-WAIT TIME-WAIT ENDED: EINVAL, accept
        connect in LISTEN: EISCONN, connect-linux
        connect in SYN-SENT: EALREADY, connect
        connect in ESTABLISHED FIN-WAIT-2 CLOSE-WAIT TIME-WAIT ENDED: EISCONN, connect
        send in CLOSED LISTEN: EPIPE, send-linux
        send in REFUSED FIN-WAIT-2 TIME-WAIT ENDED: EPIPE, send
        recv in CLOSED LISTEN: ENOTCONN, recv
        getpeername in CLOSED LISTEN SYN-SENT REFUSED TIME-WAIT ENDED: ENOTCONN, names
        shutdown in CLOSED REFUSED TIME-WAIT ENDED: ENOTCONN, shutdown
        unread in LISTEN: EINVAL, inq
        """,
        _CLAUSES,
    ),
    conditions=conditions(
        """
        already bound: EINVAL, bind
        address in use: EADDRINUSE, bind
        not a local address: EADDRNOTAVAIL, bind
        address too short: EINVAL, bind
        other family: EAFNOSUPPORT, bind
        mapped address on an IPv6-only socket: EINVAL, bind
        no port left: EADDRNOTAVAIL, connect
        connection in use: EADDRNOTAVAIL, connect
        no route: ENETUNREACH, connect
        nobody listens: ECONNREFUSED, connect
        no answer: ETIMEDOUT, connect
        failure already told: ECONNABORTED, connect-again
        under way: EINPROGRESS, connect
        reset by the peer: ECONNRESET, recv
        nobody takes it any more: EPIPE, send
        would wait: EAGAIN, recv
        no urgent data: EINVAL, recv
        """,
        _CLAUSES,
    ),
)

# -- UDP ---------------------------------------------------------------------------------------------------
# No connections, so nothing ever arrives that would change a state: the program alone does.

UDP = Table(
    name="udp",
    initial="UNBOUND",
    states=("UNBOUND", "BOUND", "CONNECTED"),
    transitions=transitions(
        """
        UNBOUND -- bind -> BOUND, bound
        UNBOUND -- implicit bind -> BOUND, implicit
        BOUND CONNECTED -- connect -> CONNECTED, connect-datagram
        """,
        _CLAUSES,
    ),
    refusals=refusals(
        """
        bind in BOUND CONNECTED: EINVAL, bind
        listen in UNBOUND BOUND CONNECTED: EOPNOTSUPP, listen
        accept in UNBOUND BOUND CONNECTED: EOPNOTSUPP, accept
        send in BOUND: EDESTADDRREQ, send
        getpeername in UNBOUND BOUND: ENOTCONN, names
        shutdown in UNBOUND BOUND: ENOTCONN, shutdown
        """,
        _CLAUSES,
    ),
    conditions=conditions(
        """
        address in use: EADDRINUSE, bind
        not a local address: EADDRNOTAVAIL, bind
        address too short: EINVAL, bind
        other family: EAFNOSUPPORT, bind
        mapped address on an IPv6-only socket: EINVAL, bind
        no port left: EAGAIN, connect
        no route: ENETUNREACH, send-name
        port zero: EINVAL, send-name
        not an Internet address: EINVAL, send-name
        nobody is there: ECONNREFUSED, icmp
        too long: EMSGSIZE, send
        shut down for sending: EPIPE, send
        no urgent data in messages: EOPNOTSUPP, send
        would wait: EAGAIN, recv
        """,
        _CLAUSES,
    ),
)

# -- AF_UNIX -----------------------------------------------------------------------------------------------
# The peer is a socket of this host, so everything is known at once: connect() finds the listener or fails,
# send() sees a receiver that is gone. Only one's own name is optional.

_UNIX_NAMES = """
    already bound: EINVAL, bind
    address in use: EADDRINUSE, bind
    not a name: EINVAL, bind
    no such folder: ENOENT, bind
    no such path: ENOENT, connect
    nobody behind the path: ECONNREFUSED, connect
    of another type: EPROTOTYPE, connect
    would wait: EAGAIN, recv
"""

UNIX_STREAM = Table(
    name="unix-stream",
    initial="UNCONNECTED",
    states=("UNCONNECTED", "LISTENING", "CONNECTED"),
    transitions=transitions(
        """
        UNCONNECTED LISTENING -- listen -> LISTENING, listening
        UNCONNECTED -- connect -> CONNECTED, connected
        UNCONNECTED -- connect arrives -> CONNECTED, accept-new
        UNCONNECTED -- paired -> CONNECTED, pair
        """,
        _CLAUSES,
    ),
    refusals=refusals(
        """
        listen in CONNECTED: EINVAL, listen
        accept in UNCONNECTED CONNECTED: EINVAL, accept
        connect in LISTENING: EINVAL, connect-unix
        connect in CONNECTED: EISCONN, connect
        send in UNCONNECTED LISTENING: ENOTCONN, send
        sendto in UNCONNECTED LISTENING: EOPNOTSUPP, send-name
        sendto in CONNECTED: EISCONN, send-name
        recv in UNCONNECTED LISTENING: EINVAL, recv-unix
        getpeername in UNCONNECTED LISTENING: ENOTCONN, names
        unread in LISTENING: EINVAL, inq
        """,
        _CLAUSES,
    ),
    conditions=conditions(
        _UNIX_NAMES
        + """
        listener without a name: EINVAL, listen
        listener shut down: EINVAL, accept
        nobody listens: ECONNREFUSED, connect
        queue full: EAGAIN, connect
        reset by the peer: ECONNRESET, recv
        nobody takes it any more: EPIPE, send
        no urgent data: EINVAL, recv
        """,
        _CLAUSES,
    ),
)

UNIX_SEQPACKET = Table(
    name="unix-seqpacket",
    initial="UNCONNECTED",
    states=("UNCONNECTED", "LISTENING", "CONNECTED"),
    transitions=UNIX_STREAM.transitions,
    refusals=refusals(
        """
        listen in CONNECTED: EINVAL, listen
        accept in UNCONNECTED CONNECTED: EINVAL, accept
        connect in LISTENING: EINVAL, connect-unix
        connect in CONNECTED: EISCONN, connect
        send in UNCONNECTED LISTENING: ENOTCONN, send
        recv in UNCONNECTED LISTENING: ENOTCONN, recv
        getpeername in UNCONNECTED LISTENING: ENOTCONN, names
        unread in LISTENING: EINVAL, inq
        """,
        _CLAUSES,
    ),
    conditions=conditions(
        _UNIX_NAMES
        + """
        listener without a name: EINVAL, listen
        listener shut down: EINVAL, accept
        nobody listens: ECONNREFUSED, connect
        queue full: EAGAIN, connect
        reset by the peer: ECONNRESET, recv
        nobody takes it any more: EPIPE, send
        too long: EMSGSIZE, send
        no urgent data in messages: EOPNOTSUPP, send
        """,
        _CLAUSES,
    ),
)

UNIX_DATAGRAM = Table(
    name="unix-datagram",
    initial="UNCONNECTED",
    states=("UNCONNECTED", "CONNECTED"),
    transitions=transitions(
        """
        UNCONNECTED CONNECTED -- connect -> CONNECTED, connect-datagram
        UNCONNECTED -- paired -> CONNECTED, pair
        CONNECTED -- peer is gone -> UNCONNECTED, gone
        """,
        _CLAUSES,
    ),
    refusals=refusals(
        """
        listen in UNCONNECTED CONNECTED: EOPNOTSUPP, listen
        accept in UNCONNECTED CONNECTED: EOPNOTSUPP, accept
        send in UNCONNECTED: ENOTCONN, send
        getpeername in UNCONNECTED: ENOTCONN, names
        """,
        _CLAUSES,
    ),
    conditions=conditions(
        _UNIX_NAMES
        + """
        connected to another: EPERM, unix
        peer is gone: ECONNREFUSED, gone
        reset by the peer: ECONNRESET, gone
        too long: EMSGSIZE, send
        shut down for sending: EPIPE, send
        no urgent data in messages: EOPNOTSUPP, send
        """,
        _CLAUSES,
    ),
)

TABLES = (TCP, UDP, UNIX_STREAM, UNIX_SEQPACKET, UNIX_DATAGRAM)

# -- options -----------------------------------------------------------------------------------------------

OPTIONS = Table(
    name="options",
    initial="OPEN",
    states=("OPEN",),
    transitions=(),
    refusals=(),
    conditions=conditions(
        """
        not at this level: ENOPROTOOPT, option
        not to be read at this level of IPv4: EOPNOTSUPP, option
        no options at this level: EOPNOTSUPP, option
        not in this family: EOPNOTSUPP, option
        cannot be set: ENOPROTOOPT, option
        too late: EINVAL, option
        """,
        _CLAUSES,
    ),
)
