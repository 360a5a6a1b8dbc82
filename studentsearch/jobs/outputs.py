"""Which outputs of a network a job trains and evaluates: chosen once, at the start, and kept with the weights."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from studentsearch.data.dataset import Dataset
from studentsearch.errors import UsageError
from studentsearch.outputs import ALONE, Output, OutputPath, choose_logits, outputs_of
from studentsearch.runs.tensors import load_metadata

_LOGITS_KEY = "logits"
_Mode = Literal["training", "evaluation", "extras"]
_MODES: tuple[_Mode, ...] = ("training", "evaluation")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaughtOutput:
    """Where the logits stand in what a network returns; the modes differ where extras come in training only.

    Attributes:
        training: In training mode.
        evaluation: In evaluation mode.
    """

    training: OutputPath = ALONE
    evaluation: OutputPath = ALONE

    @property
    def stated(self) -> str | None:
        """What a run's configuration says of it; None for a network of one output."""
        return stated_output(self.evaluation if self.training == ALONE else self.training)

    def metadata(self) -> dict[str, str]:
        """What the header of its weights says of it; nothing where one tensor is returned in evaluation mode."""
        return {} if self.evaluation == ALONE else {_LOGITS_KEY: str(self.evaluation)}


def stated_output(logits: OutputPath) -> str | None:
    """What a run's manifest says of its logits; None for a network that returns these alone."""
    return None if logits == ALONE else str(logits)


def taught_output(module: nn.Module, dataset: Dataset, wanted: str | None, name: str) -> TaughtOutput:
    """The output of a network that labels teach, tried on two images in both modes.

    Where extras are returned in training mode alone, the main output is the one whose values evaluation mode returns.

    Args:
        module: The network; it is not changed.
        dataset: The images that it is for.
        wanted: Name or position of an output; None means the usual one.
        name: The network's name, for the message.

    Returns:
        The places.
    """
    training, evaluation = (_tried(module, dataset, name, mode=mode) for mode in _MODES)
    differ = [output.path for output in training] != [output.path for output in evaluation]

    def chosen(outputs: tuple[Output, ...]) -> OutputPath:
        word = None if differ and outputs[0].path == ALONE else wanted
        return outputs[choose_logits(outputs, word, num_classes=dataset.num_classes, source=name)].path

    evaluated = chosen(evaluation)
    same = None
    if differ and wanted is None:
        tensors = {output.path: output.tensor for output in evaluation}
        values = _tried(module, dataset, name, mode="extras")
        same = next((value.path for value in values if _is_same(value.tensor, tensors[evaluated])), None)
    is_there = same in {output.path for output in training}
    return TaughtOutput(training=same if same is not None and is_there else chosen(training), evaluation=evaluated)


def stated_logits(weights: Path | None) -> str | None:
    """The output that a file of weights was trained for, where `teach` wrote it into the header."""
    if weights is None or weights.suffix != ".safetensors" or not weights.is_file():
        return None
    return load_metadata(weights).get(_LOGITS_KEY)


def refuse_several_inputs(name: str, inputs: tuple[str, ...]) -> None:
    """Refuse a network that takes more than the one image that data give.

    Args:
        name: The network's name.
        inputs: Names of what it takes.

    Raises:
        UsageError: They are several.
    """
    if len(inputs) > 1:
        raise UsageError(
            f"{name} takes {len(inputs)} inputs ({', '.join(inputs)}), the data give one image; such networks can be "
            "counted and exported only; give a network of one input"
        )


def required_inputs(module: nn.Module) -> tuple[str, ...]:
    """Names of what a network's forward pass cannot be called without."""
    kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    parameters = inspect.signature(module.forward).parameters.values()
    return tuple(it.name for it in parameters if it.kind in kinds and it.default is inspect.Parameter.empty)


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other)


def _tried(module: nn.Module, dataset: Dataset, name: str, *, mode: _Mode) -> tuple[Output, ...]:
    """What a network returns for two images; in mode `extras` its layers evaluate, and what holds layers trains."""
    tried = copy.deepcopy(module).train(mode != "evaluation")
    if mode == "extras":
        for layer in tried.modules():
            layer.training = layer is tried or any(True for _ in layer.children())
    shape = dataset.image_shape
    images = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    try:
        # Dropout draws numbers that the training is to find undrawn.
        with torch.no_grad(), torch.random.fork_rng(devices=()):
            answer = tried(images)
    except Exception as error:  # a network of the user's own may raise anything
        size = "x".join(map(str, shape))
        raise UsageError(
            f"{name} cannot take images of {size} in training ({' '.join(str(error).split())[:200]}); "
            "choose another --image-size or model"
        ) from error
    found = outputs_of(answer)
    if not found:
        raise UsageError(f"{name} returns a {type(answer).__name__} without tensors; expected logits [B, classes]")
    return found
