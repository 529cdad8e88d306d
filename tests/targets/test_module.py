"""The target `module:`: what it offers, how calls travel, and that nothing is left of a case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grader.model.errors import TargetError
from grader.model.outcomes import Broken, Ended, Failed, Raised, Succeeded, Unoffered
from grader.model.scenarios import ActorKind
from grader.model.values import InetAddress, UnixAddress
from grader.targets.module import ModuleTarget, open_kernel, open_module

if TYPE_CHECKING:
    from tests.targets.conftest import Talk

TalkTo = Callable[..., AbstractContextManager["Talk"]]
CHILD = ActorKind.PROCESS


@pytest.fixture(scope="module", params=["functions", "classes", "socket", "kernel"])
def target(request: pytest.FixtureRequest, submissions: Path) -> Iterator[ModuleTarget]:
    """Open correct sockets in each shape, the standard library's by name, and the kernel's behind the agent."""
    name = request.param
    there = submissions / "correct" / name
    with closing(open_kernel() if name == "kernel" else open_module(str(there) if there.exists() else name)) as opened:
        yield opened


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Callable[[str], ModuleTarget]]:
    """Give a function that opens a module with this text."""
    opened: list[ModuleTarget] = []

    def opener(text: str) -> ModuleTarget:
        (tmp_path / "sockets.py").write_text(text)
        opened.append(open_module(str(tmp_path)))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


def children_of(pid: int) -> list[str]:
    """Give the processes whose parent this is."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


def test_a_conversation_works_in_every_shape(target: ModuleTarget, talk_to: TalkTo) -> None:
    """A client and a server talk through the target, each on its own actor."""
    with talk_to(target, srv="fresh inet") as talk:
        listener = talk.give("socket", "sock", domain="inet", type="stream")
        talk.call("bind", sock=listener, addr=talk.address("srv"))
        talk.call("listen", sock=listener, backlog=3)
        waiting = talk.start("accept", "server", sock=listener)
        client = talk.give("socket", "sock", domain="inet", type="stream")
        connected = talk.start("connect", "client", sock=client, addr=talk.address("srv"))

        answers = {answer.call: answer.outcome for answer in (talk.answer(), talk.answer())}

        accepted, name = answers[waiting], talk.give("getsockname", "addr", sock=client)
        assert answers[connected] == Succeeded({})
        assert isinstance(accepted, Succeeded)
        assert accepted.fields["peer"] == name
        assert talk.call("send", sock=client, data=b"\0\xff hello", flags=("MSG_NOSIGNAL",)) == Succeeded({"count": 8})
        received = talk.call("recv", sock=accepted.fields["sock"], size=64)
        assert received == Succeeded({"data": b"\0\xff hello", "count": 8, "eof": False})
        assert talk.call("close", sock=client) == Succeeded({})
        ended = talk.call("recv", sock=accepted.fields["sock"], size=64)
        assert ended == Succeeded({"data": b"", "count": 0, "eof": True})


def test_datagrams_carry_their_sender_and_have_no_end(target: ModuleTarget, talk_to: TalkTo) -> None:
    """`recvfrom` gives the path of the sender, and an empty datagram is no end of file."""
    with talk_to(target, srv="fresh unix", cli="fresh unix") as talk:
        here, there = (talk.give("socket", "sock", domain="unix", type="dgram") for _ in range(2))
        talk.call("bind", sock=here, addr=talk.address("srv"))
        talk.call("bind", sock=there, addr=talk.address("cli"))

        talk.call("sendto", sock=there, data=b"", addr=talk.address("srv"))

        received = talk.call("recvfrom", sock=here, size=9)
        assert received == Succeeded({"data": b"", "count": 0, "peer": talk.address("cli"), "eof": False})
        assert talk.call("path_type", addr=talk.address("srv")) == Succeeded({"type": "socket"})


def test_options_speak_the_words_of_the_language(target: ModuleTarget, talk_to: TalkTo) -> None:
    """Options give words, truth values, seconds and milliseconds, never the forms of C."""
    with talk_to(target) as talk:
        sock = talk.give("socket", "sock", domain="inet", type="stream")

        for name, value in (("SO_LINGER", 7), ("SO_RCVTIMEO", 2000), ("SO_KEEPALIVE", True), ("TCP_NODELAY", True)):
            assert talk.call("setsockopt", sock=sock, name=name, value=value) == Succeeded({})
            assert talk.give("getsockopt", "value", sock=sock, name=name) == value
        words = [talk.give("getsockopt", "value", sock=sock, name=f"SO_{name}") for name in ("TYPE", "DOMAIN", "ERROR")]
        assert words == ["stream", "inet", 0]
        assert talk.give("getsockopt", "value", sock=sock, name="SO_PROTOCOL") == "tcp"


def test_a_failure_is_its_errno(target: ModuleTarget, talk_to: TalkTo) -> None:
    """A call that fails gives the symbol and the number, also on a descriptor that was closed."""
    with talk_to(target, nobody="unused inet") as talk:
        sock = talk.give("socket", "sock", domain="inet", type="stream")

        assert talk.call("connect", sock=sock, addr=talk.address("nobody")) == Failed("ECONNREFUSED", 111)
        talk.call("close", sock=sock)
        assert talk.call("getsockname", sock=sock) == Failed("EBADF", 9)


def test_a_call_that_may_not_wait_says_so(target: ModuleTarget, talk_to: TalkTo) -> None:
    """`nonblock` reaches the module; the socket then gives EAGAIN, and `poll` says what is ready."""
    with talk_to(target) as talk:
        sock, other = talk.pair()
        talk.call("nonblock", sock=sock, set=True)

        assert talk.call("recv", sock=sock, size=1) == Failed("EAGAIN", 11)
        talk.call("send", sock=other, data=b"x")
        ready = talk.call("poll", watch=((sock, ("read", "write")),), timeout=0)
        assert ready == Succeeded({"ready": (f"{sock}.read", f"{sock}.write"), "count": 1})


def test_a_process_has_every_socket_of_its_beginning(target: ModuleTarget, talk_to: TalkTo) -> None:
    """A process actor inherits the sockets; what it closes stays open here."""
    with talk_to(target) as talk:
        sock, other = talk.pair()

        assert talk.call("close", actor="child", kind=CHILD, sock=sock) == Succeeded({})
        assert talk.call("send", actor="child", kind=CHILD, sock=other, data=b"from the child") == Succeeded(
            {"count": 14}
        )
        assert talk.give("recv", "data", sock=sock, size=64) == b"from the child"
        assert talk.call("close", sock=other) == Succeeded({})
        assert talk.call("send", sock=sock, data=b"still open there") == Succeeded({"count": 16})
        assert talk.give("recv", "data", actor="child", kind=CHILD, sock=other, size=64) == b"still open there"


def test_a_long_line_does_not_mix_with_others(target: ModuleTarget, talk_to: TalkTo) -> None:
    """Answers larger than a pipe's atomic write stay whole while two processes write."""
    with talk_to(target) as talk:
        (here, there), (mine, yours) = talk.pair(), talk.pair()
        for _ in range(5):
            talk.call("send", sock=here, data=b"a" * 60_000)
            talk.call("send", sock=mine, data=b"b" * 60_000)
            first = talk.start("recv", "child", kind=CHILD, sock=there, size=60_000)
            second = talk.start("recv", "thread", sock=yours, size=60_000)

            outcomes = {answer.call: answer.outcome for answer in (talk.answer(), talk.answer())}

            assert outcomes[first] == Succeeded({"data": b"a" * 60_000, "count": 60_000, "eof": False})
            assert outcomes[second] == Succeeded({"data": b"b" * 60_000, "count": 60_000, "eof": False})


@pytest.mark.slow
def test_fifty_cases_leave_nothing(target: ModuleTarget, talk_to: TalkTo) -> None:
    """Case after case begins with the same descriptor, and no process, pipe or folder is left."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    folders = set()

    for _ in range(50):
        with talk_to(target, srv="fresh unix") as talk:
            address = talk.address("srv")
            assert isinstance(address, UnixAddress)
            folders.add(Path(address.path or "").parent)
            sock = talk.give("socket", "sock", domain="unix", type="stream")
            assert talk.call("bind", sock=sock, addr=address) == Succeeded({})

    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert len(folders) == 50
    assert not any(folder.exists() for folder in folders)
    assert children_of(target.host_pid) == []


def test_the_host_ends_with_the_target(submissions: Path) -> None:
    """Closing a target leaves no process."""
    opened = open_module(str(submissions / "stub"))
    pid = opened.host_pid

    opened.close()

    assert not Path(f"/proc/{pid}").exists()


def test_a_profile_says_what_is_there_and_why_the_rest_is_not(write: Callable[[str], ModuleTarget]) -> None:
    """Optional calls may be missing; required ones are offered all the same, because lacking them is a mistake."""
    profile = write("def socket(domain, type, protocol): return 3").profile

    assert {"socket", "accept", "unlink"} <= profile.ops
    assert not {"dup", "nonblock", "recv_exactly"} & profile.ops
    assert profile.missing["nonblock"] == "the module has no function `set_nonblocking`"
    assert {"unix", "stream", "processes", "threads"} <= profile.features
    assert {"raw-calls", "sigpipe", "programs"} <= profile.missing.keys()
    assert profile.language.startswith("Python 3.")


def test_a_missing_call_is_a_mistake_or_a_limit(write: Callable[[str], ModuleTarget], talk_to: TalkTo) -> None:
    """A required function that is not there fails the case; an optional one only cannot be judged."""
    with talk_to(write("def socket(domain, type, protocol): return 3")) as talk:
        assert talk.call("accept", sock=3) == Raised("missing", "the module has no function `accept`")
        assert talk.call("dup", sock=3) == Unoffered("the module has no function `dup`")
        assert isinstance(talk.call("bind", kind=ActorKind.TRUSTED, sock=3, addr=UnixAddress()), Broken)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nowhere.py", "there is no such file or folder"),
        ("no/where", "there is no such file or folder"),
        ("surely_no_such_module", "no module of that name can be imported"),
        ("two words", "no module of that name"),
    ],
)
def test_a_target_that_is_not_there_is_named(text: str, reason: str) -> None:
    """Opening says what was looked for."""
    with pytest.raises(TargetError, match=f"{text}: .*{reason}"):
        open_module(text)


def test_a_folder_without_the_file_says_what_it_holds(tmp_path: Path) -> None:
    """A folder must hold `sockets.py`."""
    (tmp_path / "socket_impl.py").touch()

    with pytest.raises(TargetError, match=r"expected a file sockets\.py in the folder, found socket_impl\.py"):
        open_module(str(tmp_path))


def test_a_module_may_be_spread_over_files(tmp_path: Path, talk_to: TalkTo) -> None:
    """A submission imports its own files, even if they are called like ours or the standard library's."""
    (tmp_path / "wire.py").write_text("NUMBER = 41")
    (tmp_path / "socket.py").write_text("import wire, socket as real\nreal.AF_INET\ndef socket(*_): return wire.NUMBER")

    with closing(open_module(str(tmp_path / "socket.py"))) as opened, talk_to(opened) as talk:
        assert talk.give("socket", "sock", domain="inet", type="stream") == 41


def test_what_is_printed_is_kept(write: Callable[[str], ModuleTarget], talk_to: TalkTo) -> None:
    """Both streams reach the session without a flush, also text that is not UTF-8."""
    text = "import os, sys\ndef close(fd): print('out', fd); print('err', file=sys.stderr); os.write(1, b'\\xff')"
    with talk_to(write(text)) as talk:
        talk.call("close", sock=3)

        assert talk.session.output() == "out 3\nerr\n\N{REPLACEMENT CHARACTER}"


def test_a_case_runs_in_its_folder_with_a_small_environment(
    write: Callable[[str], ModuleTarget], talk_to: TalkTo
) -> None:
    """The cell sees its own folder, no variable of ours, and no input."""
    text = "import os, sys\ndef close(fd): print(os.getcwd(), os.environ['HOME'], sys.stdin.read(), sorted(os.environ))"
    with talk_to(write(text), srv="fresh unix") as talk:
        talk.call("close", sock=3)
        address = talk.address("srv")

        assert isinstance(address, UnixAddress)
        folder = Path(address.path or "").parent
        assert talk.session.output().startswith(
            f"{folder} {folder}  ['HOME', 'LANG', 'PATH', 'SOCKGRADE_HOST', 'TMPDIR']"
        )


def test_a_case_has_no_privileges(write: Callable[[str], ModuleTarget], talk_to: TalkTo) -> None:
    """Nothing of being root is left but reading, and no program gives it back."""
    text = "def close(fd): print([l for l in open('/proc/self/status') if l.startswith(('CapEff', 'NoNewPrivs'))])"
    with talk_to(write(text)) as talk:
        talk.call("close", sock=3)

        capabilities, no_new = talk.session.output().split("\\n', '")
        assert int(capabilities.split("\\t")[1], 16) & ~4 == 0
        assert "\\t1" in no_new


def test_networks_of_cases_are_strangers(target: ModuleTarget, talk_to: TalkTo) -> None:
    """Where a case has a network of its own, a port is free again at once, and the addresses are the same."""
    if "own-net" not in target.profile.features:
        pytest.skip(target.profile.missing["own-net"])
    seen = set()
    for _ in range(2):
        with talk_to(target, srv="fresh inet") as talk:
            sock = talk.give("socket", "sock", domain="inet", type="stream")
            assert talk.call("bind", sock=sock, addr=talk.address("srv")) == Succeeded({})
            seen.add(talk.address("srv"))

    (address,) = seen
    assert isinstance(address, InetAddress)


def test_a_process_that_ends_takes_only_its_own_call(write: Callable[[str], ModuleTarget], talk_to: TalkTo) -> None:
    """The end of a process actor is the outcome of its call; the others go on."""
    text = "import os, signal\ndef close(fd): os.kill(os.getpid(), signal.SIGTERM) if fd else os._exit(3)\n"
    with talk_to(write(text + "def listen(fd, backlog): return None")) as talk:
        assert talk.call("close", actor="child", kind=CHILD, sock=1) == Ended("signal", "SIGTERM")
        assert talk.call("close", actor="other", kind=CHILD, sock=0) == Ended("exit", code=3)
        assert talk.call("close", actor="child", kind=CHILD, sock=1) == Ended("signal", "SIGTERM")
        assert talk.call("listen", sock=1) == Succeeded({})
