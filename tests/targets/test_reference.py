"""The target `reference`: the model behind the protocol of targets, on virtual time."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grader import pipeline
from grader.model.errors import UsageError
from grader.model.outcomes import Broken, Failed, Succeeded
from grader.model.scenarios import ActorKind
from grader.model.values import InetAddress
from grader.model.verdicts import Cause, Verdict
from grader.ops import FEATURES
from grader.record import Recorder
from grader.scenario import load
from grader.selection import select
from grader.targets.protocol import Answer, Target
from grader.targets.reference import open_reference
from grader.targets.resolve import open_target
from tests.shell import PASSES, WAITS, write

if TYPE_CHECKING:
    from tests.targets.conftest import Talk

TalkTo = Callable[..., AbstractContextManager["Talk"]]

NOT_MODELLED = """\
  - id: odd
    title: an option of another protocol can be asked for
    why: a model that guessed would be believed
    vars: {domain: unix, type: stream}
    steps:
      - socket: {as: c}
      - getsockopt: {sock: c, name: TCP_MAXSEG}
        expect: any
"""
PAUSES = """\
  - id: pauses
    title: a minute passes
    why: nobody wants to wait for it
    level: extended
    vars: {domain: inet, type: dgram}
    steps:
      - socket: {as: c}
      - pause: {for: 60s, because: it is long}
"""


@pytest.fixture
def model() -> Iterator[Target]:
    """Open the model."""
    with closing(open_reference()) as target:
        yield target


def written(target: Target, folder: Path, *scenarios: str) -> str:
    """Give the histories of the scenarios as they are kept."""
    file = io.StringIO()
    recorder = Recorder(file, target.profile.name, "0")
    for case in load([write(folder, *scenarios)]).cases:
        recorder.add(pipeline.run_case(case, target)[1])
    return file.getvalue()


def listener(talk: Talk) -> int:
    """Make a socket that listens at `srv`."""
    sock = talk.give("socket", "sock", domain="inet", type="stream")
    assert isinstance(sock, int)
    assert talk.call("bind", sock=sock, addr=talk.address("srv")) == Succeeded({})
    assert talk.call("listen", sock=sock, backlog=4) == Succeeded({})
    return sock


def test_it_offers_all_but_programs(model: Target) -> None:
    """What it lacks it names, with the reason."""
    profile = model.profile

    assert (profile.name, profile.blocking) == ("reference", "model")
    assert FEATURES.keys() - profile.features == profile.missing.keys() == {"programs", "second-host"}
    assert {"socket", "recvmsg", "path_type", "unlink"} <= profile.ops


def test_it_is_opened_by_its_name() -> None:
    """And it has no path."""
    assert open_target("reference").profile.name == "reference"
    with pytest.raises(UsageError, match="takes no path, and 'x' was given"):
        open_target("reference:x")


def test_two_sides_talk(model: Target, talk_to: TalkTo) -> None:
    """In nouns of ours: addresses go in and come out as such."""
    with talk_to(model, srv="fresh inet") as talk:
        lst = listener(talk)
        client = talk.give("socket", "sock", domain="inet", type="stream")
        talk.call("connect", sock=client, addr=talk.address("srv"))
        accepted = talk.call("accept", sock=lst)

        assert isinstance(accepted, Succeeded)
        assert accepted.fields["peer"] == talk.give("getsockname", "addr", sock=client)
        assert isinstance(accepted.fields["peer"], InetAddress)
        assert talk.call("send", sock=client, data=b"hi", flags=()) == Succeeded({"count": 2})
        got = talk.call("recv", sock=accepted.fields["sock"], size=9, flags=())
        assert got == Succeeded({"data": b"hi", "count": 2, "eof": False})


def test_a_waiting_call_is_looked_at_and_answered(model: Target, talk_to: TalkTo) -> None:
    """It is seen blocked until somebody comes, then returning, then its answer is there."""
    with talk_to(model, srv="fresh inet") as talk:
        lst = listener(talk)
        waiting = talk.start("accept", "server", sock=lst)
        asleep = talk.session.look(waiting)
        nothing = talk.session.wait(0.0)
        client = talk.give("socket", "sock", domain="inet", type="stream")
        talk.call("connect", sock=client, addr=talk.address("srv"))
        returning = talk.session.look(waiting)
        answer = talk.session.wait(0.0)

        assert (asleep.state, asleep.timed) == ("blocked", False)
        assert asleep.evidence == "accept waits for a connection"
        assert nothing is None
        assert returning.state == "returning"
        assert isinstance(answer, Answer)
        assert answer.call == waiting
        assert isinstance(answer.outcome, Succeeded)


def test_waiting_moves_the_virtual_clock_alone(model: Target, talk_to: TalkTo) -> None:
    """A wait in vain takes all its time, one that is ended takes the time until then, and neither takes ours."""
    began = time.monotonic()
    with talk_to(model) as talk:
        one, _ = talk.pair()
        start = talk.session.clock()
        talk.session.wait(1000.0)
        in_vain = talk.session.clock()
        waiting = talk.start("poll", "other", watch=((one, ("read",)),), timeout=600_000)
        look, is_settled = talk.session.look(waiting), talk.session.is_settled()
        answer = talk.session.wait(1000.0)

        assert (start, in_vain) == (0, 1000 * 10**9)
        assert look.timed
        assert not is_settled
        assert answer == Answer(waiting, Succeeded({"ready": (), "count": 0}))
        assert talk.session.clock() == in_vain + 600 * 10**9
        assert talk.session.is_settled()
    assert time.monotonic() - began < 60


def test_each_case_begins_at_the_time_zero(model: Target, talk_to: TalkTo) -> None:
    """And has descriptors, ports and files of its own."""
    for _ in range(2):
        with talk_to(model, srv="fresh inet", path="fresh unix") as talk:
            assert talk.session.clock() == 0
            assert talk.give("path_type", "type", addr=talk.address("path")) == "none"
            assert listener(talk) == 3
            assert talk.call("make_file", addr=talk.address("path")) == Succeeded({})
            talk.session.wait(1.0)


def test_a_process_is_forked_at_its_first_call(model: Target, talk_to: TalkTo) -> None:
    """It has the descriptors that were open then, and its own afterwards."""
    with talk_to(model) as talk:
        before, other = talk.pair()
        inherited = talk.call("dup", actor="child", kind=ActorKind.PROCESS, sock=before)
        late, _ = talk.pair()
        unknown = talk.call("send", actor="child", kind=ActorKind.PROCESS, sock=late, data=b"x", flags=())
        talk.call("close", sock=before)
        sent = talk.call("send", actor="child", kind=ActorKind.PROCESS, sock=before, data=b"x", flags=())

        assert inherited == Succeeded({"sock": other + 1})
        assert unknown == Succeeded({"count": 1})  # its own copy has that number
        assert sent == Succeeded({"count": 1})
        assert talk.give("recv", "data", sock=other, size=9, flags=()) == b"xx"


def test_files_are_pretended(model: Target, talk_to: TalkTo) -> None:
    """Calls about paths end as on a real file system, and no file is made."""
    with talk_to(model, file="fresh unix", stale="stale unix", srv="fresh inet") as talk:
        file, stale = talk.address("file"), talk.address("stale")

        assert talk.give("path_type", "type", addr=stale) == "socket"
        assert talk.call("make_file", addr=stale) == Failed("EEXIST", 17)
        assert talk.call("unlink", addr=file) == Failed("ENOENT", 2)
        assert talk.call("make_file", addr=file) == Succeeded({})
        assert talk.give("path_type", "type", addr=file) == "file"
        assert talk.call("unlink", addr=file) == Succeeded({})
        assert isinstance(talk.call("unlink", addr=talk.address("srv")), Broken)
        assert not Path(str(stale).removeprefix("unix:")).exists()


def test_nobody_is_behind_a_stale_path(model: Target, talk_to: TalkTo) -> None:
    """Its owner is gone, and the name is not free."""
    with talk_to(model, stale="stale unix") as talk:
        sock = talk.give("socket", "sock", domain="unix", type="stream")

        assert talk.call("connect", sock=sock, addr=talk.address("stale")) == Failed("ECONNREFUSED", 111)
        assert talk.call("bind", sock=sock, addr=talk.address("stale")) == Failed("EADDRINUSE", 98)


def test_a_failure_has_the_number_of_this_host_and_its_signals(model: Target, talk_to: TalkTo) -> None:
    """As a program sees it."""
    with talk_to(model) as talk:
        one, other = talk.pair()
        talk.call("close", sock=other)

        assert talk.call("send", sock=one, data=b"x", flags=()) == Failed("EPIPE", 32, ("SIGPIPE",))
        assert talk.call("send", sock=one, data=b"x", flags=("MSG_NOSIGNAL",)) == Failed("EPIPE", 32)


def test_nobody_trusted_lives_in_a_model(model: Target, talk_to: TalkTo) -> None:
    """A scenario that asks for one is wrong, and no student is to blame."""
    with talk_to(model) as talk:
        outcome = talk.call("socket", kind=ActorKind.TRUSTED, domain="inet", type="stream")

    assert outcome == Broken("a model has no trusted actors", "invalid-suite")


def test_what_is_not_modelled_is_unsupported(model: Target, tmp_path: Path) -> None:
    """The model refuses loudly, and the case says so instead of passing or failing."""
    (case,) = load([write(tmp_path, NOT_MODELLED)]).cases

    result, _ = pipeline.run_case(case, model)

    assert (result.verdict, result.cause) == (Verdict.UNSUPPORTED, Cause.NEEDS)
    assert "TCP_MAXSEG" in result.reason


def test_a_call_that_never_ends_is_a_timeout(model: Target, tmp_path: Path) -> None:
    """It is found out at once: nothing is under way that could wake it."""
    (case,) = load([write(tmp_path, WAITS)]).cases

    result, history = pipeline.run_case(case, model)

    assert (result.verdict, result.cause) == (Verdict.FAIL, Cause.TIMEOUT)
    assert "accept waits for a connection" in result.findings[0].got
    assert history.seconds <= 0.05


def test_the_seconds_of_a_history_are_virtual(model: Target, tmp_path: Path) -> None:
    """A pause of a minute takes a minute of the model's time."""
    (case,) = load([write(tmp_path, PAUSES)]).cases

    result, history = pipeline.run_case(case, model)

    assert result.verdict is Verdict.PASS
    assert history.seconds == pytest.approx(60)


def test_every_run_writes_the_same_bytes(model: Target, tmp_path: Path) -> None:
    """Times included: nothing in a run on the model depends on this machine."""
    first, *others = (written(model, tmp_path, PASSES, WAITS, PAUSES) for _ in range(20))

    assert set(others) == {first}


def test_every_suite_repeats_to_the_byte(model: Target) -> None:
    """Whatever waits, races or is released in them."""
    cases = select(["api/sequences"]).cases

    runs = [[pipeline.run_case(case, model)[1] for case in cases] for _ in range(2)]

    assert runs[0] == runs[1]
