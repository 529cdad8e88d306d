"""Front door 2, the command line: argv in, exit code out; nobody else touches either."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from grader.model.errors import ScenarioError, SockgradeError
from grader.model.exits import ExitCode

# Loading makes many objects that stay and few cycles: looking through them all the time is a tenth of a run.
_COLLECT_AFTER = 50_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    arguments = _parser().parse_args(argv)
    gc.set_threshold(_COLLECT_AFTER)
    from grader.commands import COMMANDS

    try:
        return int(COMMANDS[arguments.command](arguments))
    except ScenarioError as error:
        for complaint in error.complaints:
            print(complaint, file=sys.stderr)
        return ExitCode.USAGE
    except SockgradeError as error:
        print(f"sockgrade: {error}", file=sys.stderr)
        return ExitCode.USAGE
    except KeyboardInterrupt:
        print("sockgrade: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return ExitCode.PASSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sockgrade",
        description="Runs scenarios about sockets against a target and says what is right, what is wrong and why.",
        epilog="Exit codes: 0 all passed, 1 failures, 2 bad usage or bad files, 3 something could not be judged.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(subparsers)
    _add_check(subparsers)
    lint = subparsers.add_parser("lint", help="check scenario files and list every complaint")
    lint.add_argument("paths", nargs="*", help="files and folders; default: every suite")
    _add_list(subparsers)
    show = subparsers.add_parser("show", help="show a case: what it says, why, and its steps")
    show.add_argument("case", help="the id of a case or scenario")
    subparsers.add_parser("schema", help="print the JSON Schema of scenario files, for editors")
    judge = subparsers.add_parser("judge", help="give the verdicts of a recorded run again, without running anything")
    judge.add_argument("history", type=Path, help="a file written by run --history")
    judge.add_argument("paths", nargs="*", help="where its scenarios are; default: every suite")
    _add_reports(judge)
    _add_prove(subparsers)
    subparsers.add_parser("doctor", help="say what this machine offers and what is missing")
    new = subparsers.add_parser("new", help="write a starter kit for students")
    new.add_argument("kind", choices=["module", "library"], help="what to write")
    new.add_argument("directory", type=Path, help="a new or empty folder")
    return parser


class _Version(argparse.Action):
    """The version, looked up when it is asked for: reading the metadata costs as much as all the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from grader.pipeline import version

        print(f"sockgrade {version()}")
        parser.exit()


def _add_run(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = subparsers.add_parser("run", help="run scenarios against a target")
    run.add_argument("select", nargs="*", help="files, folders, or case ids (`*` for any text); default: every suite")
    run.add_argument("--target", "-t", default="host", help="host (default), reference, module:PATH, or library:PATH")
    run.add_argument("--level", choices=["core", "standard", "extended"], help="only scenarios of this level")
    run.add_argument("--claim", help="only scenarios that rest on this claim of the lecture")
    run.add_argument("--jobs", "-j", type=_count, default=1, help="how many worker processes; default 1")
    run.add_argument("--time-scale", type=_scale, default=1.0, help="stretch every deadline by this factor")
    run.add_argument("--history", type=Path, help="write what was seen, for `judge`")
    run.add_argument("--quiet", "-q", action="store_true", help="only the closing line")
    _add_reports(run)


def _add_check(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = subparsers.add_parser("check", help="build a submission and judge it by its assignment")
    check.add_argument("submission", type=Path, metavar="PATH", help="what is handed in: a file or a folder")
    check.add_argument("--assignment", "-a", type=Path, required=True, metavar="FILE", help="the assignment")
    check.add_argument(
        "--case", nargs="+", action="extend", default=[], metavar="ID", help="only these, `*` for any text"
    )
    check.add_argument("--jobs", "-j", type=_count, default=1, help="how many worker processes; default 1")
    check.add_argument("--time-scale", type=_scale, default=1.0, help="stretch every deadline by this factor")
    check.add_argument("--quiet", "-q", action="store_true", help="only the closing line")
    _add_reports(check)


def _add_prove(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    prove = subparsers.add_parser("prove", help="prove that every scenario can fail, on models with a rule broken")
    prove.add_argument("select", nargs="*", help="as for run")
    prove.add_argument("--mutants", type=Path, metavar="FOLDER", help="default: fixtures/mutants")
    prove.add_argument("--only", nargs="+", action="extend", default=[], metavar="NAME", help="only these mutants")
    prove.add_argument("--generated", action="store_true", help="mutants made from the tables, one row each")
    prove.add_argument("--jobs", "-j", type=_count, default=1, help="how many worker processes; default 1")
    prove.add_argument("--json", type=Path, metavar="FILE", help="write JSON")


def _add_reports(command: argparse.ArgumentParser) -> None:
    command.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    command.add_argument("--json", type=Path, metavar="FILE", help="write JSON")


def _add_list(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listing = subparsers.add_parser("list", help="list cases, claims or operations")
    listing.add_argument("select", nargs="*", help="as for run")
    what = listing.add_mutually_exclusive_group()
    what.add_argument("--claims", action="store_true", help="each claim of the lecture and the scenarios behind it")
    what.add_argument("--scenarios", action="store_true", help="scenarios with their titles")
    what.add_argument("--ops", action="store_true", help="the operations a step can use")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of processes")
    return int(text)


def _scale(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1000:
        raise argparse.ArgumentTypeError(f"{text} is not a factor between 0 and 1000")
    return number
