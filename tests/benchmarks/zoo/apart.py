"""One net in a process of its own: its memory is given back, and a crash is a row."""

from __future__ import annotations

import os
import sys
import tempfile
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from catalogue import Entry
from rows import Outcome

_LOADED_ONCE = (
    "torch",
    "onnxscript",
    "onnxruntime",
    "thop",
    "studentsearch.jobs.export",
    "studentsearch.jobs.snapshot",
)


def examine_apart(entry: Entry, *, has_onnx: bool, limit: int) -> Outcome:
    """The row of a net.

    Args:
        entry: The net.
        has_onnx: Whether it is exported.
        limit: Seconds that it may take.

    Returns:
        What `examine` found, or how its process ended.
    """
    context = get_context("forkserver")  # a fork of a process that has loaded torch, and nothing else
    context.set_forkserver_preload([*_LOADED_ONCE, entry.suite])
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile() as log:
        process = context.Process(target=_child, args=(entry, has_onnx, sender, log.name))
        process.start()
        sender.close()
        try:
            if receiver.poll(limit):
                outcome: Outcome = receiver.recv()
                return outcome
            process.kill()
            return Outcome(name=entry.name, problems=(f"not ready after {limit} s",))
        except EOFError:
            process.join()
            last = (Path(log.name).read_text(encoding="utf-8").strip().splitlines() or ["no message"])[-1]
            return Outcome(name=entry.name, problems=(f"the process ended with {process.exitcode}: {last}",))
        finally:
            process.join()


def _child(entry: Entry, has_onnx: bool, sender: Connection, log: str) -> None:
    import torch
    from examine import examine

    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    own = Path("/proc/self/oom_score_adj")
    if own.exists():
        own.write_text("1000", encoding="utf-8")  # where memory ends, this process goes and nobody else's
    torch.set_num_threads(1)
    sender.send(examine(entry, has_onnx=has_onnx))
