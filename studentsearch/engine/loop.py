"""Steps that survive interruption: a signal ends the step, writes the checkpoint, then the run."""

import time
from collections.abc import Callable

from studentsearch.errors import InterruptedRunError
from studentsearch.interruption import deferred


def run_steps(
    *,
    first: int,
    last: int,
    take_step: Callable[[int], bool],
    save: Callable[[int], None],
    save_every_seconds: float = 60.0,
    how_to_continue: str,
    planned: int | None = None,
) -> int:
    """Take the steps first + 1 .. last, saving now and then and at the end.

    An interrupt, termination or hangup signal lets the running step finish and its checkpoint be written; one more
    within a second is the same one, a later one stops at once. Signals are heard in the main thread only. A run
    interrupted in the very step that stopped early is continued with the next one, unless the caller sees in its own
    state that it had stopped.

    Args:
        first: Steps taken before, as saved; 0 for a fresh run.
        last: The number of the last step.
        take_step: Takes the step of that number and returns True to stop after it.
        save: Writes a checkpoint of the state after the step of that number.
        save_every_seconds: Time between checkpoints.
        how_to_continue: The command that continues the run, for the message.
        planned: The number of steps that the user knows of, for the message; None where it is `last`.

    Returns:
        The number of the last step taken; `first` if there was none to take, and then nothing was saved.

    Raises:
        InterruptedRunError: After a signal, once the checkpoint is written.
    """
    if first >= last:
        return first
    step, saved_at = first, time.monotonic()
    with deferred() as listener:
        for step in range(first + 1, last + 1):
            stops = take_step(step)
            if stops or listener.received is not None:
                break
            if step < last and time.monotonic() - saved_at >= save_every_seconds:
                save(step)
                saved_at = time.monotonic()
        save(step)
    if listener.received is not None:  # asked after the context, so that none is lost while it ends
        raise InterruptedRunError(
            f"interrupted at step {step} of {planned or last}, checkpoint written; continue with: {how_to_continue}",
            signal_number=listener.received,
        )
    return step
