"""Records the goldens, or compares with them and prints every difference."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from .losses import losses
from .runs import runs
from .students import NETWORKS, student

RECORDED = Path(__file__).with_name("recorded.json")


def main() -> int:
    """Compare; 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the goldens anew")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "losses": losses(),
            "students": {name: student(name) for name in NETWORKS},
            "runs": runs(Path(folder)),
        }
    if options.record:
        RECORDED.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        return 0
    different = list(differences(json.loads(RECORDED.read_text()), found, ""))
    print(*different, sep="\n")
    print(f"goldens: {len(different)} differences")
    return 1 if different else 0


def differences(expected: object, found: object, path: str) -> Iterator[str]:
    """Every entry that two nested structures of dicts and lists do not share."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            yield from differences(expected.get(key), found.get(key), f"{path}/{key}")
    elif expected != found:
        yield f"{path}: recorded {str(expected)[:80]}, found {str(found)[:80]}"


if __name__ == "__main__":
    sys.exit(main())
