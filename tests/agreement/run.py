"""`python -m tests.agreement.run`: how far host and model agree, over as many calls as one likes."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from grader.targets.host import open_host
from grader.targets.reference import open_reference
from tests.agreement.allowed import ALLOWED
from tests.agreement.compare import Difference
from tests.agreement.explore import Found, Signature, explore
from tests.agreement.scenario import scenario
from tests.agreement.shrink import shrink

USUAL_CALLS = 50_000
UNSEEN_AFTER = 200_000  # calls after which an allowed difference that was never seen is a row too many


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and say what was found; gives the exit code: 0 if the sides agree."""
    wanted = _parser().parse_args(arguments)
    first_seed = random.SystemRandom().randrange(1 << 32) if wanted.seed is None else wanted.seed
    host, model = open_host(), open_reference()
    began = time.monotonic()
    try:
        found = explore(host, model, calls=wanted.calls, first_seed=first_seed, stop=wanted.first)
        seconds = time.monotonic() - began
        shortest = {key: shrink(one, host, model) for key, one in found.differences.items()}
    finally:
        host.close()
        model.close()
    unseen = [row.name for row in ALLOWED if found.calls >= UNSEEN_AFTER and not found.tally.allowed[row.name]]
    lines = (f"seed {first_seed}: {found.calls} calls compared in {seconds:.1f} s", *_counts(found))
    lines += (*_differences(found, shortest), *(f"allowed, and never seen: {name}" for name in unseen))
    sys.stdout.write("\n".join((*lines, "")))
    if wanted.write is not None and shortest:
        wanted.write.write_text(as_scenario(found, shortest), encoding="utf-8")
    return 1 if shortest or unseen else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ci/agree", description=__doc__)
    parser.add_argument(
        "--calls", type=int, default=USUAL_CALLS, help="how many calls to compare (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="where to begin; the seed of a failure finds it again at once")
    parser.add_argument("--first", action="store_true", help="stop at the first difference")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the shortest difference as a scenario file")
    return parser


def as_scenario(found: Found, shortest: Mapping[Signature, Difference]) -> str:
    """Give the text of a scenario file with the shortest difference."""
    key, first = min(shortest.items(), key=lambda item: len(item[1].steps))
    title = f"{first.steps[-1].op} on the host gives {first.host.errno or first.host.how}"
    return scenario(first, id_=f"seed-{found.seeds[key]}", title=title)


def _counts(found: Found) -> Iterator[str]:
    tally = found.tally
    for title, counter in (
        ("calls", tally.calls),
        ("outcomes on the host", tally.outcomes),
        ("allowed differences", tally.allowed),
        ("not modelled, and so not made", tally.unmodelled),
    ):
        yield f"\n{title}:"
        yield from (f"  {count:7}  {name}" for name, count in counter.most_common())


def _differences(found: Found, shortest: Mapping[Signature, Difference]) -> Iterator[str]:
    yield f"\n{len(found.unsteady)} differences did not come again; {found.times.total()} did, of {len(shortest)} sorts"
    yield from (f"\nonce only:\n{one}" for one in found.unsteady)
    for key, times in found.times.most_common():
        yield f"\n{' '.join(filter(None, key))}: {times} times, first with --seed {found.seeds[key]}\n{shortest[key]}"


if __name__ == "__main__":
    raise SystemExit(main())
