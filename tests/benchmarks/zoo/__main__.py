"""Every net of a library through trace, cut, count, training, reload and export.

    python tests/benchmarks/zoo torchvision --out docs/reference/zoo_torchvision.md

Each net runs in a process of its own, and its row is kept as soon as it is known; what passed or was
refused is not run again, unless it is named.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from apart import Limits, examine_apart
from catalogue import entries
from document import document
from rows import Outcome, read_outcomes, write_outcomes

from studentsearch.runs.files import write_text


def main() -> None:
    """Parse, run what is not known, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=("torchvision", "timm"))
    parser.add_argument("--out", type=Path, help="the page, Markdown")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these nets, again where they are known")
    parser.add_argument("--state", type=Path, help="the rows, JSON (default: build/zoo_SUITE.json)")
    parser.add_argument("--quick", action="store_true", help="without ONNX, which takes most of the time")
    parser.add_argument("--brief", action="store_true", help="only trace, cut and compare, at one size")
    parser.add_argument("--jobs", type=int, default=1, help="nets at a time")
    parser.add_argument("--seconds", type=int, default=3600, help="for one net")
    parser.add_argument("--memory", type=int, default=14, help="GiB for one net")
    options = parser.parse_args()
    known = {entry.name: entry for entry in entries(options.suite)}
    unknown = [name for name in options.only or () if name not in known]
    if unknown:
        parser.error(f"{', '.join(unknown)}: not in this suite; expected names of tests/benchmarks/zoo/catalogue.py")
    state = options.state or Path("build") / f"zoo_{options.suite}.json"
    rows = read_outcomes(state)
    limits = Limits(seconds=options.seconds, memory=options.memory)
    names = options.only or [name for name in known if name not in rows or _is_open(rows[name], options)]

    def examined(name: str) -> tuple[Outcome, float]:
        start = time.perf_counter()
        has_onnx = not options.quick and not options.brief
        row = examine_apart(known[name], has_onnx=has_onnx, is_brief=options.brief, limits=limits)
        return row, time.perf_counter() - start

    with ThreadPoolExecutor(options.jobs) as pool:  # each waits for a process
        waiting = {pool.submit(examined, name): name for name in names}
        for done in as_completed(waiting):
            name, (row, seconds) = waiting[done], done.result()
            rows[name] = row
            write_outcomes(state, rows)
            print(f"{name:32} {row.status} {seconds:.0f} s {_words(row)}", flush=True)
    missing = [name for name in known if name not in rows]
    if options.out:
        write_text(options.out, document(options.suite, [rows[name] for name in known if name in rows], missing))


def _is_open(row: Outcome, options: argparse.Namespace) -> bool:
    """Whether a known row is worth another run."""
    lacks_onnx = row.onnx_difference is None and not options.quick and not options.brief
    return row.status == "failed" or (row.status == "passed" and (lacks_onnx or (row.is_brief and not options.brief)))


def _words(row: Outcome) -> str:
    return row.refused or "; ".join(row.problems) or "; ".join(row.notes)


if __name__ == "__main__":
    main()
