"""A C library called through ctypes: its forms, its errors, and what it must not get away with."""

from __future__ import annotations

import ctypes
import errno
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.agent.library import Library, find_prefix, load
from grader.agent.raw import OPERATIONS, hold_signals

TABLE = Path(__file__).parents[2] / "fixtures" / "submissions" / "library" / "correct" / "table" / "sock.c"
HEAD = (
    "#include <errno.h>\n#include <signal.h>\n#include <string.h>\n#include <netinet/in.h>\n#include <sys/socket.h>\n"
)
NAME = "int my_getsockname(int fd, short *a, int *n) { memset(a, 0, 16); *a = AF_INET; %s return 0; }"
Compile = Callable[[str], Library]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give a function that compiles a source, which may be a path."""
    folder = tmp_path_factory.mktemp("libraries")

    def compiler(text: str) -> Path:
        number = len(list(folder.iterdir()))
        source, library = folder / f"{number}.c", folder / f"{number}.so"
        source.write_text(HEAD + text)
        subprocess.run(["gcc", "-w", "-shared", "-fPIC", "-pthread", "-o", library, source], check=True)
        return library

    return compiler


@pytest.fixture
def compiled(built: Callable[[str], Path]) -> Iterator[Compile]:
    """Give a function that loads a source; the signals of this thread are as before afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield lambda text: load(str(built(text)))
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.fixture
def table(compiled: Compile) -> Library:
    """Load the correct sample."""
    return compiled(f'#include "{TABLE}"')


def wrong(answer: dict[str, Any]) -> str:
    """Give the text of a wrong result."""
    assert answer["exc"]["type"] == "wrong result", answer
    return str(answer["exc"]["text"])


def test_every_call_is_offered_under_its_prefix(table: Library) -> None:
    """What the library exports is what it can do."""
    assert table.ops == set(OPERATIONS)
    assert table.missing == {}


@pytest.mark.parametrize(
    ("exported", "prefix"),
    [
        ({"my_socket", "my_bind", "helper"}, "my_"),
        ({"socket", "bind", "close"}, ""),
        ({"xsend", "xrecv", "correct_send"}, "x"),
        ({"my_socket", "your_socket", "your_bind"}, "your_"),
        ({"a_bind", "b_socket"}, "b_"),
    ],
    ids=["underscore", "none", "most", "two", "socket-first"],
)
def test_the_prefix_is_that_of_most_calls(exported: set[str], prefix: str) -> None:
    """Helpers and remains of something else do not mislead."""
    assert find_prefix(exported) == prefix


def test_a_library_without_a_call_says_what_it_has(compiled: Compile) -> None:
    """It cannot be taken for a library of sockets."""
    with pytest.raises(
        OSError, match="exports no call of the socket interface such as my_socket; it exports main_loop"
    ):
        compiled("int main_loop(void) { return 0; }")


def test_a_prefix_can_be_given(built: Callable[[str], Path]) -> None:
    """Then nothing is guessed."""
    path = str(built("int a_dup(int fd) { return 1; } int b_dup(int fd) { return 2; }"))

    assert load(path, "a_").call("dup", {"sock": 0}) == {"ok": {"sock": 1}}
    assert load(path, "b_").call("dup", {"sock": 0}) == {"ok": {"sock": 2}}
    assert load(path, "c_").call("dup", {"sock": 0}) == {"unsupported": "the library has no function `c_dup`"}


def test_what_the_c_library_has_is_not_the_students(compiled: Compile) -> None:
    """A call that is missing is missing, though the loader would find one of that name."""
    library = compiled("int socket(int d, int t, int p) { return 3; } int listen(int fd, int n) { return 0; }")

    assert library.ops == {"socket", "listen"}
    assert library.missing["nonblock"] == "the library has no function `fcntl`"


def test_an_error_is_the_errno_of_the_c_library(table: Library) -> None:
    """The number and its name, also after a call that left another number."""
    assert table.call("close", {"sock": 77}) == {"err": {"name": "EBADF", "number": errno.EBADF}}
    assert table.call("socket", {"domain": 999, "type": "stream"})["err"]["name"] == "EAFNOSUPPORT"


def test_a_socket_can_be_made_that_does_not_wait(table: Library) -> None:
    """By a call of its own, because SOCK_NONBLOCK is younger than most libraries."""
    sock = table.call("socket", {"domain": "inet", "type": "dgram", "nonblock": True})["ok"]["sock"]

    assert table.call("recv", {"sock": sock, "size": 1})["err"]["name"] == "EAGAIN"


def test_end_of_file_is_known_by_the_type_that_was_asked_for(compiled: Compile) -> None:
    """The library's own getsockopt is not needed to know a stream."""
    library = compiled(
        "static int n; int my_socket(int d, int t, int p) { return n++; }\n"
        "ssize_t my_recv(int fd, void *b, size_t s, int f) { return 0; }"
    )
    for kind in ("stream", "dgram"):
        library.call("socket", {"domain": "inet", "type": kind})

    answers = [library.call("recv", {"sock": sock, "size": 1})["ok"]["eof"] for sock in (0, 1)]

    assert answers == [True, False]


@pytest.mark.parametrize(
    ("op", "source", "text"),
    [
        ("bind", "int my_bind() { return 5; }", "my_bind() gave 5, expected 0 or -1: errno says what failed"),
        ("bind", "int my_bind() { return -22; }", "my_bind() gave -22, expected 0 or -1: errno says what failed"),
        ("dup", "int my_dup(int fd) { return -9; }", "my_dup() gave -9, expected -1 or a number from 0 up"),
        ("bind", "int my_bind() { return -1; }", "my_bind() gave -1 and left errno as it was"),
        ("socketpair", "int my_socketpair() { return 0; }", "socketpair() gave -1 and -1, expected descriptors"),
        ("recv", "ssize_t my_recv() { return 9; }", "it gave 9 bytes where at most 4 were asked for"),
        ("recv", "unsigned my_recv() { errno = EAGAIN; return -1; }", "it is -1, cut to 32 bits"),
        (
            "recv",
            "ssize_t my_recv(int fd, char *b, size_t s, int f) { b[s] = 0; return s; }",
            "it wrote behind the end of a buffer of 4 bytes",
        ),
        ("getsockname", "int my_getsockname() { return 0; }", "my_getsockname() wrote no address"),
        (
            "getsockname",
            NAME % "",
            "my_getsockname() left the length of the address at 128, expected 16",
        ),
        (
            "getsockname",
            NAME % "*n = 8;",
            "my_getsockname() set the length of the address at 8, expected 16",
        ),
        (
            "getsockname",
            "int my_getsockname(int fd, char *a, socklen_t *n) { memset(a, 'x', 16); *n = 16; return 0; }",
            "my_getsockname() wrote an address of family 30840: b'xxxxxxxxxxxxxxxx'",
        ),
    ],
    ids=[
        *("positive", "negative", "negative-descriptor", "no-errno", "no-pair", "too-much", "cut", "overrun"),
        *("no-address", "no-length", "short-length", "no-family"),
    ],
)
def test_a_result_of_another_form_is_told_in_words(compiled: Compile, op: str, source: str, text: str) -> None:
    """What C lets pass is looked at after each call."""
    args = {"sock": 3, "addr": {"ip": "127.0.0.1", "port": 1}, "size": 4, "domain": "unix", "type": "stream"}

    assert text in wrong(compiled(source).call(op, args))


def test_an_address_beside_something_else_is_only_left_out(
    compiled: Compile, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who forgets the client's address has made a connection all the same; the reason is printed."""
    library = compiled("int my_accept() { return 4; }")

    assert library.call("accept", {"sock": 3}) == {"ok": {"sock": 4, "peer": None}}
    assert capfd.readouterr().err == "(grader: my_accept() wrote no address)\n"


def test_a_stream_need_not_tell_the_sender(compiled: Compile) -> None:
    """POSIX leaves the address of a recvfrom on a stream open; one of a datagram must be there."""
    library = compiled(
        "static int n; int my_socket(int d, int t, int p) { return n++; }\n"
        "ssize_t my_recvfrom(int fd, char *b, size_t s, int f) { return 0; }"
    )
    for kind in ("stream", "dgram"):
        library.call("socket", {"domain": "inet", "type": kind})

    assert [library.call("recvfrom", {"sock": sock, "size": 1})["ok"]["peer"] for sock in (0, 1)] == [{}, None]


def test_an_errno_of_an_earlier_success_is_no_error(compiled: Compile) -> None:
    """A call may leave any number when it succeeds; the next failure must set its own."""
    library = compiled("int my_dup(int fd) { if (fd) return -1; errno = EIO; return 0; }")

    assert library.call("dup", {"sock": 0}) == {"ok": {"sock": 0}}
    assert "left errno as it was" in wrong(library.call("dup", {"sock": 1}))


def test_sigpipe_is_seen_wherever_it_comes_from(compiled: Compile) -> None:
    """A library that makes its own sockets raises it itself, and it is told beside the answer."""
    hold_signals()
    library = compiled(
        "ssize_t my_send(int fd, void *d, size_t n, int f) {"
        " if (fd < 0) { raise(SIGPIPE); errno = EPIPE; return -1; } return n; }"
    )

    broken = library.call("send", {"sock": -1, "data": b"x"})
    fine = library.call("send", {"sock": 1, "data": b"x"})

    assert broken == {"err": {"name": "EPIPE", "number": errno.EPIPE}, "signals": ["SIGPIPE"]}
    assert fine == {"ok": {"count": 1}}


def test_what_cannot_be_put_into_a_call_is_not_made(table: Library) -> None:
    """A set of descriptors ends at 1024, and an answer at what one line can carry."""
    watch = [(5000, ["read"])]

    assert "cannot be made" in table.call("select", {"watch": watch, "timeout": 0})["unsupported"]
    assert "more than one answer" in table.call("recv", {"sock": 0, "size": 1 << 20})["unsupported"]


def test_bytes_that_are_no_text_travel_as_words(compiled: Compile) -> None:
    """A path of garbage is a wrong address, not a broken line."""
    library = compiled(
        "int my_getsockname(int fd, char *a, socklen_t *n) { memset(a, 0xff, 9); a[0] = AF_UNIX; a[1] = 0; *n = 9;"
        " return 0; }"
    )

    path = library.call("getsockname", {"sock": 3})["ok"]["addr"]["path"]

    assert path.encode("utf-8").isascii()


def test_its_own_names_come_first(compiled: Compile) -> None:
    """A library that calls its own `dup` does not get the system's."""
    library = compiled("int dup(int fd) { return 7; } int listen(int fd, int n) { return dup(fd) != 7; }")

    assert library.call("listen", {"sock": -1}) == {"ok": {}}
    assert ctypes.CDLL(None).dup(-1) == -1
