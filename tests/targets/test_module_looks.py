"""What can be seen of a pending call: asleep, at work, or about to answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grader.model.outcomes import Succeeded
from grader.model.scenarios import ActorKind
from grader.targets.module import ModuleTarget, open_module
from grader.targets.protocol import Call

if TYPE_CHECKING:
    from tests.targets.conftest import Talk

TalkTo = Callable[..., AbstractContextManager["Talk"]]
ASLEEP = re.compile(r"thread \d+ asleep in (\w+) \(system call \d+\), nothing in the process ran between two looks")


@pytest.fixture(scope="module", params=["functions", "classes"])
def target(request: pytest.FixtureRequest, submissions: Path) -> Iterator[ModuleTarget]:
    """Open correct sockets in both shapes."""
    with closing(open_module(str(submissions / "correct" / request.param))) as opened:
        yield opened


def test_an_accept_without_a_client_is_blocked(target: ModuleTarget, talk_to: TalkTo) -> None:
    """A thread that waits for a client is seen asleep in the call, and stays so."""
    with talk_to(target, srv="fresh inet") as talk:
        listener = talk.give("socket", "sock", domain="inet", type="stream")
        talk.call("bind", sock=listener, addr=talk.address("srv"))
        talk.call("listen", sock=listener)

        looks = talk.look_until(talk.start("accept", "server", sock=listener), "blocked")

        seen = ASLEEP.fullmatch(looks[-1].evidence)
        assert seen is not None, looks[-1]
        assert seen.group(1).startswith("accept")
        assert not looks[-1].timed
        assert {look.state for look in looks[:-1]} <= {"busy"}


def test_a_call_that_has_data_is_never_blocked(target: ModuleTarget, talk_to: TalkTo) -> None:
    """A receive whose data is there is seen at work or answering, however often one looks."""
    with talk_to(target) as talk:
        sock, other = talk.pair()
        for _ in range(50):
            talk.call("send", sock=other, data=b"x")
            call = talk.start("recv", "reader", sock=sock, size=1)

            states = {look.state for look in talk.look_until(call, "returning")}

            assert states <= {"busy", "returning"}
            assert talk.finish(call) == Succeeded({"data": b"x", "count": 1, "eof": False})


def test_the_call_of_main_can_be_seen_too(target: ModuleTarget, talk_to: TalkTo) -> None:
    """A call of `main` that nobody was to run beside is seen where it sleeps."""
    with talk_to(target) as talk:
        sock, _ = talk.pair()
        assert talk.session.issue(Call(900, "main", "recv", {"sock": sock, "size": 1})) is None

        assert "asleep in recvfrom" in talk.look_until(900, "blocked")[-1].evidence


def test_a_process_actor_can_be_seen_too(target: ModuleTarget, talk_to: TalkTo) -> None:
    """The call of a forked actor is blocked only if nothing runs in any process of the case."""
    with talk_to(target) as talk:
        sock, other = talk.pair()
        call = talk.start("recv", "child", kind=ActorKind.PROCESS, sock=sock, size=1)

        assert "asleep in recvfrom" in talk.look_until(call, "blocked")[-1].evidence
        talk.call("send", sock=other, data=b"x")
        assert talk.finish(call) == Succeeded({"data": b"x", "count": 1, "eof": False})


def test_a_wait_with_an_end_is_called_so(target: ModuleTarget, talk_to: TalkTo) -> None:
    """A poll that gives up by itself is blocked for now only."""
    with talk_to(target) as talk:
        sock, _ = talk.pair()
        call = talk.start("poll", "waiter", watch=((sock, ("read",)),), timeout=60_000)

        look = talk.look_until(call, "blocked")[-1]

        assert look.timed
        assert "ends by itself" in look.evidence


def test_a_sleeper_beside_a_worker_is_not_blocked(tmp_path: Path, talk_to: TalkTo) -> None:
    """In sockets of the student's own making any thread may be about to wake the caller."""
    (tmp_path / "sockets.py").write_text(
        "import threading\n"
        "arrived = threading.Event()\n"
        "def work():\n"
        "    while not arrived.is_set(): pass\n"
        "def listen(fd, backlog): threading.Thread(target=work, daemon=True).start()\n"
        "def accept(fd): threading.Event().wait()\n"
        "def close(fd): arrived.set()\n"
    )
    with closing(open_module(str(tmp_path))) as target, talk_to(target) as talk:
        talk.call("listen", sock=3)
        call = talk.start("accept", "server", sock=3)

        while_working = [talk.session.look(call) for _ in range(200)]
        talk.call("close", sock=3)
        at_rest = talk.look_until(call, "blocked")[-1]

        assert {look.state for look in while_working} == {"busy"}
        assert "asleep in futex" in at_rest.evidence


def test_a_process_that_hides_is_unknown_or_seen(submissions: Path, talk_to: TalkTo) -> None:
    """A module that makes itself unreadable gains no evidence of being blocked that is not true."""
    with closing(open_module(str(submissions / "hostile" / "hide"))) as target, talk_to(target) as talk:
        sock, _ = talk.pair()
        call = talk.start("recv", "reader", sock=sock, size=1)

        looks = [talk.session.look(call) for _ in range(20)]

        assert {look.state for look in looks} <= {"busy", "blocked", "unknown"}
