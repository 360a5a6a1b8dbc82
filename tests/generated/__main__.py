"""`python -m tests.generated --count 5000 --seed 0 --minutes 30`: many networks, one line that sums up, and every find."""

from __future__ import annotations

import argparse
import sys

import torch

from .campaign import Tally, campaign, shrunk


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
        total.join(tally)
        print(total, file=sys.stderr, flush=True)
    for key, (program, outcome) in sorted(total.smallest.items()):
        smaller = shrunk(key, total.starts[key]) if options.shrink else None
        program, outcome = smaller or (program, outcome)
        print(f"\n{outcome.kind}: {outcome.reason} ({total.reasons[key]:,} networks)\n{program}\n{outcome.detail}")
    for (kind, reason), number in total.reasons.most_common():
        print(f"{number:6,} {kind}: {reason}")
    print(total)
    return 1 if total.smallest else 0


if __name__ == "__main__":
    sys.exit(main())
