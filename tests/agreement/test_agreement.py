"""The model agrees with the kernel, call for call; and if it did not, we would find out and could write it down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import reference
from grader import pipeline
from grader.model.verdicts import Verdict
from grader.scenario import load
from grader.targets.host import open_host
from grader.targets.protocol import Target
from grader.targets.reference import open_reference
from reference.errors import Error
from reference.sockets import Fields, Readiness, Socket, Waiting
from tests.agreement.allowed import ALLOWED
from tests.agreement.author import case_of
from tests.agreement.compare import Difference, compare
from tests.agreement.explore import Found, Signature, explore, look
from tests.agreement.run import as_scenario, main
from tests.agreement.shrink import shrink

SEED = 2024
seeds = st.integers(0, 2**64 - 1)


@pytest.fixture(scope="module")
def host() -> Iterator[Target]:
    """Give the kernel."""
    target = open_host()
    yield target
    target.close()


@pytest.mark.slow
def test_the_host_agrees_with_itself(host: Target) -> None:
    """The same calls in two networks give the same, in the symbols that are compared: nothing hangs on chance."""
    found = explore(host, host, calls=800, first_seed=SEED)

    assert not found.differences


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True, phases=[Phase.generate])
@given(seed=seeds)
def test_the_model_agrees_with_the_host(seed: int, host: Target) -> None:
    """About five thousand random calls have the same outcomes on both, but for what is allowed: whatever the seed."""
    found, model = Found(), open_reference()

    look(seed, host, model, found)

    shortest = [str(shrink(one, host, model)) for one in found.differences.values()]
    assert not shortest, f"`ci/agree --seed {seed}` finds it too\n{shortest[0]}"


def test_an_allowed_difference_has_a_reason() -> None:
    """Each row says what either side does and why; no two rows have a name in common."""
    assert all(row.host and row.model and row.why for row in ALLOWED)
    assert len({row.name for row in ALLOWED}) == len(ALLOWED)


# -- kernels with one rule broken ---------------------------------------------------------------------------


class NobodyMayListen:
    """listen() is always refused."""

    def listen(self, _backlog: int) -> None:
        """Refuse."""
        raise Error("EOPNOTSUPP")


class NothingEnds:
    """shutdown() does nothing."""

    def shutdown(self, _how: str) -> None:
        """Succeed and do nothing."""


class NothingToRead:
    """FIONREAD says that nothing is there."""

    def unread(self) -> int:
        """Give 0."""
        return 0


class NoNames:
    """getsockname() shows no name."""

    def own_name(self) -> reference.Unix:
        """Give the unnamed address."""
        return reference.Unix()


class NothingIsReady:
    """poll() and select() see no event on any socket."""

    def readiness(self) -> Readiness:
        """Give no event."""
        return Readiness(read=False, write=False, hangup=False, error=False)


class DataIsChanged:
    """A receive gives the bytes in capitals."""

    def receive(self, size: int, flags: tuple[str, ...]) -> Waiting[Fields]:
        """Receive, and change what came."""
        fields = yield from super().receive(size, flags)  # type: ignore[misc]  # it is laid over a socket
        return {**fields, "data": fields["data"].upper()}


class NumbersOnlyGrow:
    """A new descriptor takes a number that no other had before, not the lowest free one."""

    free: list[int]

    def install(self, sock: Socket) -> int:
        """Forget that there are free numbers."""
        self.free.clear()
        return int(super().install(sock))  # type: ignore[misc]  # it is laid over a process


# broken kernel: how many calls show it at most, in the kind of socket where that takes most
BROKEN: dict[Any, int] = {
    NobodyMayListen: 3,
    NothingEnds: 8,
    NothingToRead: 4,
    NoNames: 2,
    NothingIsReady: 2,
    DataIsChanged: 6,
    NumbersOnlyGrow: 3,
}
KINDS = [name for name in reference.PARTS if "-" in name]


def laid_over(mixin: type) -> dict[str, Any]:
    """Give the parts of the model with a class in front of the process, or of every kind of socket."""
    parts = reference.PARTS
    names = ["process"] if mixin is NumbersOnlyGrow else KINDS
    return {name: type(part.__name__, (mixin, part), {}) if name in names else part for name, part in parts.items()}


@pytest.mark.parametrize("mixin", BROKEN, ids=lambda mixin: mixin.__name__)
def test_a_broken_rule_shrinks_to_what_it_takes(mixin: Any, host: Target) -> None:
    """What is found is short, and without any one of its steps the difference is another or none."""
    broken = open_reference(laid_over(mixin))

    (shortest,) = first_difference(host, broken)[1].values()

    assert len(shortest.steps) <= BROKEN[mixin]
    for number in range(len(shortest.steps) - 1):
        fewer = compare(case_of(shortest.steps[:number] + shortest.steps[number + 1 :]), host, broken)
        assert fewer is None or fewer.signature != shortest.signature


@pytest.mark.parametrize("mixin", BROKEN, ids=lambda mixin: mixin.__name__)
def test_a_broken_rule_becomes_a_scenario(mixin: Any, host: Target, tmp_path: Path) -> None:
    """Written as a scenario it is refused by no lint, passes on the host and fails on the broken model."""
    broken = open_reference(laid_over(mixin))
    found, shortest = first_difference(host, broken)
    text = as_scenario(found, shortest)
    file = tmp_path / "found.yaml"
    file.write_text(text, encoding="utf-8")

    loaded = load([file])

    assert not loaded.errors, text
    (case,) = loaded.cases
    assert pipeline.run_case(case, host)[0].verdict is Verdict.PASS, text
    assert pipeline.run_case(case, broken)[0].verdict is Verdict.FAIL, text


def first_difference(host: Target, broken: Target) -> tuple[Found, dict[Signature, Difference]]:
    """Give what a run finds up to the first difference, and that one as short as it can be."""
    found = explore(host, broken, calls=20_000, first_seed=SEED, stop=True)
    return found, {key: shrink(one, host, broken) for key, one in found.differences.items()}


@pytest.mark.slow
def test_the_program_says_how_much_was_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """The counts of each operation are printed, the seed with which the run began, and that nothing was found."""
    code = main(["--calls", "200", "--seed", "7"])

    printed = capsys.readouterr().out
    assert code == 0
    assert printed.startswith("seed 7: 2")
    assert all(f"  {op}\n" in printed for op in ("socket", "bind", "send"))
    assert "0 differences did not come again; 0 did" in printed
