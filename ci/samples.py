"""Runs sample submissions and compares what each earns with its `expected.json`, case by case.

    python ci/samples.py FOLDER...            # exit 1 if any sample earns anything else
    python ci/samples.py --write FOLDER...    # write down what it earns now, to be reviewed

`expected.json` is `{"fail": {cause: [case ids, `*` for any text]}}`: exactly these cases FAIL, each with
that cause, and no case is UNRESOLVED. A case whose cause hangs on who runs first stands under both. With
`"select": [ids]` beside it only those cases are run: for samples that are about the harness and not about sockets.

Whether a case fails is never forgiven. Another cause than the expected one is looked at again, because a wrong
program may race with itself: the expected one must come within three more runs, and the case is called unstable.
"""

from __future__ import annotations

import argparse
import compileall
import json
import multiprocessing
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from grader.batch.executor import Order, run
from grader.model.deviations import id_matches
from grader.model.scenarios import Case
from grader.model.verdicts import Result, Verdict
from grader.report.to_junit import to_junit
from grader.selection import select

Expected = Mapping[str, Sequence[str]]
_FILE = "expected.json"
_AGAIN = 3  # runs of a case that failed with another cause than expected
_SUBMISSIONS = Path(__file__).resolve().parent.parent / "fixtures/submissions"


def main() -> int:
    """Check or write every folder that was named; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="write expected.json instead of comparing with it")
    parser.add_argument("--out", type=Path, help="write a JUnit file for each sample into this folder")
    parser.add_argument("--jobs", "-j", type=int, default=2 * multiprocessing.cpu_count())
    arguments = parser.parse_args()
    # Wrong modules load the correct one; a cell never writes compiled code, so it would compile it for every case.
    compileall.compile_dir(_SUBMISSIONS / "correct", quiet=1)
    folders = [folder for folder in arguments.folders if _target(folder)]
    wrong = 0
    with ProcessPoolExecutor(arguments.jobs, multiprocessing.get_context("spawn")) as pool:
        for folder, results in zip(folders, pool.map(_grade, folders), strict=True):
            if arguments.write:
                _write(folder, results)
            if arguments.out is not None:
                arguments.out.mkdir(parents=True, exist_ok=True)
                name = "-".join(folder.resolve().parts[-3 if _target(folder) == "library" else -2 :])
                (arguments.out / f"{name}.xml").write_text(to_junit(results, name), encoding="utf-8")
            wrong += _tell(folder, results)
    print(f"{len(folders) - wrong} of {len(folders)} samples earn exactly what they must")
    return 1 if wrong else 0


def _target(folder: Path) -> str:
    """Give the kind of target that a folder is a sample for; nothing if it is none."""
    if folder.resolve().is_relative_to(_SUBMISSIONS / "library"):
        return "library" if any(folder.glob("*.c")) else ""
    return "module" if (folder / "sockets.py").is_file() else ""


def _grade(folder: Path) -> list[Result]:
    cases = select(_read(folder).get("select", ())).cases
    order = Order(f"{_target(folder)}:{folder}")
    expected: Expected = _read(folder).get("fail", {})
    results = [result for result, _ in run(cases, order)]
    return [
        _look_again(case, order, expected, result) if _has_other_cause(expected, result) else result
        for case, result in zip(cases, results, strict=True)
    ]


def _has_other_cause(expected: Expected, result: Result) -> bool:
    causes = _causes(expected, result)
    return result.verdict is Verdict.FAIL and bool(causes) and str(result.cause) not in causes


def _look_again(case: Case, order: Order, expected: Expected, result: Result) -> Result:
    for again, _ in run([case] * _AGAIN, order):
        if again.verdict is Verdict.FAIL and not _has_other_cause(expected, again):
            print(f"unstable: {order.target}: {case.id} fails with {result.cause} too", flush=True)
            return again
    return result


def _causes(expected: Expected, result: Result) -> list[str]:
    return [cause for cause, cases in expected.items() if any(id_matches(one, result.case) for one in cases)]


def _read(folder: Path) -> dict[str, Any]:
    path = folder / _FILE
    expected: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return expected


def _write(folder: Path, results: Sequence[Result]) -> None:
    fails: dict[str, list[str]] = {}
    for result in results:
        if result.verdict is Verdict.FAIL:
            fails.setdefault(str(result.cause), []).append(result.case)
    judged = [result for result in results if result.verdict is not Verdict.UNSUPPORTED]
    if len(fails) == 1 and len(next(iter(fails.values()))) == len(judged):
        fails = {cause: ["*"] for cause in fails}
    expected = {name: value for name, value in _read(folder).items() if name == "select"} | {"fail": fails}
    (folder / _FILE).write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


def _tell(folder: Path, results: Sequence[Result]) -> bool:
    """Say how a sample did; true if it earned anything else than it must."""
    expected: Expected = _read(folder)["fail"]
    complaints = list(_differences(expected, results))
    failed = sum(result.verdict is Verdict.FAIL for result in results)
    passed = sum(result.verdict is Verdict.PASS for result in results)
    print(f"{'WRONG' if complaints else 'ok   '} {folder}: {passed} PASS, {failed} FAIL", flush=True)
    for complaint in complaints:
        print(f"      {complaint}")
    return bool(complaints)


def _differences(expected: Expected, results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        causes = _causes(expected, result)
        if result.verdict is Verdict.UNRESOLVED:
            yield f"{result.case} is UNRESOLVED: {result.reason}"
        elif result.verdict is Verdict.FAIL and str(result.cause) not in causes:
            yield f"{result.case} fails with {result.cause}, expected {' or '.join(causes) or 'no failure'}"
        elif result.verdict is Verdict.PASS and causes:
            yield f"{result.case} passes, expected {' or '.join(causes)}"


if __name__ == "__main__":
    sys.exit(main())
