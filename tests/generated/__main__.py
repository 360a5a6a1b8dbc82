"""`python -m tests.generated --count 5000 --minutes 30`: many networks, every find, and one line that sums up."""

from __future__ import annotations

import argparse
import sys

import torch

from .campaign import Tally, campaign, shrunk
from .examine import Outcome
from .program import Program


def main() -> int:
    """Run the campaign; 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="networks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="no chunk begins later")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--shrink", action="store_true", help="let hypothesis make the finds smaller (minutes each)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    total = Tally()
    for tally in campaign(options.count, options.seed, options.minutes, options.processes):
        for key in tally.smallest.keys() - total.smallest.keys():
            _show(*tally.smallest[key])
        total.join(tally)
        print(total, file=sys.stderr, flush=True)
    for key in sorted(total.smallest):
        found = shrunk(key, total.starts[key]) if options.shrink else None
        _show(*(found or total.smallest[key]))
    for (kind, reason), number in total.reasons.most_common():
        print(f"{number:6,} {kind}: {reason}")
    print(total)
    return 1 if total.smallest else 0


def _show(program: Program, outcome: Outcome) -> None:
    print(f"\n{outcome.kind}: {outcome.reason}\n{program}\n{outcome.detail}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
