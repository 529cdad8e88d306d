"""Compares a hundred scenarios run by us with the same hundred written by hand, in interleaved rounds.

Nothing in here is a test: no number makes it fail. A ratio is the median over the rounds of ours divided by
the baseline of the same round, so that a machine that slows down for a while slows both.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import by_hand
import pyperf  # type: ignore[import-untyped]  # it has no types, and no stubs are published

from grader import pipeline
from grader.model.scenarios import Case
from grader.model.verdicts import Verdict
from grader.sandbox import netns
from grader.scenario import load
from grader.targets import host
from grader.targets.protocol import Target
from grader.targets.resolve import open_target

HERE = Path(__file__).resolve().parent
SCENARIOS = HERE / "hundred.yaml"
BIN = Path(sys.executable).parent
SWITCH = "fresh_networks"  # the keyword of open_host() that says whether each case gets a network namespace


@dataclass(frozen=True, slots=True)
class Spent:
    """What one go took, in seconds."""

    wall_s: float
    cpu_s: float


@dataclass(slots=True)
class Variant:
    """One thing that is measured: how to make a go, what to compare it with, and what it should come to.

    `at_most` is the goal: times the baseline, or milliseconds if `in_ms`.
    """

    name: str
    go: Callable[[], Spent]
    baseline: str = ""
    at_most: float | None = None
    in_ms: bool = False
    spent: list[Spent] = field(default_factory=list)

    @property
    def walls(self) -> list[float]:
        """The wall times of all goes, in seconds."""
        return [spent.wall_s for spent in self.spent]


# -- in process ------------------------------------------------------------------------------------------


def in_process(work: Callable[[], None]) -> Callable[[], Spent]:
    """Give what measures one go of `work` in this process, on a heap just swept."""

    def go() -> Spent:
        gc.collect()
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        return Spent(time.perf_counter() - wall, time.process_time() - cpu)

    return go


def engine(cases: Sequence[Case], target: Target) -> Callable[[], None]:
    """Give what runs and judges every case once."""

    def run_all() -> None:
        for case in cases:
            result, _ = pipeline.run_case(case, target)
            if result.verdict is not Verdict.PASS:
                raise SystemExit(f"{case.id} is {result.verdict}: {result.reason}")

    return run_all


def in_process_variants(stack: ExitStack) -> Iterator[Variant]:
    """Give engine and loop side by side: on the model, in one network, and with a namespace for each scenario."""
    cases = load([SCENARIOS]).cases
    if len(cases) != len(by_hand.CASES):
        raise SystemExit(f"{SCENARIOS.name} has {len(cases)} cases, by_hand.py has {len(by_hand.CASES)}")
    fresh = host.open_host()
    stack.callback(fresh.close)
    yield Variant("plain loop, one network", in_process(by_hand.run_all))
    model = open_target("reference")
    stack.callback(model.close)
    yield Variant("engine, reference", in_process(engine(cases, model)), "plain loop, one network", 3.0)
    if SWITCH in inspect.signature(host.open_host).parameters:
        shared = host.open_host(**{SWITCH: False})
        stack.callback(shared.close)
        yield Variant("engine, one network", in_process(engine(cases, shared)), "plain loop, one network", 2.0)
    if "own-net" in fresh.profile.features:
        yield Variant("plain loop, network each", in_process(lambda: by_hand.run_all(netns.enter_fresh_network)))
        yield Variant("engine, network each", in_process(engine(cases, fresh)), "plain loop, network each", 2.0)


# -- whole processes -------------------------------------------------------------------------------------

# What happens to be set here must not count: Python's own variables (one of them forbids compiled modules), and
# plugins of pytest that are installed, which would cost both sides the same and hide the difference.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
_ENVIRONMENT["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"


def process(folder: Path, *command: str | Path) -> Callable[[], Spent]:
    """Give what measures one run of a command in `folder`, from its start to its end."""

    def go() -> Spent:
        with tempfile.TemporaryFile() as output:
            began = time.perf_counter()
            child = subprocess.Popen(command, cwd=folder, env=_ENVIRONMENT, stdout=output, stderr=output)
            _, status, usage = os.wait4(child.pid, 0)
            wall_s = time.perf_counter() - began
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode != 0:
                output.seek(0)
                raise SystemExit(f"{command} ended with {child.returncode}:\n{output.read().decode()}")
        return Spent(wall_s, usage.ru_utime + usage.ru_stime)

    return go


def process_variants(folder: Path) -> Iterator[Variant]:
    """Give the front doors, what is written by hand, and the commands that should answer at once."""
    python, sockgrade = sys.executable, BIN / "sockgrade"
    suites = folder / "suites"  # where the plugin looks for scenarios
    suites.mkdir()
    shutil.copy(SCENARIOS, suites)
    shutil.copy(HERE / "pytest.ini", folder)
    pytest = (python, "-m", "pytest", "-q")
    door = process(folder, *pytest, "-p", "grader.pytest_plugin", "--target", "host", "suites")
    by_pytest = "pytest by hand, process"
    yield Variant("python -c pass", process(folder, python, "-c", "pass"))
    yield Variant("plain loop, process", process(folder, python, HERE / "by_hand.py"), by_pytest)
    yield Variant(by_pytest, process(folder, *pytest, HERE / "test_by_hand.py"))
    for target in ("host", "reference"):
        run = process(folder, sockgrade, "run", SCENARIOS, "--target", target, "-q")
        yield Variant(f"sockgrade run on {target}, process", run, by_pytest, 1.0)
    yield Variant("pytest on the YAML, process", door, by_pytest, 1.5)
    lint = process(folder, sockgrade, "lint", SCENARIOS)
    for name, go in (("sockgrade --help", process(folder, sockgrade, "--help")), ("sockgrade lint", lint)):
        yield Variant(name, go, "python -c pass", 150, in_ms=True)


# -- rounds and table ------------------------------------------------------------------------------------


@contextmanager
def all_variants() -> Iterator[list[Variant]]:
    """Give everything that is measured."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        yield [*in_process_variants(stack), *process_variants(Path(folder))]


def measure(variants: list[Variant], rounds: int) -> None:
    """Make `rounds` goes of each, in turn, each round starting one further on; one round before them does not count."""
    for number in range(rounds + 1):
        first = number % len(variants)
        for variant in variants[first:] + variants[:first]:
            spent = variant.go()
            if number:
                variant.spent.append(spent)
        print(f"\rround {number} of {rounds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def benchmark(variant: Variant) -> pyperf.Benchmark:
    """Give the wall times in pyperf's form, which knows the machine and does the statistics."""
    return pyperf.Benchmark([pyperf.Run(variant.walls, metadata={"name": variant.name})])


def ratio(variant: Variant, variants: Sequence[Variant]) -> float | None:
    """Give the median over the rounds of variant to baseline."""
    base = next((other for other in variants if other.name == variant.baseline), None)
    if base is None:
        return None
    return statistics.median(ours / theirs for ours, theirs in zip(variant.walls, base.walls, strict=True))


def row(variant: Variant, variants: Sequence[Variant]) -> str:
    """Give one line of the table."""
    walls, times = benchmark(variant), ratio(variant, variants)
    median_ms = walls.median() * 1000
    goal = met = ""
    if variant.at_most is not None:
        goal = f"< {variant.at_most:g} ms" if variant.in_ms else f"<= {variant.at_most:g} x"
        met = "yes" if (median_ms if variant.in_ms else times or 0) <= variant.at_most else "**no**"
    cells = (
        variant.name,
        f"{median_ms:.1f}",
        f"{walls.percentile(10) * 1000:.1f} - {walls.percentile(90) * 1000:.1f}",
        f"{statistics.median(spent.cpu_s for spent in variant.spent) * 1000:.1f}",
        f"{times:.2f} x {variant.baseline}" if times is not None else "",
        goal,
        met,
    )
    return f"| {' | '.join(cells)} |"


def machine(rounds: int, load_before: float) -> list[str]:
    """Give the lines that say what the numbers were taken with."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("sockgrade", "pytest", "pyyaml", "pyperf"))
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} CPUs"
    return [
        f"- command: `python bench/bench_hundred.py --rounds {rounds}`",
        f"- {python}, {system}, load before {load_before:.2f}",
        f"- {versions}",
    ]


def report(variants: Sequence[Variant], rounds: int, load_before: float) -> str:
    """Give the whole result as Markdown."""
    lines = [
        "# A hundred scenarios",
        "",
        *machine(rounds, load_before),
        "",
        "| variant | median ms | p10 - p90 | CPU ms | ratio | goal | met |",
        "|---|---|---|---|---|---|---|",
        *(row(variant, variants) for variant in variants),
    ]
    names = {variant.name for variant in variants}
    if "engine, one network" not in names:
        lines += ["", f"Not measured: the engine in one network (`open_host()` has no `{SWITCH}`)."]
    if "engine, network each" not in names:
        lines += ["", "Not measured: a network for each scenario (this host does not allow it)."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help="how often each variant goes; default 11")
    parser.add_argument("--write", action="store_true", help="write bench/RESULTS.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every time, for `python -m pyperf`")
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    with all_variants() as variants:
        measure(variants, arguments.rounds)
    text = report(variants, arguments.rounds, load_before)
    print(text)
    if arguments.write:
        (HERE / "RESULTS.md").write_text(text, encoding="utf-8")
    if arguments.json is not None:
        pyperf.BenchmarkSuite([benchmark(variant) for variant in variants]).dump(str(arguments.json), replace=True)


if __name__ == "__main__":
    main()
