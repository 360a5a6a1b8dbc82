"""A command holds its run folder before it imports its job, so that of two processes the loser knows at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(out: Path, kind: str) -> Iterator[Path]:
    """Check and hold a run folder; the job takes the hold over.

    Args:
        out: The run folder, given or named after the run; it may be missing.
        kind: The job, such as "search".

    Yields:
        The folder.
    """
    from studentsearch.runs.hold import claim_run_folder
    from studentsearch.runs.place import require_place

    require_place(out, kind)
    with claim_run_folder(out):
        yield out
