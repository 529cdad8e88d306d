"""The loop that waits: commands carried out on a session, and whatever goes wrong written down."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from grader.engine.loop import run
from grader.model.errors import SandboxError, TargetError
from grader.model.histories import History
from grader.model.outcomes import Ended, Outcome
from grader.model.scenarios import Case, Step
from grader.model.values import Address, InetAddress, Ref
from grader.targets.protocol import Answer, Call, Look, Profile
from grader.verdict.match import decide
from tests.engine.play import ASLEEP, HIDDEN, SOCKETS, STARVED, brief
from tests.model.build import case, ok, step

SRV = InetAddress("127.0.0.1", 4000)


@dataclass(slots=True)
class Memory:
    """A target that lives in a table: outcomes of calls, looks, and answers with the time at which they come.

    It is its own session. Its clock moves when it is waited on, and by a nanosecond whenever it is read.
    """

    outcomes: Sequence[Outcome | None | Exception] = ()
    looks: Sequence[Look] = ()
    answers: Sequence[tuple[float, Answer]] = ()
    fault_at_the_door: Exception | None = None
    fault_at_the_end: Exception | None = None
    now_ns: int = 0
    issued: list[Call] = field(default_factory=list)
    is_open: bool = False
    profile: Profile = Profile("memory", frozenset(), frozenset(), isolation="a table")

    @property
    def addresses(self) -> Mapping[str, Address]:
        """Give the one address."""
        return {"srv": SRV}

    def clock(self) -> int:
        """Tell the time."""
        self.now_ns += 1
        return self.now_ns

    @contextmanager
    def session(self, case: Case) -> Iterator[Memory]:
        """Open it, unless it cannot be opened."""
        del case
        if self.fault_at_the_door is not None:
            raise self.fault_at_the_door
        self.is_open = True
        try:
            yield self
        finally:
            self.is_open = False
        if self.fault_at_the_end is not None:
            raise self.fault_at_the_end

    def close(self) -> None:
        """See that no session is left open."""
        assert not self.is_open

    def issue(self, call: Call) -> Outcome | None:
        """Give the next outcome of the table."""
        self.issued.append(call)
        outcome = self.outcomes[len(self.issued) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def wait(self, timeout_s: float) -> Answer | None:
        """Give the first answer that comes in this time."""
        until = self.now_ns + int(timeout_s * 1e9)
        for at_s, answer in self.answers:
            if at_s * 1e9 <= until:
                self.now_ns = max(self.now_ns, int(at_s * 1e9))
                self.answers = [row for row in self.answers if row[1] is not answer]
                return answer
        self.now_ns = until
        return None

    def look(self, call: int) -> Look:
        """Give the next look of the table; the last one stays."""
        del call
        rows = deque(self.looks)
        look = rows.popleft()
        if rows:
            self.looks = list(rows)
        return look

    def is_settled(self) -> bool:
        """Say that nothing is under way."""
        return True

    def output(self) -> str:
        """Give what was printed."""
        return "printed"


CLOSE = step("0", "close", sock="c")
WAITING = step(
    "0", "recv", sock="c", size=1, actor="anon1", nested=(step("0.0", "send", sock="d", data=b"x"),), release=True
)


def seen(target: Memory, *steps: Step) -> History:
    """Give the history of a case of these steps on the target."""
    history = run(case(*steps, variables=SOCKETS, digest="00ff"), target, decide)
    assert not target.is_open
    return history


def test_a_history_says_what_was_run_on_what() -> None:
    """Everything from which it can be judged again."""
    history = seen(Memory([ok()]), CLOSE)

    assert (history.case, history.target, history.digest) == ("api/t/one[inet]", "memory", "00ff")
    assert (history.addresses, history.isolation, history.stdout) == ({"srv": SRV}, "a table", "printed")
    assert (history.complete, history.fault, history.unsupported) == (True, "", "")
    assert list(map(brief, history.events)) == ["0 main: close #0", "#0 = ok", "0 done ok"]


def test_placeholders_are_the_addresses_of_the_session() -> None:
    """They are made fresh by the target."""
    target = Memory([ok()])

    seen(target, step("0", "bind", sock="c", addr=Ref("srv")))

    assert target.issued[0].args == {"sock": 3, "addr": SRV}


def test_an_answer_is_waited_for_until_the_deadline() -> None:
    """And the time of the run is how long that took."""
    history = seen(Memory([None], [HIDDEN], [(1.5, Answer(0, ok()))]), CLOSE)

    assert brief(history.events[-1]) == "0 done ok"
    assert history.seconds == pytest.approx(1.5, abs=0.01)


def test_a_deadline_is_followed_by_a_look() -> None:
    """What the call is seen doing decides."""
    history = seen(Memory([None], [HIDDEN]), CLOSE)

    assert brief(history.events[-1]) == "0 done pending unknown"
    assert history.seconds == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param([ASLEEP], id="at-once"),
        pytest.param([STARVED, Look("returning"), STARVED, ASLEEP], id="after-a-while"),
    ],
)
def test_a_call_is_looked_at_until_it_sleeps(looks: list[Look]) -> None:
    """Then the step that releases it is made."""
    history = seen(Memory([None, ok(count=1)], looks, [(0.02, Answer(0, ok()))]), WAITING)

    assert [brief(event) for event in history.events[1:3]] == ["0 blocked #0 after 0", "0.0 main: send #1"]
    assert brief(history.events[-1]) == "0 done ok"


@pytest.mark.parametrize(
    ("looks", "at_s"),
    [
        pytest.param([ASLEEP], 0.0, id="before-the-look"),
        pytest.param([STARVED], 0.01, id="between-looks"),
    ],
)
def test_an_answer_goes_before_a_look(looks: list[Look], at_s: float) -> None:
    """It is the newer fact."""
    history = seen(Memory([None], looks, [(at_s, Answer(0, ok()))]), WAITING)

    assert [brief(event) for event in history.events[1:]] == ["#0 = ok", "0 done ok early 0"]


def test_a_call_that_never_sleeps_is_looked_at_until_the_deadline() -> None:
    """And then a second more, in which it did not return: that is what is written down."""
    history = seen(Memory([None, ok(count=1)], [STARVED], [(4.0, Answer(0, ok()))]), WAITING)

    assert brief(history.events[1]) == "0 blocked #0 after 0"
    assert brief(history.events[-1]) == "0 done ok"


def test_the_end_of_the_testee_is_an_answer_too() -> None:
    """It is for nobody in particular."""
    history = seen(Memory([None], [HIDDEN], [(0.5, Answer(None, Ended("exit", code=1)))]), CLOSE)

    assert brief(history.events[-1]) == "0 done ended lost"


@pytest.mark.parametrize(
    ("error", "fault", "cause"),
    [
        (SandboxError("no namespaces"), "no namespaces", "host"),
        (TargetError("it did not start"), "it did not start", "harness"),
        (ValueError("a bug"), "ValueError: a bug", "harness"),
    ],
)
@pytest.mark.parametrize("when", ["at the door", "during", "at the end"])
def test_what_goes_wrong_on_our_side_is_written_down(error: Exception, fault: str, cause: str, when: str) -> None:
    """A run never raises: a case that could not be run is UNRESOLVED, and the next one can be."""
    target = Memory(
        [error if when == "during" else ok()],
        fault_at_the_door=error if when == "at the door" else None,
        fault_at_the_end=error if when == "at the end" else None,
    )

    history = seen(target, CLOSE)

    assert (history.fault, history.fault_cause, history.complete, history.stdout) == (fault, cause, False, "")
    assert len(history.events) == {"at the door": 0, "during": 1, "at the end": 3}[when]


def test_an_impossible_answer_is_our_fault() -> None:
    """A session that answers a call which nobody made has broken the protocol."""
    history = seen(Memory([None], [HIDDEN], [(0.5, Answer(7, ok()))]), CLOSE)

    assert history.fault == "InternalError: an answer came for call 7, which nobody waits for"
