"""The model behind calls that block, as a student's module: who sleeps, who is woken, and what is seen of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grader.model.outcomes import Failed, Outcome, Succeeded
from grader.targets.module import ModuleTarget, open_module

if TYPE_CHECKING:
    from tests.targets.conftest import Talk

TalkTo = Callable[..., AbstractContextManager["Talk"]]

PATH = Path(__file__).parents[2] / "reference" / "blocking.py"
BYTE = Succeeded({"data": b"x", "count": 1, "eof": False})
_LONG_MS = 600_000  # no test waits for it: it is there to be seen


@pytest.fixture(scope="module")
def target() -> Iterator[ModuleTarget]:
    """Open the model as a submission."""
    with closing(open_module(str(PATH))) as opened:
        yield opened


def test_it_offers_every_call(target: ModuleTarget) -> None:
    """What is missing is what no Python module has."""
    assert target.profile.missing.keys() <= {"raw-calls", "sigpipe", "programs", "second-host", "inet6", "own-net"}


@pytest.mark.parametrize("domain", ["inet", "unix"])
def test_who_waits_in_accept_sleeps_until_a_client_comes(target: ModuleTarget, talk_to: TalkTo, domain: str) -> None:
    """The thread sleeps without a limit, so whoever looks knows that only another call can wake it."""
    with talk_to(target, srv=f"fresh {domain}") as talk:
        listener, client = (talk.give("socket", "sock", domain=domain, type="stream") for _ in range(2))
        talk.call("bind", sock=listener, addr=talk.address("srv"))
        talk.call("listen", sock=listener)
        waiting = talk.start("accept", "server", sock=listener)

        assert not talk.look_until(waiting, "blocked")[-1].timed
        assert talk.call("connect", sock=client, addr=talk.address("srv")) == Succeeded({})

        accepted = talk.finish(waiting)
        assert isinstance(accepted, Succeeded)
        assert accepted.fields["sock"] == 5


def test_of_two_that_are_woken_one_sleeps_on(target: ModuleTarget, talk_to: TalkTo) -> None:
    """Both wait for the same byte; the one that does not get it waits again."""
    with talk_to(target) as talk:
        sock, other = talk.pair()
        both = [talk.start("recv", name, sock=sock, size=1) for name in ("first", "second")]
        for one in both:
            talk.look_until(one, "blocked")

        talk.call("send", sock=other, data=b"x")
        answer = talk.answer()
        assert answer.outcome == BYTE
        (left,) = {*both} - {answer.call}
        talk.look_until(left, "blocked")

        talk.call("send", sock=other, data=b"x")
        assert talk.finish(left) == BYTE


def test_a_full_buffer_holds_the_sender_until_it_is_read(target: ModuleTarget, talk_to: TalkTo) -> None:
    """Sending waits as receiving does."""
    with talk_to(target) as talk:
        sock, other = talk.pair()
        while talk.call("send", sock=sock, data=b"x" * 60_000, flags=("MSG_DONTWAIT",)) != Failed("EAGAIN", 11):
            pass
        waiting = talk.start("send", "sender", sock=sock, data=b"x")
        talk.look_until(waiting, "blocked")

        outcomes: dict[int | None, Outcome] = {}
        while waiting not in outcomes:
            reading = talk.start("recv", "reader", sock=other, size=60_000)
            while reading not in outcomes:
                answer = talk.answer()
                outcomes[answer.call] = answer.outcome

        assert outcomes[waiting] == Succeeded({"count": 1})


def test_a_time_limit_is_seen_and_ends_the_wait(target: ModuleTarget, talk_to: TalkTo) -> None:
    """With SO_RCVTIMEO the sleep has a limit, and a receive that reaches it fails with EAGAIN."""
    with talk_to(target) as talk:
        sock, other = talk.pair()
        talk.call("setsockopt", sock=sock, name="SO_RCVTIMEO", value=_LONG_MS)
        waiting = talk.start("recv", "reader", sock=sock, size=1)

        assert talk.look_until(waiting, "blocked")[-1].timed
        talk.call("send", sock=other, data=b"x")
        assert talk.finish(waiting) == BYTE

        talk.call("setsockopt", sock=sock, name="SO_RCVTIMEO", value=1)
        assert talk.call("recv", sock=sock, size=1) == Failed("EAGAIN", 11)


def test_a_time_limit_is_that_of_its_own_call(target: ModuleTarget, talk_to: TalkTo) -> None:
    """Who waits without a limit is woken when that of another is reached, and sleeps on without one."""
    with talk_to(target) as talk:
        (sock, other), (limited, _) = talk.pair(), talk.pair()
        waiting = talk.start("recv", "reader", sock=sock, size=1)
        talk.look_until(waiting, "blocked")

        assert talk.call("poll", watch=((limited, ("read",)),), timeout=1) == Succeeded({"ready": (), "count": 0})

        assert not talk.look_until(waiting, "blocked")[-1].timed
        talk.call("send", sock=other, data=b"x")
        assert talk.finish(waiting) == BYTE
