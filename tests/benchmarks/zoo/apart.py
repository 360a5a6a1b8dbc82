"""One net in a process of its own: its memory is given back, and a crash is a row."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one net may take: seconds, and GiB of memory."""

    seconds: int
    memory: int


def examine_apart(entry: Entry, *, has_onnx: bool, is_brief: bool, limits: Limits) -> Outcome:
    """The row of a net.

    Args:
        entry: The net.
        has_onnx: Whether it is exported.
        is_brief: Whether it is traced, cut and compared alone.
        limits: What it may take.

    Returns:
        What `examine` found, or how its process ended.
    """
    context = get_context("forkserver")  # a fork of a process that has loaded torch, and nothing else
    context.set_forkserver_preload([*_LOADED_ONCE, entry.suite])
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile() as log:
        process = context.Process(target=_child, args=(entry, has_onnx, is_brief, limits, sender, log.name))
        process.start()
        sender.close()
        try:
            if receiver.poll(limits.seconds):
                outcome: Outcome = receiver.recv()
                return outcome
            process.kill()
            return Outcome(name=entry.name, problems=(f"not ready after {limits.seconds} s",))
        except EOFError:
            process.join()
            last = (Path(log.name).read_text(encoding="utf-8").strip().splitlines() or ["no message"])[-1]
            return Outcome(name=entry.name, problems=(f"the process ended with {process.exitcode}: {last}",))
        finally:
            process.join()


def _child(entry: Entry, has_onnx: bool, is_brief: bool, limits: Limits, sender: Connection, log: str) -> None:
    import torch
    from examine import examine

    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    resource.setrlimit(resource.RLIMIT_DATA, (limits.memory * 2**30,) * 2)
    torch.set_num_threads(1)
    sender.send(examine(entry, has_onnx=has_onnx, is_brief=is_brief))
