"""The command line as a program: exit codes, what is said where, and what it costs to ask for help."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grader.cli import main
from grader.pipeline import version
from tests.shell import FAILS, ROOT, python, sockgrade, write

COMMANDS = ("run", "lint", "list", "show", "schema", "judge", "prove", "doctor", "new")
HEAVY = ("rich", "pytest", "yaml", "grader.engine", "grader.scenario", "grader.targets", "multiprocessing")


def asked(*arguments: str) -> int:
    """Give the exit code of a command line that argparse answers."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize("question", [["--help"], *([command, "--help"] for command in COMMANDS)], ids=" ".join)
def test_help_is_an_answer(question: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each command says what it is for."""
    assert asked(*question) == 0
    assert capsys.readouterr().out.startswith(f"usage: sockgrade{' ' if len(question) == 1 else f' {question[0]} '}")


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """The first thing that a user reads is whole."""
    asked("--help")
    told = " ".join(capsys.readouterr().out.split())

    assert all(f" {command} " in told for command in COMMANDS)
    assert "0 all passed, 1 failures, 2 bad usage or bad files, 3 something could not be judged" in told


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    """There is one place that knows it."""
    assert asked("--version") == 0
    assert capsys.readouterr().out == f"sockgrade {version()}\n"


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["--help", "run --help", "--time-scale"])
def test_help_loads_nothing_heavy(argument: str) -> None:
    """Start-up is part of the product: an answer about the command line needs no room of ours."""
    text = (
        "import sys\nfrom grader.cli import main\n"
        "try: main(sys.argv[1].split())\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )

    loaded = python(text, argument).stderr.split()

    assert "grader.cli" in loaded
    assert not set(HEAVY) & set(loaded)


@pytest.mark.slow
def test_a_quiet_run_in_this_process_loads_no_terminal_and_no_other_door(tmp_path: Path) -> None:
    """Who runs cases here pays neither for pytest, nor for workers, nor for the moving line."""
    text = (
        "import sys\nfrom grader.cli import main\nfrom grader.model.exits import ExitCode\n"
        "assert main(['run', sys.argv[1], '--quiet']) == ExitCode.FAILED\nprint(*sys.modules, file=sys.stderr)"
    )

    loaded = python(text, str(write(tmp_path, FAILS))).stderr.split()

    assert "grader.engine.loop" in loaded
    assert not {"rich", "pytest", "multiprocessing", "junit_xml", "grader.targets.module"} & set(loaded)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "the following arguments are required: COMMAND"),
        ("dance", "invalid choice: 'dance'"),
        ("run --time-scale x", "x is not a factor between 0 and 1000"),
        ("run --time-scale 0", "0 is not a factor between 0 and 1000"),
        ("run --time-scale=-1", "-1 is not a factor between 0 and 1000"),
        ("run --time-scale nan", "nan is not a factor between 0 and 1000"),
        ("run --time-scale 1000", "1000 is not a factor between 0 and 1000"),
        ("run -j 0", "0 is not a number of processes"),
        ("prove -j 0", "0 is not a number of processes"),
        ("run -j many", "many is not a number of processes"),
        ("run --level deep", "invalid choice: 'deep'"),
        ("list --claims --ops", "not allowed with argument"),
        ("show", "required: case"),
        ("judge", "required: history"),
        ("new program there", "invalid choice: 'program'"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends with 2, and one line says what is wrong in the user's words."""
    assert asked(*arguments.split()) == 2

    told = capsys.readouterr()
    assert complaint in told.err.splitlines()[-1]
    assert told.out == ""


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("run api/nmaing", "api/nmaing: no such path, and no case is called so (did you mean api/naming?)"),
        ("show api/naming/bnid", "(did you mean api/naming/bind?)"),
        ("list zzz", "zzz: no such path, and no case is called so (sockgrade list shows what there is)"),
        ("run api/naming --target elephant", "unknown target 'elephant': expected host, reference, module:PATH or lib"),
        ("run api/naming --target library:", "library: needs a path, as in library:libsock.so"),
        ("run api/naming --target library:/nowhere", "/nowhere: no such file or folder"),
        ("run api/naming --target host:here", "the target host takes no path, and 'here' was given"),
        ("run api/naming --target module:", "module: needs a path or a dotted name"),
        ("run api/naming --target module:/nowhere", "/nowhere: there is no such file or folder"),
        ("judge /nowhere", "/nowhere: cannot be read as a history"),
        ("new module /proc/self/fd", "/proc/self/fd is there already and not an empty folder"),
        ("new module /proc/self/status", "/proc/self/status is there already and not an empty folder"),
    ],
)
def test_what_does_not_exist_is_said_in_one_line(
    arguments: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with 2, and the line says what to try."""
    assert main(arguments.split()) == 2

    told = capsys.readouterr()
    assert told.err.startswith("sockgrade: ")
    assert told.err.count("\n") == 1
    assert complaint in told.err


@pytest.mark.slow
def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    """`sockgrade list | head -1` ends without a complaint."""
    read, write_end = os.pipe()
    os.close(read)

    with os.fdopen(write_end, "wb") as nobody:
        told = subprocess.run(
            [Path(sys.executable).with_name("sockgrade"), "schema"],
            cwd=ROOT,
            stdout=nobody,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert told.stderr == b""
    assert told.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_run_ends_at_once_and_says_so(jobs: str, tmp_path: Path) -> None:
    """Ctrl-C reaches every process; none tells a traceback and the rest of the cases is let go."""
    history = tmp_path / "history"
    os.mkfifo(history)
    run = subprocess.Popen(
        [str(Path(sys.executable).with_name("sockgrade")), "run", "api", "-j", jobs, "--history", str(history)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    with history.open(encoding="utf-8") as lines:
        while not lines.readline().startswith('{"t":"end"'):
            pass
        os.killpg(run.pid, signal.SIGINT)
        rest = lines.read()

    _, complaints = run.communicate()
    assert complaints == "sockgrade: interrupted\n"
    assert run.returncode == 130
    assert '"footer"' not in rest


@pytest.mark.slow
def test_every_command_works_as_a_program(tmp_path: Path) -> None:
    """The script that is installed leads to the same place, and its end is the exit code of the process."""
    failed = sockgrade("run", write(tmp_path, FAILS), cwd=tmp_path)

    assert (failed.returncode, failed.stderr) == (1, "")
    assert "\nFAIL        api/t/fails  mismatch\n" in failed.stdout
