"""The target `library:`: found, built, loaded, called, and told apart when it ends."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grader.model.errors import TargetError
from grader.model.outcomes import Ended, Failed, Raised, Succeeded, Unoffered
from grader.model.scenarios import ActorKind
from grader.model.verdicts import Cause, Verdict
from grader.pipeline import run_case
from grader.selection import select
from grader.targets.library import UnbuiltTarget, open_library
from grader.targets.protocol import Target

if TYPE_CHECKING:
    from tests.targets.conftest import Talk

TalkTo = Callable[..., AbstractContextManager["Talk"]]
Opener = Callable[..., Target]
HEAD = "#include <errno.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <sys/socket.h>\n"


@pytest.fixture(scope="module", params=["table", "calls"])
def target(request: pytest.FixtureRequest, submissions: Path) -> Iterator[Target]:
    """Open correct sockets: with a table of their own from a source, and thin ones from a Makefile."""
    with closing(open_library(str(submissions / "library" / "correct" / request.param))) as opened:
        yield opened


@pytest.fixture
def opener(tmp_path: Path) -> Iterator[Opener]:
    """Give a function that opens a library with this source, in files of these names."""
    opened: list[Target] = []

    def open_source(text: str, option: str = "", **files: str) -> Target:
        for name, content in {"sock.c": HEAD + text, **files}.items():
            (tmp_path / name).write_text(content)
        opened.append(open_library(f"{tmp_path}{option}"))
        return opened[-1]

    yield open_source
    for each in opened:
        each.close()


def failure(target: Target) -> str:
    """Give the reason why something could not be built, as every call tells it."""
    assert isinstance(target, UnbuiltTarget)
    case, *_ = select(["api/socketpair"]).cases
    result, _ = run_case(case, target)
    assert (result.verdict, result.cause) == (Verdict.FAIL, Cause.BUILD)
    return result.findings[0].got.removeprefix("the code could not be built (").removesuffix(")")


def test_a_conversation_works(target: Target, talk_to: TalkTo) -> None:
    """A client and a server talk through the library, each on a thread of its own, and see the end."""
    with talk_to(target, srv="fresh inet6") as talk:
        listener = talk.give("socket", "sock", domain="inet6", type="stream")
        talk.call("bind", sock=listener, addr=talk.address("srv"))
        talk.call("listen", sock=listener, backlog=3)
        waiting = talk.start("accept", "server", sock=listener)
        talk.look_until(waiting, "blocked")
        client = talk.give("socket", "sock", domain="inet6", type="stream")
        assert talk.call("connect", sock=client, addr=talk.address("srv")) == Succeeded({})

        accepted = talk.finish(waiting)

        assert isinstance(accepted, Succeeded)
        assert accepted.fields["peer"] == talk.give("getsockname", "addr", sock=client)
        assert talk.call("send", sock=client, data=b"\0\xff hello", flags=("MSG_NOSIGNAL",)) == Succeeded({"count": 8})
        received = talk.call("recv", sock=accepted.fields["sock"], size=64)
        assert received == Succeeded({"data": b"\0\xff hello", "count": 8, "eof": False})
        talk.call("close", sock=client)
        ended = talk.call("recv", sock=accepted.fields["sock"], size=64)
        assert ended == Succeeded({"data": b"", "count": 0, "eof": True})


def test_a_call_that_waits_is_seen_where_it_sleeps(target: Target, talk_to: TalkTo) -> None:
    """The library waits in the kernel, on its actor's thread or on the first one."""
    with talk_to(target) as talk:
        sock, other = talk.pair()
        call = talk.start("recv", "reader", sock=sock, size=1)

        assert "asleep in recvfrom" in talk.look_until(call, "blocked")[-1].evidence
        talk.call("send", sock=other, data=b"x")
        assert talk.finish(call) == Succeeded({"data": b"x", "count": 1, "eof": False})


def test_a_process_has_every_socket_of_its_beginning(target: Target, talk_to: TalkTo) -> None:
    """The descriptors lead to the kernel's sockets, so a forked process shares them."""
    child = ActorKind.PROCESS
    with talk_to(target) as talk:
        sock, other = talk.pair()

        assert talk.call("send", actor="child", kind=child, sock=other, data=b"from the child") == Succeeded(
            {"count": 14}
        )
        assert talk.give("recv", "data", sock=sock, size=64) == b"from the child"
        assert talk.call("close", actor="child", kind=child, sock=sock) == Succeeded({})
        assert talk.call("send", sock=sock, data=b"open here") == Succeeded({"count": 9})


def test_sigpipe_is_seen(target: Target, talk_to: TalkTo) -> None:
    """What Python hides from a module, a library's caller sees."""
    with talk_to(target) as talk:
        sock, other = talk.pair()
        talk.call("close", sock=other)

        assert talk.call("send", sock=sock, data=b"x") == Failed("EPIPE", 32, ("SIGPIPE",))
        assert talk.call("send", sock=sock, data=b"x", flags=("MSG_NOSIGNAL",)) == Failed("EPIPE", 32)


def test_the_profile_says_what_is_there(target: Target) -> None:
    """A library of C has all that modules have, and what Python keeps from them."""
    profile = target.profile

    assert {"raw-calls", "sigpipe", "closed-descriptors", "threads", "processes"} <= profile.features
    assert (profile.blocking, profile.language) == ("kernel", "C")
    assert {"programs", "second-host"} <= profile.missing.keys()


def test_sockets_of_ones_own_cannot_be_forked(opener: Opener) -> None:
    """A library that asks the kernel for nothing has its sockets in memory, which a forked process gets a copy of."""
    profile = opener("int my_socket(int d, int t, int p) { return 3; }").profile

    assert "processes" not in profile.features
    assert profile.blocking == "userland"
    assert "not the kernel's" in profile.missing["processes"]


def test_a_missing_call_is_a_mistake_or_a_limit(opener: Opener, talk_to: TalkTo) -> None:
    """A required function that is not there fails the case; an optional one only cannot be judged."""
    with talk_to(opener("int my_socket(int d, int t, int p) { return 3; }")) as talk:
        assert talk.call("accept", sock=3) == Raised("missing", "the library has no function `my_accept`")
        assert talk.call("nonblock", sock=3, set=True) == Unoffered("the library has no function `my_fcntl`")


def test_the_prefix_can_be_told(opener: Opener, talk_to: TalkTo) -> None:
    """It stands behind the path."""
    source = "int a_dup(int fd) { return 1; } int a_close(int fd) { return 0; } int b_dup(int fd) { return 2; }"
    with talk_to(opener(source)) as talk:
        assert talk.give("dup", "sock", sock=0) == 1
    with talk_to(opener(source, ",prefix=b_")) as talk:
        assert talk.give("dup", "sock", sock=0) == 2


@pytest.mark.parametrize(
    ("source", "end"),
    [
        ("int my_close(int fd) { return *(volatile int *)0; }", Ended("signal", "SIGSEGV")),
        ("int my_close(int fd) { abort(); }", Ended("signal", "SIGABRT")),
        ("int my_close(int fd) { exit(0); }", Ended("exit")),
        ("int my_close(int fd) { _Exit(7); }", Ended("exit", code=7)),
    ],
    ids=["segmentation-fault", "abort", "exit-0", "exit-7"],
)
@pytest.mark.parametrize("place", ["main", "thread"])
def test_each_end_has_its_name(opener: Opener, talk_to: TalkTo, source: str, end: Ended, place: str) -> None:
    """A crash is no exit, an exit is no success, on whatever thread; the next case is as ever."""
    target = opener(source)
    for _ in range(2):
        with talk_to(target) as talk:
            outcome = talk.call("close", sock=3) if place == "main" else talk.finish(talk.start("close", "x", sock=3))

            assert outcome == end


def test_a_loop_is_seen_burning(opener: Opener, talk_to: TalkTo) -> None:
    """Who computes for ever is busy, never blocked."""
    with talk_to(opener("int my_close(int fd) { for (volatile int i = 0;; i++); }")) as talk:
        call = talk.start("close", "looper", sock=3)

        assert {talk.session.look(call).state for _ in range(50)} == {"busy"}


def test_what_is_printed_is_kept(opener: Opener, talk_to: TalkTo) -> None:
    """Not a letter stays in a buffer of the C library's, even of a process that crashes."""
    with talk_to(opener('int my_close(int fd) { printf("closing %d", fd); abort(); }')) as talk:
        talk.call("close", sock=3)

        assert talk.session.output().endswith("closing 3")


def test_warnings_are_kept(opener: Opener, talk_to: TalkTo) -> None:
    """What the compiler said of a library that can be built stands before what it prints."""
    with talk_to(opener("int my_close(int fd) { int unused; return 0; }")) as talk:
        assert "sock.c:5:28: warning: unused variable" in talk.session.output()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("int my_close(int fd) { return 0 }", "sock.c:5:32: error: expected ‘;’ before ‘}’ token"),
        ("int my_close(int fd) { return forget(fd); }", "sock.c:5: undefined reference to `forget'"),
        ("int main_loop(void) { return 0; }", "exports no call of the socket interface such as my_socket"),
    ],
    ids=["compiler", "linker", "no-calls"],
)
def test_what_cannot_be_built_fails_every_case(opener: Opener, source: str, reason: str) -> None:
    """The cause is `build`, and the message has the first errors."""
    assert reason in failure(opener(source))


def test_a_library_that_cannot_be_loaded_was_not_built(tmp_path: Path) -> None:
    """A .so that the loader refuses is a failure of the build, in the loader's words."""
    (tmp_path / "libsock.so").write_bytes(b"\x7fELF but no more")

    with closing(open_library(str(tmp_path))) as target:
        assert "file too short" in failure(target)


def test_a_failed_build_shows_all_that_was_said(opener: Opener, talk_to: TalkTo) -> None:
    """The whole text of the compiler is in the output of each case, whose addresses are there as ever."""
    with talk_to(opener("#error first\n#error second\n"), srv="fresh unix") as talk:
        assert isinstance(talk.call("bind", sock=1, addr=talk.address("srv")), Ended)
        assert "error: #error second" in talk.session.output()
        assert talk.call("path_type", addr=talk.address("srv")) == Succeeded({"type": "none"})
        assert talk.session.wait(0) is None
        assert talk.session.look(1).state == "unknown"
        assert talk.session.is_settled()


def test_a_makefile_is_run_on_a_copy(opener: Opener, tmp_path: Path, talk_to: TalkTo) -> None:
    """The student's folder stays as it was handed in."""
    make = "lib/own.so: sock.c\n\tmkdir lib\n\t$(CC) -shared -fPIC -o $@ $^\n"
    with talk_to(opener("int my_dup(int fd) { return 9; }", Makefile=make)) as talk:
        assert talk.give("dup", "sock", sock=0) == 9

    assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile", "sock.c"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        ("all:\n\t@false\n", "make: *** [Makefile:2: all] Error 1"),
        ("all:\n\t@true\n", "expected one .so, or one libsock.so, and found none"),
        ("all:\n\ttouch a.so b.so\n", "expected one .so, or one libsock.so, and found a.so, b.so"),
        ("all:\n\tkill -9 $$PPID\n", "the compiler was ended by SIGKILL"),
    ],
    ids=["error", "nothing", "two", "killed"],
)
def test_a_makefile_that_makes_no_library_says_why(opener: Opener, make: str, reason: str) -> None:
    """Each way of not making one is told in its own words."""
    assert failure(opener("", Makefile=make)) == reason


def test_a_link_out_of_the_folder_is_no_library(opener: Opener) -> None:
    """What `make` leaves is looked at as a file; where a link leads is nobody's business."""
    assert failure(opener("", Makefile="all:\n\tln -s /bin/true libsock.so\n")).endswith("and found none")


def test_a_build_has_no_privileges_and_no_network(opener: Opener) -> None:
    """The compiler reads a student's files where their code runs: behind the wall."""
    make = "all:\n\t@grep CapEff /proc/self/status; tail -n +3 /proc/net/dev | grep -vw lo; false\n"
    target = opener("", Makefile=make)
    assert isinstance(target, UnbuiltTarget)
    with target.session(select(["api/socketpair"]).cases[0]) as session:
        capabilities, *rest = session.output().splitlines()

    assert int(capabilities.split()[1], 16) & ~4 == 0
    assert not [line for line in rest if "make" not in line]


def test_a_library_is_taken_as_it_is(tmp_path: Path, submissions: Path, talk_to: TalkTo) -> None:
    """A .so needs no compiler, by its own name or alone in its folder; a single source will do too."""
    source = submissions / "library" / "correct" / "table" / "sock.c"
    library = tmp_path / "mine.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-pthread", "-o", library, source], check=True)

    for path in (library, tmp_path, source):
        with closing(open_library(str(path))) as target, talk_to(target) as talk:
            assert talk.pair() == (0, 1)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere", "nowhere: no such file or folder"),
        ("notes.txt", r"notes\.txt: expected a \.so or \.c file"),
        ("", r"expected a Makefile, C sources or one \.so in the folder, found notes\.txt"),
    ],
)
def test_what_is_no_library_is_named(tmp_path: Path, name: str, reason: str) -> None:
    """Opening says what was looked for."""
    (tmp_path / "notes.txt").touch()

    with pytest.raises(TargetError, match=reason):
        open_library(str(tmp_path / name))


def test_nothing_is_left_of_a_target(submissions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the build goes away with the target, whether it was built or not."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    for sample in ("correct/table", "correct/calls", "wrong/does-not-compile"):
        open_library(str(submissions / "library" / sample)).close()

    assert list(tmp_path.iterdir()) == []


def test_a_case_that_expects_anything_of_its_calls_fails_too(submissions: Path) -> None:
    """No case passes without code: each makes a call that has to be seen to succeed."""
    with closing(open_library(str(submissions / "library" / "wrong" / "does-not-compile"))) as target:
        verdicts = {run_case(case, target)[0].verdict for case in select(["api/errors", "api/lifecycle"]).cases}

    assert verdicts == {Verdict.FAIL}
