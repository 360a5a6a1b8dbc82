"""Ten networks cut under random gates: counts, source, weights and answers of their students."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from studentsearch.graph.gates import gate_sites, num_gates, scale_weights
from studentsearch.graph.liveness import Liveness, liveness
from studentsearch.graph.macs import count_macs
from studentsearch.graph.network import Network
from studentsearch.models.registry import build_model
from studentsearch.runs.state_hash import state_sha256
from studentsearch.student.blocks import kept_by_block
from studentsearch.student.build import build_with_weights
from studentsearch.student.plain import plain_network
from studentsearch.student.slice import cut
from studentsearch.student.source import model_source

NETWORKS = {
    "densenet_digits": 8,
    "resnet20": 32,
    "vgg11": 32,
    "mobilenetv2": 32,
    "torchvision:squeezenet1_1": 64,
    "torchvision:shufflenet_v2_x0_5": 64,
    "torchvision:mobilenet_v3_small": 64,
    "torchvision:efficientnet_b0": 64,
    "torchvision:regnet_y_400mf": 64,
    "torchvision:googlenet": 64,
}
_CLOSED = 0.5


def student(name: str) -> dict[str, str | int]:
    """What is cut out of a network whose gates are open at random.

    Args:
        name: A model name.

    Returns:
        Multiply-accumulates and parameters, and hashes of model.py, of what the blocks kept, of weights and of logits.
    """
    size = NETWORKS[name]
    channels = 1 if name == "densenet_digits" else 3
    torch.manual_seed(0)
    module = build_model(name, num_classes=10, in_channels=channels, image_size=size).eval()
    network = plain_network(module, (channels, size, size))
    sites = gate_sites(network.network)
    generator = torch.Generator().manual_seed(0)
    gates = 0.5 + torch.rand(num_gates(sites), generator=generator)
    gates *= torch.rand(len(gates), generator=generator) >= _CLOSED
    alive = liveness(network.network, sites, np.asarray(gates.numpy() != 0))
    state = dict(network.module.state_dict())
    found = cut(network.network, alive, {**state, **scale_weights(state, sites, gates)})
    small = build_with_weights(found.spec, found.tensors)
    images = torch.randn(2, channels, size, size, generator=generator)
    with torch.no_grad():
        logits = torch.as_tensor(small(images))
    return {
        "macs": int(count_macs(network.network, alive)),
        "parameters": sum(parameter.numel() for parameter in small.parameters()),
        "gates": num_gates(sites),
        "source": _text_hash(model_source(found.spec, title="golden")),
        "blocks": _text_hash(repr(_kept(network.network, alive))),
        "weights": state_sha256(small.state_dict()),
        "logits": state_sha256({"logits": logits}),
    }


def _kept(network: Network, alive: Liveness) -> list[tuple[str, ...]]:
    """Every reader of every block, with what it kept."""
    return [
        (block.name, reader.path, str(reader.kept_inputs), str(reader.kept_outputs))
        for block in kept_by_block(network, alive)
        for reader in block.readers
    ]


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
