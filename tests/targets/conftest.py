"""What the tests of the drivers share: a case without steps, and a way to talk to a target call by call."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from grader.model.marks import Mark
from grader.model.outcomes import Outcome, Succeeded
from grader.model.scenarios import ActorKind, AddressSpec, Case, Scenario
from grader.model.values import Address, Plain
from grader.targets.protocol import Answer, Call, Look, Session, Target

# Far more than any call here needs; a test that waits so long has failed.
PATIENCE_S = 20.0
_SCENARIO = Scenario("talk", "tests", "two sides talk", Mark("tests", 1, 1))


class Talk:
    """A session, one call at a time."""

    def __init__(self, session: Session) -> None:
        """Talk in this session."""
        self.session = session
        self._ids = itertools.count(1)

    def address(self, name: str) -> Address:
        """Give an address of the case."""
        return self.session.addresses[name]

    def start(self, op: str, actor: str, *, kind: ActorKind = ActorKind.SUT, **args: Plain) -> int:
        """Begin a call that others may run beside, and give its number."""
        number = next(self._ids)
        outcome = self.session.issue(Call(number, actor, op, args, kind, concurrent=True))
        assert outcome is None, outcome
        return number

    def finish(self, number: int) -> Outcome:
        """Wait for that call and give its outcome."""
        answer = self.answer()
        assert answer.call == number, answer
        return answer.outcome

    def answer(self) -> Answer:
        """Wait for the next answer, whatever it answers."""
        answer = self.session.wait(PATIENCE_S)
        assert answer is not None, "no answer came"
        return answer

    def call(self, op: str, *, actor: str = "main", kind: ActorKind = ActorKind.SUT, **args: Plain) -> Outcome:
        """Make a call and give its outcome."""
        number = next(self._ids)
        outcome = self.session.issue(Call(number, actor, op, args, kind))
        return outcome if outcome is not None else self.finish(number)

    def give(
        self, op: str, field: str, *, actor: str = "main", kind: ActorKind = ActorKind.SUT, **args: Plain
    ) -> Plain:
        """Make a call that must succeed and give one field of its result."""
        outcome = self.call(op, actor=actor, kind=kind, **args)
        assert isinstance(outcome, Succeeded), outcome
        return outcome.fields[field]

    def pair(self, kind: str = "stream") -> tuple[int, int]:
        """Make two connected sockets."""
        outcome = self.call("socketpair", domain="unix", type=kind)
        assert isinstance(outcome, Succeeded), outcome
        sock, other = outcome.fields["sock"], outcome.fields["other"]
        assert isinstance(sock, int)
        assert isinstance(other, int)
        return sock, other

    def look_until(self, number: int, wanted: str) -> list[Look]:
        """Look at a call until it is in that state; give all that was seen."""
        seen: list[Look] = []
        while not seen or seen[-1].state != wanted:
            seen.append(self.session.look(number))
            assert len(seen) < 100_000, seen[-1]  # no clock: a busy machine only makes it look more often
        return seen


@contextmanager
def talking(target: Target, **addresses: str) -> Iterator[Talk]:
    """Open a session with addresses given as `name="kind domain"`."""
    specs = {name: AddressSpec(*text.split()) for name, text in addresses.items()}
    with target.session(Case("tests/talk", _SCENARIO, (), addresses=specs)) as session:
        yield Talk(session)


@pytest.fixture
def talk_to() -> Callable[..., AbstractContextManager[Talk]]:
    """Give the way to open a session."""
    return talking


@pytest.fixture(scope="session")
def submissions() -> Path:
    """Give the folder of sample submissions."""
    return Path(__file__).parents[2] / "fixtures" / "submissions"
