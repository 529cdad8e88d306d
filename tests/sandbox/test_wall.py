"""Programs behind the wall: what goes in, what comes out, and how they end."""

from __future__ import annotations

import os
import pty
import select
import socket
from contextlib import closing
from pathlib import Path

import pytest

from grader.model.errors import InternalError, SandboxError
from grader.model.outcomes import Ended
from grader.sandbox import bubblewrap, introspect, levels, netns, safefs, selftest, wall
from grader.sandbox.launching import launch_at
from grader.sandbox.levels import Level
from grader.sandbox.policy import Limits, Policy
from tests.sandbox.conftest import is_gone
from tests.sandbox.tricks import HANG_S, policy, start
from tests.shell import python

pytestmark = pytest.mark.usefixtures("level_a", "network")

NOTHING = Policy()
_RELEASE = tuple(int(number) for number in os.uname().release.split(".")[:2])
EXACT = pytest.mark.skipif(_RELEASE < (6, 15), reason="EXIT CODES ARE NOT EXACT HERE: this kernel tells no more")


def shell(script: str, given: Policy = NOTHING, **more: object) -> wall.Walled:
    """Run a script to its end."""
    walled = wall.run(["/bin/sh", "-c", script], given, wall_s=HANG_S, **more)  # type: ignore[arg-type]
    assert walled.ended is not None
    return walled


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("exit 0", Ended("exit")),
        ("exit 7", Ended("exit", code=7)),
        ("sleep 0.01; exit 255", Ended("exit", code=255)),
        pytest.param("sleep 0.01; exit 139", Ended("exit", code=139), marks=EXACT),
        ("kill -SEGV $$", Ended("signal", name="SIGSEGV")),
        ("kill -KILL $$", Ended("signal", name="SIGKILL")),
    ],
)
def test_an_end_is_told(script: str, end: Ended) -> None:
    """With its code or its signal."""
    assert shell(script).ended == end


@pytest.mark.parametrize(
    ("program", "reason"),
    [("./nothing", "No such file or directory"), ("/etc/passwd", "Permission denied"), ("/tmp", "Permission denied")],
)
def test_what_cannot_be_executed_is_told(program: str, reason: str) -> None:
    """It is the program's fault, so it is no exception."""
    walled = wall.run([program], NOTHING, wall_s=HANG_S)

    assert walled.ended == Ended("exit", code=127, note=f"bwrap: execvp {program}: {reason}")


def test_output_and_errors_are_apart() -> None:
    """Or together, in the order in which they were printed."""
    script = "echo one; echo two >&2; echo three"

    apart, together = shell(script), shell(script, merged=True)

    assert (apart.output(), apart.errors()) == (b"one\nthree\n", b"two\n")
    assert (together.output(), together.errors()) == (b"one\ntwo\nthree\n", b"")
    assert apart.output(4) == b"ree\n"


def test_input_is_bytes_or_nothing_or_a_descriptor() -> None:
    """Then end-of-file."""
    reader, writer = os.pipe()
    with wall.launch(["/bin/cat"], NOTHING, stdin=reader) as walled:
        os.close(reader)
        os.write(writer, b"later")
        os.close(writer)
        walled.wait(HANG_S)
        assert walled.output() == b"later"

    assert shell("cat", stdin=b"x" * 100_000).output() == b"x" * 100_000
    assert shell("cat; echo end").output() == b"end\n"


def test_a_terminal_is_never_an_input() -> None:
    """A program could type into it."""
    master, slave = pty.openpty()

    with pytest.raises(InternalError, match="never reads from a terminal"):
        wall.launch(["/bin/true"], NOTHING, stdin=slave)

    os.close(master)
    os.close(slave)


def test_output_may_be_a_terminal() -> None:
    """C programs then write each line as they print it; nothing is added to a line feed."""
    with wall.launch(
        ["/bin/sh", "-c", "test -t 1 && echo yes; tty </dev/tty; sleep 1000"], NOTHING, pty=True
    ) as walled:
        said = b""
        while not said.endswith(b"\n"):
            select.select([walled.output_fd], [], [], HANG_S)
            said += walled.take_output()
        assert said == b"yes\n"
        assert walled.kill().how == "killed"
        assert walled.output_fd == -1


def test_descriptors_get_the_numbers_that_were_asked_for() -> None:
    """And there are no others."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        argv = ["/bin/sh", "-c", "echo hello >&7; ls /proc/self/fd"]
        with wall.launch(argv, NOTHING, pass_fds={7: theirs.fileno(), 3: theirs.fileno()}) as walled:
            walled.wait(HANG_S)

        assert ours.recv(10) == b"hello\n"
        assert walled.output().split() == [b"0", b"1", b"2", b"3", b"4", b"7"]  # 4 is the folder that ls lists
    with pytest.raises(InternalError, match="between 3 and 199"):
        wall.launch(["/bin/true"], NOTHING, pass_fds={200: 0})


def test_the_environment_is_made_from_nothing() -> None:
    """Four variables, and what the policy adds."""
    said = shell("env | sort", Policy(environment={"PORT": "7000"})).output().decode()

    assert said == f"HOME=/w\nLC_ALL=C.UTF-8\nPATH={bubblewrap.PATH}\nPORT=7000\nPWD=/w\n"


@pytest.mark.parametrize("given", [Policy(environment={"A": "b\0--bind\0/\0/"}), Policy(environment={"A\0": ""})])
def test_no_option_can_be_smuggled_in(given: Policy) -> None:
    """Options end with a zero byte, so no word may have one."""
    with pytest.raises(InternalError, match="a zero byte"):
        wall.launch(["/bin/true"], given)
    with pytest.raises(InternalError, match="a zero byte"):
        wall.launch(["/bin/tr\0ue"], NOTHING)


def test_names_resolve_as_the_policy_says() -> None:
    """And no others; localhost always does."""
    script = "getent hosts server localhost; getent hosts example.org || echo none; id -un; getent services http"

    said = shell(script, Policy(hosts={"server": "127.0.0.2"})).output().decode()

    assert [line.split() for line in said.splitlines()] == [
        ["127.0.0.2", "server"],
        ["::1", "localhost", "ip6-localhost"],
        ["none"],
        ["student"],
        ["http", "80/tcp"],
    ]


def test_the_working_directory_is_shared_with_this_host() -> None:
    """What a program makes is ours to look at, and the other way round."""
    with wall.fresh_directory() as work:
        (work / "in").write_text("given")
        with wall.launch(["/bin/sh", "-c", "pwd; cp in out"], Policy(work=work)) as walled:
            walled.wait(HANG_S)

            assert safefs.read_regular(walled.work_fd, "out") == b"given"
        assert walled.output() == b"/w\n"


def test_the_working_directory_may_be_where_it_is_here() -> None:
    """So that a path reads the same on both sides."""
    with wall.fresh_directory() as work:
        assert shell("pwd; echo x >made", Policy(work=work, home=str(work))).output() == f"{work}\n".encode()
        assert (work / "made").read_text() == "x\n"


def test_the_working_directory_may_be_for_reading_only() -> None:
    """Then nothing is written, and nothing has to be measured."""
    with wall.fresh_directory() as work:
        assert b"Read-only" in shell("echo x >made", Policy(work=work, is_work_read_only=True)).errors()
        assert not list(work.iterdir())


def test_a_working_directory_in_memory_can_be_looked_into(programs: Path) -> None:
    """As long as the program runs."""
    with wall.launch(["/bin/sh", "-c", "echo x >made; echo; sleep 1000"], NOTHING) as walled:
        while not walled.take_output():
            select.select([walled.output_fd], [], [], HANG_S)

        assert safefs.read_regular(walled.work_fd, "made") == b"x\n"


def test_a_program_shares_the_network_of_the_thread(programs: Path) -> None:
    """And is reached there; the processes are known by their numbers here."""
    with start(programs, "listen") as walled:
        while not walled.take_output():
            select.select([walled.output_fd], [], [], HANG_S)

        socket.create_connection(("127.0.0.1", 7000)).close()
        assert walled.tree() == [walled.pid]
        while introspect.look_at_process(walled.pid, walled.pid).state != "blocked":
            assert walled.poll() is None
        assert walled.poll() is None
        assert not is_gone(walled.pid)
    assert is_gone(walled.pid)


def test_a_program_without_a_network_has_loopback_alone() -> None:
    """Nobody else is in it: a build needs nobody."""
    with closing(socket.create_server(("127.0.0.1", 7000))):
        script = "cat /proc/net/dev | wc -l; wc -l </proc/net/tcp"
        assert shell(script, Policy(has_network=False)).output().split() == [b"3", b"1"]


@pytest.mark.slow
def test_no_program_is_let_into_the_network_of_this_host() -> None:
    """Whoever forgets to make one is told."""
    text = (
        "from grader.model.errors import InternalError; from grader.sandbox import wall; from grader.sandbox.policy "
        "import Policy\ntry: wall.launch(['/bin/true'], Policy())\nexcept InternalError as error: print(error)"
    )
    if os.geteuid() != 0:
        pytest.skip("a plain user's process has left it already")

    assert "would share this host's network" in python(text).stdout


def test_what_was_used_is_told(programs: Path) -> None:
    """While it runs, and afterwards."""
    with start(programs, "spin") as walled:
        while walled.usage().cpu_s < 0.05:
            walled.attend()
        assert walled.usage().resident_bytes > 1 << 16

        walled.kill()
    assert walled.usage().cpu_s >= 0.05


def test_the_first_reason_stands(programs: Path) -> None:
    """Who has ended cannot be killed, and who was killed for a reason was killed for it."""
    with start(programs, "sleep") as walled:
        assert walled.kill("memory", "too much") == walled.kill() == Ended("memory", note="too much")
    ended = shell("exit 3")
    assert ended.kill() == Ended("exit", code=3)


def test_a_wait_has_an_end_that_stops_nothing(programs: Path) -> None:
    """The caller decides."""
    with start(programs, "sleep") as walled:
        assert walled.wait(0.01) is None
        assert not is_gone(walled.pid)


def test_two_programs_run_side_by_side(programs: Path) -> None:
    """Each has its own end."""
    with start(programs, "sleep") as one, start(programs, "sleep") as two:
        assert one.kill().how == "killed"
        assert two.poll() is None


def test_a_place_that_cannot_be_bound_is_this_hosts_fault(tmp_path: Path) -> None:
    """It is said which."""
    with pytest.raises(SandboxError, match=r"the wall could not be built: bwrap: Can't find source path .*/nothing"):
        wall.launch(["/bin/true"], Policy(work=tmp_path / "nothing"))


@pytest.mark.slow
@pytest.mark.parametrize("level", Level)
def test_every_level_runs_programs_with_limits(programs: Path, level: Level) -> None:
    """What each can: a program, its output, its end, its limits, the filter; and nothing is left."""
    if reason := levels.why_not(level):
        pytest.skip(f"LEVEL {level} IS NOT TESTED HERE: {reason}")
    with wall.fresh_directory() as work:
        hostile = "/programs/hostile" if level.has_namespaces else str(programs / "hostile")
        given = policy(programs, Limits(processes=20, output_bytes=1 << 16), work)
        ends = {}
        for trick in ("broken-pipe", "forks", "flood", "daemons", "segfault", "nothing"):
            with launch_at(level, [hostile, trick], given) as walled:
                ends[trick] = walled.wait(HANG_S)
        with launch_at(level, ["/nowhere"], given) as walled:
            ends["nowhere"] = walled.wait(HANG_S)
        with launch_at(level, [hostile, "fork-bomb"], given) as walled:
            while len(tree := walled.tree()) < 10:
                walled.attend()
            ends["fork-bomb"] = walled.kill()

    assert ends.pop("nowhere").code == 127  # type: ignore[union-attr]
    assert {trick: (end.how, end.name, end.code) for trick, end in ends.items() if end} == {
        "broken-pipe": ("signal", "SIGPIPE", 0),
        "forks": ("exit", "", 0),
        "flood": ("output", "", 0),
        "daemons": ("exit", "", 0),
        "segfault": ("signal", "SIGSEGV", 0),
        "nothing": ("exit", "", 99),
        "fork-bomb": ("killed", "", 0),
    }
    assert all(map(is_gone, tree))


def test_without_namespaces_files_are_still_out_of_reach(tmp_path: Path) -> None:
    """Landlock leaves the working directory and the system."""
    level = Level.C if os.geteuid() == 0 else Level.D
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    with wall.fresh_directory() as work:
        script = f"cat {secret}; cat /etc/shadow; echo x >made; cat made; echo x >/tmp/made"
        with launch_at(level, ["/bin/sh", "-c", script], Policy(work=work)) as walled:
            walled.wait(HANG_S)

    assert walled.output() == b"x\n"
    assert walled.errors().count(b"ermission denied") == 3


def test_this_host_has_the_best_level() -> None:
    """And every probe of it says what was seen."""
    assert levels.best() is Level.A
    for probe in levels.probe_everything():
        assert probe.seen
        assert probe.is_fine, probe


@pytest.mark.slow
def test_the_wall_holds() -> None:
    """Its own tests say so, from whatever network they are called."""
    selftest.insist()

    assert [probe.name for probe in selftest.check()] == [
        "SIGPIPE kills",
        "the limit of processes bites",
        "other address families are refused",
        "io_uring is refused",
        "a program cannot hide from /proc",
        "new namespaces are refused",
        "there is no way out of the network",
        "the harness cannot be seen",
    ]


@pytest.mark.slow
def test_a_wall_with_a_hole_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said which promise is not kept; here one that nobody can keep."""
    monkeypatch.setitem(selftest._EXPECTED, "vsock", ("EPERM", frozenset(Level), "pigs fly"))
    selftest.check.cache_clear()

    with pytest.raises(SandboxError, match="the wall does not hold here: pigs fly: EAFNOSUPPORT; do not grade"):
        selftest.insist()

    selftest.check.cache_clear()


def test_this_thread_is_in_a_network_of_its_own() -> None:
    """The guard knows where it is."""
    assert netns.is_own()


def test_an_end_is_known_when_the_pidfd_says_so(programs: Path) -> None:
    """A loop that waits for it is not woken in vain."""
    with start(programs, "nothing") as walled:
        select.select([walled.pidfd], [], [], HANG_S)

        assert walled.poll() == Ended("exit", code=99)


@pytest.mark.slow
def test_sanitizers_work() -> None:
    """They find what is written beyond its end, and what nobody freed."""
    body = "char *p = malloc(9); p[c == 1 ? 0 : 9] = c; p = 0; return p != 0;"
    source = f"#include <stdlib.h>\nint main(int c, char **v) {{ {body} }}\n"
    limits = Limits(address_space_bytes=None, file_bytes=64 << 20)
    with wall.fresh_directory() as work:
        (work / "a.c").write_text(source)
        built = wall.run(["gcc", "-fsanitize=address", "a.c"], Policy(work=work, limits=limits), wall_s=HANG_S)
        if built.ended != Ended("exit"):
            pytest.skip(f"SANITIZERS ARE NOT TESTED HERE: {built.errors().decode()}")
        given = Policy(work=work, limits=limits, may_trace=True)
        leak, overflow = (wall.run(["./a.out", *more], given, wall_s=HANG_S) for more in ((), ("x",)))

    assert b"detected memory leaks" in leak.errors()
    assert b"heap-buffer-overflow" in overflow.errors()
