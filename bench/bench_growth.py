"""Measures how each call of the reference model grows with the number of sockets that are there.

Nothing in here is a test: no number makes it fail. Each call is made in crowds of four sizes (`crowds.py`), turn by
turn. The goal is that none grows faster than the logarithm of the size. Time on a busy machine is never quite still,
so beside it stand the lines of Python that a call goes through, which are exact; what walks in C shows in time alone.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from crowds import BATCH, CALLS, CONDITIONS, CORNERS, SIZES, Call, Condition, Crowd

from reference import Refused

HERE = Path(__file__).resolve().parent
# A logarithm is four times as large at 10,000 as at 10; a tenth more is what medians of few rounds may be off.
AT_MOST = math.log(SIZES[-1]) / math.log(SIZES[0]) * 1.1
# Growth below these is noise, and what a cache makes of more memory: times the cost at the smallest size, and
# nanoseconds for each socket more, in which not even a pointer is moved.
WORTH_SAYING, WALK_NS = 1.5, 0.2


@dataclass(slots=True)
class Growth:
    """What one call took in one condition: nanoseconds by size, one for each round, and lines of Python by size."""

    call: Call
    condition: Condition
    rounds_ns: dict[int, list[float]]
    lines: dict[int, int] = field(default_factory=dict)

    @property
    def medians_ns(self) -> list[float]:
        """The median of each size, smallest size first."""
        return [statistics.median(self.rounds_ns[size]) for size in self.condition.sizes]

    @property
    def ratio(self) -> float:
        """The time at the largest size to that at the smallest."""
        return self.medians_ns[-1] / self.medians_ns[0]

    @property
    def lines_ratio(self) -> float:
        """The lines at the largest size to those at the smallest."""
        return self.lines[self.condition.sizes[-1]] / self.lines[self.condition.sizes[0]]

    @property
    def shape(self) -> str:
        """What the times are most like: `constant`, `logarithmic` or `linear`."""
        sizes = self.condition.sizes
        is_walk = self.medians_ns[-1] - self.medians_ns[0] > WALK_NS * (sizes[-1] - sizes[0])
        if self.lines_ratio <= WORTH_SAYING and not (self.ratio > WORTH_SAYING and is_walk):
            return "constant"
        misfits = {
            "logarithmic": misfit([math.log(size) for size in sizes], self.medians_ns),
            "linear": misfit(sizes, self.medians_ns),
        }
        return min(misfits, key=lambda shape: misfits[shape])

    @property
    def is_within(self) -> bool:
        """Whether the growth is a logarithm's at most."""
        return self.shape == "constant" or (
            self.shape == "logarithmic" and max(self.ratio, self.lines_ratio) <= AT_MOST
        )


def misfit(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Give how far the points are from the straight line that fits them best: the sum of squares."""
    slope, intercept = statistics.linear_regression(xs, ys)
    return math.fsum((y - slope * x - intercept) ** 2 for x, y in zip(xs, ys, strict=True))


# -- measuring -------------------------------------------------------------------------------------------


def timed_ns(crowd: Crowd, call: Call) -> float:
    """Give what one call takes, from a batch of them."""
    batch = [call.args(crowd) for _ in range(BATCH)]
    process_call, op = crowd.process.call, call.op
    began = time.perf_counter_ns()
    results = [process_call(op, args) for args in batch]
    spent = time.perf_counter_ns() - began
    for result in results:
        outcome = result.errno if isinstance(result, Refused) else type(result).__name__
        if outcome != call.outcome:
            raise SystemExit(f"{call.label}: {outcome}, expected {call.outcome}")
    crowd.tidy(results)
    return spent / BATCH


def lines_of(crowd: Crowd, call: Call) -> int:
    """Count the lines of Python that a call goes through."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Callable[..., Any]:
        nonlocal count
        count += event == "line"
        return trace

    args = call.args(crowd)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        result = crowd.process.call(call.op, args)
    finally:
        sys.settrace(before)
    crowd.tidy([result])
    return count


def measure(condition: Condition, rounds: int) -> list[Growth]:
    """Make `rounds` batches of each call at each size, sizes in turn; one round before them does not count."""
    print(condition.name, file=sys.stderr)
    crowds = {size: condition.crowd(size) for size in condition.sizes}
    growths = [Growth(call, condition, {size: [] for size in crowds}) for call in CALLS if call.is_for(condition)]
    order = list(crowds)
    for number in range(rounds + 1):
        order.append(order.pop(0))
        for growth in growths:
            for size in order:
                spent = timed_ns(crowds[size], growth.call)
                if number:
                    growth.rounds_ns[size].append(spent)
    for growth in growths:
        growth.lines = {size: lines_of(crowd, growth.call) for size, crowd in crowds.items()}
    return growths


def measure_all(conditions: Sequence[Condition], rounds: int) -> list[Growth]:
    """Measure every call in every condition, and sweep the heap after each: the collector rests meanwhile."""
    growths = []
    for condition in conditions:
        growths += measure(condition, rounds)
        gc.collect()
    return growths


# -- tables ----------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Give a table, with an empty line before it."""
    return ["", *(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))]


def cell(growths: Sequence[Growth], label: str, condition: Condition) -> str:
    """Give the time at the smallest size and the ratio of one call in one condition."""
    for growth in growths:
        if growth.call.label == label and growth.condition is condition:
            ratio = f"{growth.ratio:.2f}" if growth.is_within else f"**{growth.ratio:.2f}**"
            return f"{growth.medians_ns[0] / 1000:.1f} x {ratio}"
    return ""


def detail(growth: Growth) -> list[str]:
    """Give one call by size: microseconds, and lines of Python."""
    times = dict(zip(growth.condition.sizes, growth.medians_ns, strict=True))
    cells = (f"{times[size] / 1000:.1f} ({growth.lines[size]})" if size in times else "" for size in SIZES)
    return [growth.condition.name, growth.call.label, *cells, growth.shape]


def report(growths: Sequence[Growth], corners: Sequence[Growth], rounds: int, load_before: float) -> str:
    """Give the whole result as Markdown."""
    labels = dict.fromkeys(call.label for call in CALLS)
    grown = [growth for growth in growths if growth.shape != "constant"]
    within = sum(growth.is_within for growth in growths)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} CPUs"
    by_size = ("condition", "call", *(f"{size:,}" for size in SIZES), "shape")
    lines = [
        "# Growth of the reference model with the number of sockets",
        "",
        f"- command: `python bench/bench_growth.py --rounds {rounds}`",
        f"- {python}, {system}, load before {load_before:.2f}",
        f"- goal: no worse than logarithmic, so at most {AT_MOST:.1f} times the time and the lines, and not linear",
        f"- met by {within} of {len(growths)}; constant, within {WORTH_SAYING:g} times: {len(growths) - len(grown)}",
        f"- calls go to {SIZES[0]} sockets spread over all: a large crowd is not also one that no cache holds",
        "",
        f"Microseconds at {SIZES[0]} sockets (connected: pairs) x how many times that at {SIZES[-1]:,}:",
        *table(
            ["call", *(one.name for one in CONDITIONS)],
            [[label, *(cell(growths, label, one) for one in CONDITIONS)] for label in labels],
        ),
    ]
    if grown:
        lines += ["", "Not constant, in microseconds (lines of Python):", *table(by_size, [*map(detail, grown)])]
    lines += ["", "Many in one place, for which there is no goal, in microseconds (lines of Python):"]
    lines += table(by_size, [*map(detail, corners)])
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help="how many batches of each call; default 11")
    parser.add_argument("--write", action="store_true", help="write bench/RESULTS-growth.md")
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    gc.disable()  # as timeit does: whom the collector interrupts is chance
    growths = measure_all(CONDITIONS, arguments.rounds)
    text = report(growths, measure_all(CORNERS, arguments.rounds), arguments.rounds, load_before)
    print(text)
    if arguments.write:
        (HERE / "RESULTS-growth.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
