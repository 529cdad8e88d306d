"""What submissions try against the harness: each trick has its outcome, and the next case works."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grader.model.outcomes import Ended, Outcome, Pending, Raised, Succeeded
from grader.model.scenarios import ActorKind
from grader.targets.module import ModuleTarget, open_module

if TYPE_CHECKING:
    from tests.targets.conftest import Talk

TalkTo = Callable[..., AbstractContextManager["Talk"]]

IN_CALL = {
    # trick: how the call ends in which it is played
    "close-descriptors": Ended("tampered", note="it closed descriptors that it did not open"),
    "crash": Ended("signal", "SIGSEGV"),
    "exit": Ended("exit", code=0),
    "flood": Ended("output", note="it printed more than 1 MiB"),
    "hide": Succeeded({"data": b"x", "count": 1, "eof": False}),
    "huge-result": Raised("wrong result", "recv() gave 10000000 bytes where at most 10 were asked for"),
    "kill-watcher": Ended("tampered", note="it ended the process that watches over it"),
    "monkeypatch": Succeeded({"data": b"x", "count": 1, "eof": False}),
    "print-pass": Ended("exit", code=0),
    "stay-behind": Succeeded({"data": b"x", "count": 1, "eof": False}),
}
AT_IMPORT = {
    "exit-at-import": Ended("exit", code=0),
    "import-reference": Raised(
        "ModuleNotFoundError",
        "reference cannot be imported by a submission",
        "sockets.py:3 in <module>: from reference import *  # whatever it has",
    ),
    "raise-at-import": Raised(
        "RuntimeError",
        "it worked on my machine",
        'sockets.py:3 in <module>: raise RuntimeError("it worked on my machine")',
    ),
    "syntax-error": Raised(
        "SyntaxError", "expected ':' (sockets.py, line 3)", "sockets.py:3: def socket(domain, type, protocol)"
    ),
}
OTHERS = {"forge", "interrupt", "loop", "recurse"}


@pytest.fixture
def play(submissions: Path) -> Iterator[Callable[[str], ModuleTarget]]:
    """Give a function that opens the submission with a trick."""
    opened: list[ModuleTarget] = []

    def opener(trick: str) -> ModuleTarget:
        opened.append(open_module(str(submissions / "hostile" / trick)))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


def processes_of(host: int) -> list[int]:
    """Give every process that a host has started, whatever it has done to get away since."""
    mark = next(entry for entry in _environment(host) if entry.startswith(b"SOCKGRADE_HOST="))
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if pid != host and mark in _environment(pid)]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def receive(talk: Talk) -> Outcome:
    """Send a byte through a pair and receive it: the call in which most tricks are played."""
    sock, other = talk.pair()
    talk.call("send", sock=other, data=b"x")
    return talk.call("recv", sock=sock, size=10)


def test_every_trick_is_played_here(submissions: Path) -> None:
    """No hostile submission lies about without a test."""
    tricks = {folder.name for folder in (submissions / "hostile").iterdir() if folder.is_dir()}

    assert tricks == IN_CALL.keys() | AT_IMPORT.keys() | OTHERS


@pytest.mark.parametrize(("trick", "outcome"), IN_CALL.items(), ids=IN_CALL.keys())
def test_a_trick_in_a_call_ends_that_call(
    play: Callable[[str], ModuleTarget], talk_to: TalkTo, trick: str, outcome: Outcome
) -> None:
    """The trick has the same outcome in every case, and leaves no process."""
    target = play(trick)
    for _ in range(2):
        with talk_to(target) as talk:
            assert receive(talk) == outcome
            if isinstance(outcome, Ended):
                assert talk.call("bind", sock=3, addr=None) == Ended(
                    "lost", note="the process had ended before this call"
                )

        assert processes_of(target.host_pid) == []


@pytest.mark.parametrize(("trick", "outcome"), AT_IMPORT.items(), ids=AT_IMPORT.keys())
def test_a_module_that_cannot_be_imported_fails_its_calls(
    play: Callable[[str], ModuleTarget], talk_to: TalkTo, trick: str, outcome: Outcome
) -> None:
    """It can be opened, offers everything, and its first call says what went wrong."""
    target = play(trick)

    assert {"socket", "dup", "poll"} <= target.profile.ops
    for _ in range(2):
        with talk_to(target) as talk:
            assert talk.call("socket", domain="inet", type="stream") == outcome


def test_a_forged_answer_is_not_ours(play: Callable[[str], ModuleTarget], talk_to: TalkTo) -> None:
    """A line without the mark of the case ends it, and is shown."""
    with talk_to(play("forge")) as talk:
        outcome = receive(talk)

        assert isinstance(outcome, Ended)
        assert outcome.how == "tampered"
        assert outcome.note.startswith('a line that the agent did not write: \'{"t": "ret"')


@pytest.mark.parametrize(("trick", "name"), [("interrupt", "KeyboardInterrupt"), ("recurse", "RecursionError")])
def test_whatever_is_raised_is_reported(
    play: Callable[[str], ModuleTarget], talk_to: TalkTo, trick: str, name: str
) -> None:
    """An exception outside of OSError is an outcome of its call with the student's own lines, and the cell lives."""
    with talk_to(play(trick)) as talk:
        outcome = receive(talk)

        assert isinstance(outcome, Raised)
        assert outcome.type == name
        assert all(line.startswith("sockets.py:") for line in outcome.trace.splitlines())
        assert receive(talk) == outcome


@pytest.mark.slow
def test_a_loop_is_seen_computing(play: Callable[[str], ModuleTarget], talk_to: TalkTo) -> None:
    """A call that never returns burns CPU time, is never called blocked, and ends with the session."""
    target = play("loop")
    with talk_to(target) as talk:
        sock, _ = talk.pair()
        call = talk.start("recv", "reader", sock=sock, size=1)
        seen = [talk.session.look(call)]
        while seen[-1].cpu_s < 0.1:
            seen.append(talk.session.look(call))

        assert {look.state for look in seen} == {"busy"}
    assert processes_of(target.host_pid) == []


def test_the_call_that_kills_is_told_from_those_that_wait(play: Callable[[str], ModuleTarget], talk_to: TalkTo) -> None:
    """Of several pending calls the last one gets the end of the process; the others are lost."""
    with talk_to(play("crash"), srv="fresh unix") as talk:
        listener = talk.give("socket", "sock", domain="unix", type="stream")
        talk.call("bind", sock=listener, addr=talk.address("srv"))
        talk.call("listen", sock=listener)
        waiting = talk.start("accept", "server", sock=listener)
        talk.look_until(waiting, "blocked")

        sock, _ = talk.pair()

        assert talk.call("recv", sock=sock, size=1) == Ended("signal", "SIGSEGV")
        assert talk.finish(waiting) == Ended("lost", note="another call ended the process")


def test_what_stays_behind_is_gone_when_the_case_is(play: Callable[[str], ModuleTarget], talk_to: TalkTo) -> None:
    """Processes that have left session and group live as long as the case, and no longer."""
    target = play("stay-behind")
    with talk_to(target) as talk:
        receive(talk)
        assert len(processes_of(target.host_pid)) >= 2

    assert processes_of(target.host_pid) == []


def test_a_process_actor_cannot_forge_either(play: Callable[[str], ModuleTarget], talk_to: TalkTo) -> None:
    """A line written by a forked actor needs the mark too."""
    with talk_to(play("forge")) as talk:
        sock, other = talk.pair()
        talk.call("send", sock=other, data=b"x")

        outcome = talk.call("recv", actor="child", kind=ActorKind.PROCESS, sock=sock, size=1)

        assert isinstance(outcome, Ended)
        assert outcome.how == "tampered"


def test_death_between_calls_is_reported_by_itself(tmp_path: Path, talk_to: TalkTo) -> None:
    """A process that ends while nobody calls gives an answer to no call, and the next call is lost."""
    os.mkfifo(tmp_path / "go")
    (tmp_path / "sockets.py").write_text(
        "import os, threading\n"
        "def listen(fd, backlog): threading.Thread(target=leave, daemon=True).start()\n"
        "def leave():\n"
        f"    open({str(tmp_path / 'go')!r}).read()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    with closing(open_module(str(tmp_path))) as target, talk_to(target) as talk:
        talk.call("listen", sock=3)
        (tmp_path / "go").write_text("go")

        answer = talk.answer()

        assert (answer.call, answer.outcome) == (None, Ended("signal", "SIGKILL"))
        assert talk.call("listen", sock=3) == Ended("lost", note="the process had ended before this call")


@pytest.mark.slow
def test_an_import_without_end_is_given_up(tmp_path: Path, talk_to: TalkTo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that computes while it is imported fails its calls as one that loops."""
    monkeypatch.setattr("grader.targets.session._LOAD_S", 0.3)  # ten seconds is for slow machines, not for this test
    (tmp_path / "sockets.py").write_text("while True: pass")

    with closing(open_module(str(tmp_path))) as target, talk_to(target) as talk:
        outcome = talk.call("socket", domain="inet", type="stream")

        assert isinstance(outcome, Pending)
        assert outcome.evidence == "the module was not imported within 0.3 s"
