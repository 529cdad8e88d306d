"""What a submission may try, and that it is contained."""

from __future__ import annotations

import os
import platform
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from grader.model.outcomes import Ended
from grader.sandbox import netns, sockdiag, wall
from grader.sandbox.levels import Level
from grader.sandbox.policy import Limits, Policy
from tests.sandbox.conftest import is_gone
from tests.sandbox.tricks import HANG_S, play, policy, start

pytestmark = pytest.mark.usefixtures("level_a", "network")

KILLED = Ended("signal", name="SIGKILL")


@pytest.fixture(scope="module")
def host_services() -> Iterator[int]:
    """Listen on this host's loopback and on an abstract name, both outside of any network of a case; gives the port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server, closing(socket.socket(socket.AF_UNIX)) as named:
        port: int = server.getsockname()[1]
        named.bind(f"\0sockgrade-test-{port}")  # other workers run these tests too
        named.listen()
        yield port


@pytest.fixture(scope="module")
def attempts(programs: Path, host_services: int) -> dict[str, str]:
    """Run the program that tries everything, once: name -> the symbol of the errno, or `worked`."""
    seen: dict[str, str] = {}
    here = str(Path(__file__).parent)
    files = ["/etc/shadow", "/root/.profile", "/home", "/sys/kernel", here, "/run", "/etc/passwd", "/proc/1/environ"]
    arguments = [str(os.getpid()), str(host_services), *files]

    def attempt() -> None:
        netns.enter_fresh_network()
        netns.pin_defaults()
        walled = wall.run(["/programs/attempts", *arguments], policy(programs), wall_s=HANG_S)
        assert walled.ended == Ended("exit"), (walled.ended, walled.errors())
        seen.update((line.split(" ")[0], line.split(" ")[1]) for line in walled.output().decode().splitlines())

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return seen


REFUSED = {
    **dict.fromkeys(("kill-harness", "ptrace-harness", "read-harness", "write-harness", "prlimit-harness"), "hidden"),
    **dict.fromkeys(("internet", "metadata"), "ENETUNREACH"),
    **dict.fromkeys(("host-loopback", "host-abstract"), "ECONNREFUSED"),
    **dict.fromkeys(("vsock", "alg", "packet", "bluetooth"), "EAFNOSUPPORT"),
    "netlink-diag": "EPROTONOSUPPORT",
    **dict.fromkeys(("clone3", "keyctl", "add-key", "io-uring", "bpf", "perf", "userfaultfd", "by-handle"), "ENOSYS"),
    **dict.fromkeys(
        "raw unshare-user unshare-net clone-user setns mount umount open-tree chroot pivot dumpable setgroups "
        "hostname clock date realtime device more-processes".split(),
        "EPERM",
    ),
    "setuid": "EINVAL",  # there is no such user inside
    "nice": "EACCES",
    "terminal": "ENXIO",
    "type-into-terminal": "ENOTTY",
    **dict.fromkeys(("write:/x", "write:/etc/x", "write:/dev/x", "write:/usr/x", "write:/dev/mem"), "EROFS"),
    "write:/dev/vda": "EROFS",
    "write:/sys/x": "ENOENT",
    "write:/proc/sys/net/ipv4/tcp_fin_timeout": "EACCES",
    **dict.fromkeys(
        ("read:/etc/shadow", "read:/root/.profile", "read:/home", "read:/sys/kernel", "read:/run"), "ENOENT"
    ),
    f"read:{Path(__file__).parent}": "ENOENT",
}


@pytest.mark.parametrize(("attempt", "errno"), REFUSED.items())
def test_an_attempt_is_refused(attempts: dict[str, str], attempt: str, errno: str) -> None:
    """Privileges, other families, the harness, this host's files and network: each with the errno that is due."""
    assert attempts[attempt] in ({"ESRCH", "EPERM"} if errno == "hidden" else {errno})


def test_only_its_own_processes_and_descriptors_are_in_sight(attempts: dict[str, str]) -> None:
    """The first process of the namespace and itself; input and the two outputs, beside what it has opened."""
    opened = sum(name.startswith("read:") and how == "worked" for name, how in attempts.items())
    descriptors = [name for name in attempts if name.startswith("descriptor:")]

    assert {name for name in attempts if name.startswith("process:")} == {"process:1", "process:2"}
    assert len(descriptors) == 3 + opened


def test_what_programs_need_works(attempts: dict[str, str]) -> None:
    """Names of interfaces are asked for over netlink, and /etc/passwd is ours."""
    assert attempts["netlink-route"] == attempts["read:/etc/passwd"] == "worked"


def test_nothing_of_this_host_is_told(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by the environment nor by the command line of the first process, which shows bubblewrap's."""
    monkeypatch.setenv("SECRET", "hunter2")
    show = "env; tr '\\0' '\\n' </proc/1/cmdline; tr '\\0' '\\n' </proc/1/environ; cat /proc/1/mountinfo"

    walled = wall.run(["/bin/sh", "-c", show], policy(programs), wall_s=HANG_S)

    told = walled.output().decode()
    assert "hunter2" not in told
    assert "--args" in told
    assert not {"--ro-bind", "--setenv", "--seccomp", str(Path.cwd())} & set(told.split())
    assert "SOCKGRADE" not in told


@pytest.mark.parametrize("trick", ["sleep", "stop", "ignore", "close-all", "vfork", "zombies", "fork-bomb"])
def test_whatever_will_not_end_is_killed(programs: Path, trick: str) -> None:
    """Also with every signal ignored, stopped, in vfork, and faster than it can fork."""
    with start(programs, trick) as walled:
        tree = [walled.init, *walled.tree()]

        assert walled.kill().how == "killed"

        assert tree
        assert all(map(is_gone, tree))


@pytest.mark.parametrize("trick", ["forks", "threads"])
def test_processes_and_threads_are_limited(programs: Path, trick: str) -> None:
    """Also for root, whose programs run as somebody else."""
    ended, said = play(programs, trick, limits=Limits(processes=20))

    count, errno = said.split()
    assert ended == Ended("exit")
    assert 15 <= int(count) < 20
    assert errno == "EAGAIN"


def test_two_programs_do_not_share_a_limit(programs: Path) -> None:
    """Each has a user namespace of its own, in which its processes are counted."""
    limits = Limits(processes=20)
    with start(programs, "fork-bomb", limits=limits) as other:
        while len(other.tree()) < 15:
            other.attend()

        _, said = play(programs, "forks", limits=limits)

    assert int(said.split()[0]) >= 15


def test_daemons_end_with_the_program_and_free_its_port(programs: Path) -> None:
    """Sessions of their own and deaf to signals."""
    ended, _ = play(programs, "daemons")

    assert ended == Ended("exit")
    with sockdiag.SockDiag() as diag:
        assert not sockdiag.is_listening(diag, 7000)
    ended, _ = play(programs, "daemons")
    assert ended == Ended("exit")  # 3 if the port were taken


@pytest.mark.slow
def test_a_busy_program_is_stopped(programs: Path) -> None:
    """By the kernel, which counts what each process used."""
    ended, _ = play(programs, "spin", limits=Limits(cpu_s=1))

    assert (ended.how, ended.name) == ("cpu", "SIGXCPU")


@pytest.mark.slow
def test_busy_programs_are_stopped_together(programs: Path) -> None:
    """By us, because the kernel counts each process on its own."""
    ended, _ = play(programs, "spin-many", limits=Limits(tree_cpu_s=0.3))

    assert ended.how == "cpu"
    assert ended.note.startswith("its processes used 0.")


def test_memory_is_limited(programs: Path) -> None:
    """In one process, by the kernel."""
    ended, said = play(programs, "eat", limits=Limits(address_space_bytes=64 << 20))

    assert ended == Ended("exit")
    assert int(said) < 64


@pytest.mark.slow
def test_memory_is_limited_together(programs: Path) -> None:
    """In many processes, by us."""
    ended, _ = play(programs, "eat-together", limits=Limits(resident_bytes=200 << 20))

    assert ended.how == "memory"


def test_files_in_memory_are_limited(programs: Path) -> None:
    """By how many descriptors there may be and how large each file."""
    _, said = play(programs, "memory-files", limits=Limits(descriptors=20, file_bytes=1 << 20))

    taken, errno = said.split()
    assert int(taken) <= 20 << 20
    assert errno == "EMFILE"


def test_descriptors_are_limited(programs: Path) -> None:
    """Each may hold buffers of the kernel's that nothing else counts."""
    assert play(programs, "descriptors", limits=Limits(descriptors=32))[1] == "32 EMFILE"


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm", "/w"])
def test_places_in_memory_are_limited(programs: Path, folder: str) -> None:
    """Each has its size."""
    _, said = play(programs, "fill", folder, "9", limits=Limits(tmp_bytes=2 << 20, file_bytes=1 << 20))

    assert said == f"{2 << 20} ENOSPC"


def test_a_file_is_limited(programs: Path) -> None:
    """By the kernel, also in the directory of this host."""
    with wall.fresh_directory() as work:
        _, said = play(programs, "fill", "/w", "1", limits=Limits(file_bytes=1 << 20), work=work)

        assert said == f"{1 << 20} EFBIG"
        assert (work / "0").stat().st_size == 1 << 20


@pytest.mark.slow
@pytest.mark.parametrize(("trick", "limits"), [
    (("fill", "/w", "9999"), Limits(work_bytes=4 << 20, file_bytes=1 << 20)),
    (("many-files",), Limits(work_files=100)),
])  # fmt: skip
def test_the_disk_is_not_filled(programs: Path, trick: tuple[str, ...], limits: Limits) -> None:
    """We look, and stop who makes too much; a moment's worth may be there by then."""
    with wall.fresh_directory() as work:
        ended, _ = play(programs, *trick, limits=limits, work=work)

    assert ended.how == "disk"
    assert not work.exists()


def test_a_flood_is_stopped(programs: Path) -> None:
    """After a little more than the limit, without a line feed, on both streams."""
    ended, said = play(programs, "flood", limits=Limits(output_bytes=1 << 18))

    assert ended == Ended("output", note="it printed more than 262144 bytes")
    assert len(said) <= 1 << 18


@pytest.mark.parametrize(("trick", "name"), [("crash", "SIGABRT"), ("segfault", "SIGSEGV"), ("broken-pipe", "SIGPIPE")])
def test_a_crash_is_a_signal_and_leaves_no_core(programs: Path, trick: str, name: str) -> None:
    """SIGPIPE has its default, and the program is not the first of its namespace, whom no signal kills."""
    with wall.fresh_directory() as work:
        ended, said = play(programs, trick, work=work)

        assert (ended.how, ended.name, said) == ("signal", name, "")
        assert not list(work.iterdir())


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="THE FILTER OF FOREIGN CALLS IS NOT TESTED: no second table here"
)
def test_calls_of_another_table_kill(programs: Path) -> None:
    """Their numbers mean other things, so the filter would be blind."""
    ended, _ = play(programs, "foreign")

    assert ended == Ended("signal", name="SIGSYS")


def test_killing_everybody_kills_nobody_of_ours(programs: Path) -> None:
    """There is nobody else in its sight, and its first process is protected."""
    ended, said = play(programs, "kill-all")

    assert (ended, said) == (Ended("exit"), "still here")


def test_what_a_program_locks_up_is_removed(programs: Path) -> None:
    """Directories without permissions, links, pipes."""
    with wall.fresh_directory() as work:
        assert play(programs, "lock-up", work=work)[0] == Ended("exit")
        assert (work / "pipe").is_fifo()

    assert not work.exists()


def test_a_setuid_program_gains_nothing(programs: Path) -> None:
    """No new privileges, for whatever is executed."""
    walled = wall.run(["/bin/sh", "-c", "grep NoNewPrivs /proc/self/status"], policy(programs), wall_s=HANG_S)

    assert walled.output().split() == [b"NoNewPrivs:", b"1"]


@pytest.mark.slow
def test_the_compiler_reads_nothing_of_this_host() -> None:
    """A build has no network, and includes only what is behind the wall."""
    text = b'#include "/etc/shadow"\n'
    build = Policy(has_network=False, limits=Limits(file_bytes=64 << 20))

    walled = wall.run(["gcc", "-xc", "-c", "-", "-o", "out.o"], build, wall_s=HANG_S, stdin=text)

    assert walled.ended == Ended("exit", code=1)
    assert b"/etc/shadow: No such file" in walled.errors()


def test_the_next_program_finds_nothing_of_the_last(programs: Path) -> None:
    """Same port, same place, fresh network."""
    for _ in range(3):
        netns.renew_network()
        with start(programs, "listen") as walled:
            while not (said := walled.take_output()):
                select.select([walled.output_fd], [], [], HANG_S)
            assert said == b"ready\n"


def test_levels_are_ordered() -> None:
    """The first is the best."""
    assert sorted(Level) == [Level.A, Level.B, Level.C, Level.D]
