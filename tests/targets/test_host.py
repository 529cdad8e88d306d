"""The target `host`: calls of the kernel in this process, watched, and nothing left of a case."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grader import pipeline
from grader.model.outcomes import Broken, Failed, Pending, Succeeded
from grader.model.scenarios import ActorKind
from grader.model.values import InetAddress, UnixAddress
from grader.model.verdicts import Cause, Verdict
from grader.ops import FEATURES
from grader.scenario import load
from grader.selection import select
from grader.targets.host import open_host, perform
from grader.targets.protocol import Call, Target
from tests.shell import PASSES, WAITS, same_network, write

if TYPE_CHECKING:
    from tests.targets.conftest import Talk

TalkTo = Callable[..., AbstractContextManager["Talk"]]


@pytest.fixture
def host() -> Iterator[Target]:
    """Open this host, on this thread."""
    with same_network(), closing(open_host()) as target:
        yield target


def descriptors() -> set[str]:
    """Give the open descriptors of this process and what they are."""
    links = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are numbers here
        try:
            links[name] = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - it may name a pipe
        except FileNotFoundError:  # that of the listing itself
            continue
    return {f"{name}: {link}" for name, link in links.items()}


def listener(talk: Talk) -> int:
    """Make a socket that listens at `srv`."""
    sock = talk.give("socket", "sock", domain="inet", type="stream")
    assert isinstance(sock, int)
    assert talk.call("bind", sock=sock, addr=talk.address("srv")) == Succeeded({})
    assert talk.call("listen", sock=sock, backlog=4) == Succeeded({})
    return sock


def test_it_offers_all_but_programs(host: Target) -> None:
    """What it lacks it names, with the reason."""
    profile = host.profile

    assert profile.name == "host"
    assert FEATURES.keys() - profile.features == profile.missing.keys()
    assert {"programs", "second-host"} <= profile.missing.keys()
    assert {"socket", "recvmsg", "path_type", "unlink"} <= profile.ops
    assert profile.isolation


def test_two_sides_talk(host: Target, talk_to: TalkTo) -> None:
    """In one thread, call by call, with the addresses of the case."""
    with talk_to(host, srv="fresh inet") as talk:
        lst = listener(talk)
        client = talk.give("socket", "sock", domain="inet", type="stream")
        talk.call("connect", sock=client, addr=talk.address("srv"))
        accepted = talk.call("accept", sock=lst)

        assert isinstance(accepted, Succeeded)
        assert accepted.fields["peer"] == talk.give("getsockname", "addr", sock=client)
        assert isinstance(accepted.fields["peer"], InetAddress)
        assert talk.call("send", sock=client, data=b"hi", flags=()) == Succeeded({"count": 2})
        got = talk.call("recv", sock=accepted.fields["sock"], size=9)
        assert got == Succeeded({"data": b"hi", "count": 2, "eof": False})


def test_a_call_that_hangs_is_interrupted(host: Target, talk_to: TalkTo) -> None:
    """After its deadline, once it is seen asleep; the next call works as if nothing had been."""
    with talk_to(host, srv="fresh inet") as talk:
        lst = listener(talk)

        hung = talk.session.issue(Call(90, "main", "accept", {"sock": lst}, deadline_s=0.01))
        again = talk.session.issue(Call(91, "main", "accept", {"sock": lst}, deadline_s=0.01))

        for outcome in (hung, again):
            assert isinstance(outcome, Pending)
            assert outcome.state == "blocked"
            assert f"thread {threading.get_native_id()} asleep in accept" in outcome.evidence
        assert talk.call("dup", sock=lst) == Succeeded({"sock": lst + 1})


def test_a_scenario_that_hangs_is_a_timeout_and_the_next_one_runs(host: Target, tmp_path: Path) -> None:
    """A wrong scenario cannot hang a run."""
    hangs, works = load([write(tmp_path, WAITS, PASSES)]).cases

    results = [pipeline.run_case(case, host)[0] for case in (hangs, works)]

    assert [(result.verdict, result.cause) for result in results] == [
        (Verdict.FAIL, Cause.TIMEOUT),
        (Verdict.PASS, None),
    ]
    assert "asleep in accept" in results[0].findings[0].got


def test_a_waiting_call_is_looked_at_and_answered(host: Target, talk_to: TalkTo) -> None:
    """It is seen blocked until somebody comes, then returning, then its answer is there."""
    with talk_to(host, srv="fresh inet") as talk:
        lst = listener(talk)
        waiting = talk.start("accept", "server", sock=lst)

        seen = talk.look_until(waiting, "blocked")
        is_settled = talk.session.is_settled()
        nothing = talk.session.wait(0.0)
        client = talk.give("socket", "sock", domain="inet", type="stream")
        talk.call("connect", sock=client, addr=talk.address("srv"))
        returning = talk.look_until(waiting, "returning")
        outcome = talk.finish(waiting)

        assert {look.state for look in seen} <= {"busy", "blocked"}
        assert "asleep in accept" in seen[-1].evidence
        assert not seen[-1].timed
        assert is_settled == ("own-net" in host.profile.features)
        assert nothing is None
        assert {look.state for look in returning[:-1]} <= {"busy", "blocked"}
        assert isinstance(outcome, Succeeded)
        assert talk.session.output() == ""


def test_a_wait_with_an_end_is_seen_as_such(host: Target, talk_to: TalkTo) -> None:
    """Who waits with a time limit will wake by itself."""
    with talk_to(host) as talk:
        one, _ = talk.pair()
        waiting = talk.start("poll", "other", watch=((one, ("read",)),), timeout=600_000)

        looks = talk.look_until(waiting, "blocked")

        assert looks[-1].timed


def test_nothing_is_left_of_a_case(host: Target, talk_to: TalkTo) -> None:
    """No descriptor, no thread, no file, however the calls of the case ended."""
    before = descriptors(), set(threading.enumerate())

    with talk_to(host, srv="fresh inet", path="fresh unix", file="stale unix") as talk:
        lst = listener(talk)
        one, other = talk.pair()
        talk.call("dup", sock=one)
        talk.call("close", sock=other)
        os.close(talk.pair()[0])  # behind the driver's back
        named = talk.give("socket", "sock", domain="unix", type="dgram")
        talk.call("bind", sock=named, addr=talk.address("path"))
        for number in range(3):
            talk.start("accept", f"actor{number}", sock=lst)
        done = talk.start("socketpair", "maker", domain="unix", type="stream")
        assert isinstance(talk.finish(done), Succeeded)
        late = talk.start("socketpair", "maker", domain="unix", type="stream")
        talk.look_until(late, "returning")  # its answer is never asked for
        path = talk.address("path")
        assert isinstance(path, UnixAddress)
        folder = Path(str(path.path)).parent
        assert len(list(folder.iterdir())) == 2

    assert (descriptors(), set(threading.enumerate())) == before
    assert not folder.exists()
    assert folder.parent.exists()
    host.close()
    assert not folder.parent.exists()


def test_a_broken_pipe_raises_its_signal_and_nobody_dies(host: Target, talk_to: TalkTo) -> None:
    """SIGPIPE is seen with the call that raised it; with MSG_NOSIGNAL there is none."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])

    with talk_to(host) as talk:
        one, other = talk.pair()
        talk.call("close", sock=other)
        raised = talk.call("send", sock=one, data=b"x", flags=())
        quiet = talk.call("send", sock=one, data=b"x", flags=("MSG_NOSIGNAL",))
        elsewhere = talk.call("write", actor="other", sock=one, data=b"x")

    assert raised == elsewhere == Failed("EPIPE", 32, ("SIGPIPE",))
    assert quiet == Failed("EPIPE", 32)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
    assert signal.SIGPIPE not in signal.sigpending()


def test_files_are_made_and_looked_at(host: Target, talk_to: TalkTo) -> None:
    """Calls about paths go to the file system, whoever makes them."""
    with talk_to(host, file="fresh unix") as talk:
        file = talk.address("file")

        assert talk.call("make_file", addr=file) == Succeeded({})
        assert talk.give("path_type", "type", addr=file) == "file"


def test_every_case_has_a_network_of_its_own(host: Target, talk_to: TalkTo) -> None:
    """The same port is free again at once, even while a socket of the case before is open."""
    if "own-net" not in host.profile.features:
        pytest.skip(host.profile.missing["own-net"])
    networks = set()

    with talk_to(host, srv="fresh inet") as talk:
        kept = os.dup(listener(talk))
        networks.add(Path("/proc/thread-self/ns/net").readlink())
    with talk_to(host, srv="fresh inet") as talk:
        listener(talk)
        networks.add(Path("/proc/thread-self/ns/net").readlink())
    os.close(kept)

    assert len(networks) == 2


def test_a_call_that_cannot_be_made_is_our_fault() -> None:
    """A scenario got past the loader with it, so no student is to blame."""
    outcome = perform(Call(1, "main", "bind", {"sock": "seven"}))

    assert isinstance(outcome, Broken)
    assert outcome.cause == "adapter"
    assert outcome.reason.startswith("the host's driver cannot make bind(")


@pytest.mark.slow
def test_cases_with_several_processes_work(host: Target) -> None:
    """They run in an agent, which is started for the first and used again: a worker never forks."""
    cases = select(["api/sequences/two-processes"]).cases

    results = [pipeline.run_case(case, host)[0] for case in cases]

    assert all(ActorKind.PROCESS in case.actors.values() for case in cases)
    assert [result.verdict for result in results] == [Verdict.PASS] * 3
