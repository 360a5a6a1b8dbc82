"""The figures of docs/decisions.md: what gates cost in two forms, and how fast batches are made in two ways.

    python tests/benchmarks/decisions.py

CPU seconds of one thread; the alternatives take turns, so that whatever else the machine does slows both alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from studentsearch.data.augmentation import Augmentation
from studentsearch.data.batches import Batches
from studentsearch.data.dataset import Images
from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.models.registry import build_model
from studentsearch.records.normalization import Normalization
from studentsearch.student.plain import plain_network

_MEAN, _STD = (0.5,) * 3, (0.25,) * 3


def main() -> None:
    """Measure both and print a line for each alternative."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    _compare("a step of densenet, seconds", _gate_forms(options.batch), options.rounds, scale=1.0)
    _compare("a batch of 32x32 images, seconds an image", _loaders(options.batch), options.rounds, scale=options.batch)


def _compare(title: str, alternatives: dict[str, Callable[[], object]], rounds: int, *, scale: float) -> None:
    best = dict.fromkeys(alternatives, float("inf"))
    for _ in range(rounds):
        for name, work in alternatives.items():
            start = time.process_time()
            work()
            best[name] = min(best[name], (time.process_time() - start) / scale)
    print(title)
    for name, seconds in best.items():
        print(f"  {name:42} {seconds:.3g}  ({1 / seconds:,.0f} a second)")


def _gate_forms(batch: int) -> dict[str, Callable[[], object]]:
    """A forward and a backward pass without gates, with gates on weight slices, and with gates on feature maps."""
    plain = plain_network(build_model("densenet", num_classes=100), (3, 32, 32))
    gated = GatedNetwork.of(plain.network)
    module = plain.module.train()
    gates = torch.ones(gated.num_gates, requires_grad=True)
    images = torch.randn(batch, 3, 32, 32)

    def on_weights() -> Tensor:
        answer: Tensor = functional_call(
            module, gated.scaled_weights(dict(module.named_parameters()), gates), (images,)
        )
        return answer

    def on_feature_maps() -> Tensor:
        handles = [
            module.get_submodule(plain.network.nodes[site.node].path).register_forward_pre_hook(
                partial(_multiplied, gates=gates[site.span])
            )
            for site in gated.sites
        ]
        answer: Tensor = module(images)
        for handle in handles:
            handle.remove()
        return answer

    forms: dict[str, Callable[[], Tensor]] = {
        "no gates": partial(module, images),
        "on weights": on_weights,
        "on feature maps": on_feature_maps,
    }
    for name, forward in forms.items():
        print(f"{name}: {_saved_bytes(forward) / 2**20:,.0f} MiB kept for the backward pass")
    return {name: partial(_stepped, forward) for name, forward in forms.items()}


def _multiplied(_: nn.Module, inputs: tuple[Tensor, ...], *, gates: Tensor) -> Tensor:
    (images,) = inputs
    return images * gates.view(1, -1, *(1,) * (images.ndim - 2))


def _stepped(forward: Callable[[], Tensor]) -> None:
    torch.autograd.backward(forward().square().mean())


def _saved_bytes(forward: Callable[[], Tensor]) -> int:
    """Bytes of all tensors that autograd keeps of one forward pass, each storage once."""
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        answer = forward()
    del answer
    return sum(storages.values())


class _PilImages(Dataset[tuple[Tensor, int]]):
    """The same images as PIL decodes them, varied by torchvision one by one."""

    def __init__(self, pixels: Tensor) -> None:
        self._images = [Image.fromarray(np.asarray(image.permute(1, 2, 0))) for image in pixels]
        self._vary = v2.Compose([
            *(v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), v2.ToImage()),
            *(v2.ToDtype(torch.float32, scale=True), v2.Normalize(_MEAN, _STD)),
        ])

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        varied: Tensor = self._vary(self._images[index])
        return varied, 0


def _loaders(batch: int) -> dict[str, Callable[[], object]]:
    pixels = torch.randint(256, (10_000, 3, 32, 32), dtype=torch.uint8)
    ours = Batches(
        Images(pixels=pixels, labels=torch.zeros(len(pixels), dtype=torch.int64)),
        batch_size=batch,
        seed=0,
        phase="benchmark",
        augmentation=Augmentation(shift=4, flip=True),
        normalization=Normalization(mean=_MEAN, std=_STD),
        device="cpu",
    )
    theirs = iter(DataLoader(_PilImages(pixels), batch_size=batch, shuffle=True))
    steps: Iterator[int] = iter(range(1_000_000))
    return {"uint8 in memory": lambda: ours.batch(next(steps)), "DataLoader, PIL, torchvision": lambda: next(theirs)}


if __name__ == "__main__":
    main()
