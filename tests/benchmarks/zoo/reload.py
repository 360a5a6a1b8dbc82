"""Run in a fresh process: the student of a folder answers the noted images with the noted bits."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

PROBE_NAME = "probe.safetensors"


def main(folder: Path) -> str:
    """What differs, empty where nothing does."""
    torch.set_num_threads(1)
    probe = load_file(folder / PROBE_NAME)
    from studentsearch import load

    for name, module in {"model.py": _from_source(folder), "studentsearch.load": load(folder)}.items():
        with torch.no_grad():
            logits = module(probe["images"])
        if not torch.equal(logits, probe["logits"]):
            return f"{name}: other bits, by {(logits - probe['logits']).abs().max().item():.1e}"
    return ""


def _from_source(folder: Path) -> nn.Module:
    """What `build` of model.py gives, before anything of ours is imported."""
    spec = importlib.util.spec_from_file_location("model", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    source = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(source)
    module: nn.Module = source.build()
    return module


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])) or None)
