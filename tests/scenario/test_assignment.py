"""Assignment files: what they say, and every complaint about one that says it wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.model.assignments import Assignment, Exchange, Place
from grader.model.errors import ScenarioError
from grader.scenario.assignment import read_assignment

ROOT = Path(__file__).resolve().parents[2]
SUITES = ROOT / "suites"
HEAD = """\
assignment: echo
title: An echo server
suites: [programs/tcp-server]
"""
PROGRAM = HEAD + "target: {program: {run: {server: [./server, '{port}']}}}\n"


def read(folder: Path, text: str) -> Assignment:
    """Write an assignment file and read it."""
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return read_assignment(path, SUITES)


def complaints(folder: Path, text: str) -> list[str]:
    """Give the lines of complaint about a file, without the folder that it stands in."""
    with pytest.raises(ScenarioError) as raised:
        read(folder, text)
    return [str(complaint).replace(f"{folder}/", "") for complaint in raised.value.complaints]


def in_program(keys: str) -> str:
    """Give an assignment whose program has these keys too."""
    return HEAD + f"target:\n  program:\n    run: {{server: [./server]}}\n    {keys}\n"


WRONG = [
    ("", "a.yaml:1:1: the file is empty (expected a mapping that begins with `format: 1`) [syntax]"),
    ("[1]", "a.yaml:1:1: expected an assignment as a mapping, not a list (a mapping is written {key: value}) [schema]"),
    (PROGRAM + "exchnge: {}", "a.yaml:5:1: unknown key 'exchnge' in an assignment (did you mean 'exchange'?) [schema]"),
    (PROGRAM.replace("echo", "Echo!", 1), "a.yaml:1:13: 'Echo!' is not an id (a-z, 0-9 and -) [schema]"),
    (PROGRAM.replace("An echo server", '" "'), "a.yaml:2:8: expected text, and it is empty [schema]"),
    (
        PROGRAM.replace("tcp-server", "tcp-servr"),
        "a.yaml:3:10: there is no suite 'programs/tcp-servr' (did you mean 'programs/tcp-server'?) [schema]",
    ),
    (PROGRAM.replace("[programs/tcp-server]", "[]"), "a.yaml:3:9: an assignment names at least one suite [schema]"),
    (
        HEAD + "target: {programm: {}}",
        "a.yaml:4:9: a target is exactly one of program, module, library (did you mean 'program'?) [schema]",
    ),
    (HEAD + "target: {program: {}}", "a.yaml:4:19: a program needs 'run' [schema]"),
    (
        HEAD + "target: {program: {run: {}}}",
        "a.yaml:4:25: 'run' names at least one role (such as {server: [./server, '{port}']}) [schema]",
    ),
    (
        HEAD + "target: {program: {run: {my server: [./server]}}}",
        "a.yaml:4:26: 'my server' is not a name (letters, digits and `_`, a letter first) [schema]",
    ),
    (HEAD + "target: {program: {run: {server: []}}}", "a.yaml:4:34: a command names at least the program [schema]"),
    (
        HEAD + "target: {program: {run: {server: [./server, '{prot}']}}}",
        "a.yaml:4:45: nothing stands for {prot} here (did you mean 'port'?) [schema]",
    ),
    (
        PROGRAM.replace("{port}", "{path}"),
        "a.yaml:4:34: an address of domain inet has no path, and 'server' is given it [schema]",
    ),
    (
        PROGRAM + "address: {type: seqpackt}",
        "a.yaml:5:17: 'seqpackt' is not a type (did you mean 'seqpacket'?) [schema]",
    ),
    (PROGRAM + "address: {port: 70000}", "a.yaml:5:17: 70000 is not a port (1 to 65535) [schema]"),
    (PROGRAM + "address: {path: srv}", "a.yaml:5:11: an address of domain inet has no path [schema]"),
    (
        HEAD + "target: {program: {run: {server: [./s]}}}\naddress: {domain: unix, path: ../srv}",
        "a.yaml:5:31: '../srv' is not below the program's folder (a relative path) [schema]",
    ),
    (in_program("language: rust"), "a.yaml:7:15: 'rust' is not a language (one of any, c, python) [schema]"),
    (in_program("build: cmake"), "a.yaml:7:12: 'cmake' is no way to build (`make`, or a command as a list) [schema]"),
    (
        in_program("build: [gcc, '{sorces}']"),
        "a.yaml:7:18: nothing stands for {sorces} here (did you mean 'sources'?) [schema]",
    ),
    (
        in_program("ready: listening"),
        "a.yaml:7:12: 'listening' is not a way to be ready (did you mean 'listen'?) [schema]",
    ),
    (
        in_program("ready: {listen: {port: 80}}"),
        "a.yaml:7:28: expected text, not 80 (put it in quotes if text is meant) [schema]",
    ),
    (in_program("files: {../x: y}"), "a.yaml:7:13: the file '../x' is outside of the program's folder [schema]"),
    (in_program("exit: {SIGTREM: 0}"), "a.yaml:7:12: 'SIGTREM' is not a signal (did you mean 'SIGTERM'?) [schema]"),
    (in_program("exit: {SIGTERM: 256}"), "a.yaml:7:21: 256 is not an exit status (0 to 255) [schema]"),
    (
        in_program("exit: {SIGTERM: never}"),
        "a.yaml:7:21: 'never' is not an end: an exit status, `signal` or `any` (one of signal, any) [schema]",
    ),
    (
        in_program("sanitize: [adress]"),
        "a.yaml:7:16: 'adress' is not a sanitizer (did you mean 'address'?) [schema]",
    ),
    (
        PROGRAM + "exchange: {reply: lower}",
        (
            "a.yaml:5:19: 'lower' is not a reply: same, upper, {prefix: ...}, {text: ...} or {table: {...}} "
            "(one of same, upper) [schema]"
        ),
    ),
    (
        PROGRAM + "exchange: {reply: {suffix: x}}",
        "a.yaml:5:19: a reply has exactly one of prefix, text, table [schema]",
    ),
    (PROGRAM + "exchange: {reply: {table: {}}}", "a.yaml:5:27: the table of replies is empty [schema]"),
    (PROGRAM + "exchange: {reply: {text: ü}}", "a.yaml:5:26: data is ASCII, and 'ü' is not [L6]"),
    (
        PROGRAM + "exchange: {framing: lines}",
        "a.yaml:5:21: 'lines' is not a framing: raw, line, nul, close or {fixed: N} (did you mean 'line'?) [schema]",
    ),
    (PROGRAM + "exchange: {framing: {fixed: 0}}", "a.yaml:5:29: expected 1 or more, not 0 [schema]"),
    (PROGRAM + "without: [{cases: [x]}]", "a.yaml:5:11: what is left out needs 'reason' [schema]"),
    (PROGRAM + "limits: {memory: 5}", "a.yaml:5:18: 5 is not a size (such as 512MiB or 64KiB) [schema]"),
    (PROGRAM + "limits: {cpu: 5}", "a.yaml:5:15: 5 is not a time (such as 300ms or 2s) [schema]"),
    (
        PROGRAM + "limits: {procs: 5}",
        "a.yaml:5:10: unknown key 'procs' in the limits (did you mean 'processes'?) [schema]",
    ),
]


@pytest.mark.parametrize(("text", "complaint"), WRONG, ids=[row[1].split(": ", 1)[1][:60] for row in WRONG])
def test_each_wrong_assignment_gets_its_complaint(text: str, complaint: str, tmp_path: Path) -> None:
    """What is wrong is said at its place, and nothing else is said."""
    assert complaints(tmp_path, text) == [complaint]


def test_one_complaint_does_not_hide_the_next(tmp_path: Path) -> None:
    """A file with several faults gets a complaint for each, in the order of their places."""
    text = PROGRAM + "exchange: {reply: lower, framing: lines}\naddress: {port: 0, domain: ine}\nlimits: {cpu: x}\n"

    assert [line.split(":")[1:3] for line in complaints(tmp_path, text)] == [
        ["5", "19"],
        ["5", "35"],
        ["6", "17"],
        ["6", "28"],
        ["7", "15"],
    ]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A path that cannot be read is a complaint about the file, no traceback."""
    with pytest.raises(ScenarioError, match=r"the file cannot be read: No such file or directory"):
        read_assignment(tmp_path / "none.yaml", SUITES)


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    """A server listens on a fresh port of IPv4, and says back what it gets only if that is written."""
    assignment = read(tmp_path, PROGRAM)

    assert assignment.place == Place("inet", "stream", None, None)
    assert assignment.exchange is None
    assert assignment.program is not None
    assert (assignment.program.ready, assignment.program.language) == ("listen", "any")


def test_everything_that_is_said_is_kept(tmp_path: Path) -> None:
    """Every key that this reader knows comes out where it belongs; those of later readers are let through."""
    text = """\
assignment: upper
title: Upper case by datagram
target:
  program:
    language: c
    build: [gcc, -o, server, "{sources}"]
    sources: [a.c, b.c]
    run: {server: [./server, -p, "{port}", 7]}
    ready: {bound: {port: "{port}"}}
    files: {conf/a.txt: hello}
    stdin: "go\\n"
    environment: {MODE: test}
    sanitize: [address, undefined]
    exit: {SIGTERM: 0, SIGINT: signal}
address: {domain: inet6, type: dgram, port: 4242}
exchange: {reply: upper, framing: {fixed: 16}}
suites: [programs/tcp-server, programs/tcp-server/exchange]
without: [{cases: ["*/any-byte"], reason: text only}]
limits: {wall: 300s, scenario: 10s, cpu: 60s, memory: 512MiB, processes: 64, files: 256, output: 256KiB}
rubric: {total: 100}
repeats: {racy: 3}
"""
    assignment = read(tmp_path, text)

    assert assignment.exchange == Exchange("upper", "fixed", size=16)
    assert assignment.place == Place("inet6", "dgram", 4242)
    assert [name for name, _ in assignment.suites] == ["programs/tcp-server", "programs/tcp-server/exchange"]
    assert [(one.cases, one.reason) for one in assignment.without] == [(("*/any-byte",), "text only")]
    assert (assignment.limits.memory_bytes, assignment.limits.output_bytes) == (512 << 20, 256 << 10)
    program = assignment.program
    assert program is not None
    assert program.run == {"server": ("./server", "-p", "{port}", "7")}
    assert (program.ready, program.stdin, program.ends) == ("bound", "go\n", {"SIGTERM": 0, "SIGINT": "signal"})


def test_a_table_keeps_its_rows(tmp_path: Path) -> None:
    """The rows of a table of replies are bytes, in the order in which they are written."""
    assignment = read(tmp_path, PROGRAM + 'exchange: {reply: {table: {"2+2": "4", "3*3": "9"}}, framing: line}')

    assert assignment.exchange == Exchange("table", "line", table=((b"2+2", b"4"), (b"3*3", b"9")))


@pytest.mark.parametrize("path", sorted((ROOT / "fixtures" / "assignments").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_sample_can_be_read(path: Path) -> None:
    """The assignments of the repository are right, and each goes by the name of its file."""
    assert read_assignment(path, SUITES).id == path.stem
