"""The network with closed gates, computed by the network itself: what readers read is multiplied by zeros and ones.

Nothing of the gated forward, of liveness or of cutting is used; of a gate only its place is: the reader and the entries
of its input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from studentsearch.graph.dependencies import Mask
from studentsearch.graph.gates import GateSite
from studentsearch.graph.network import Network
from studentsearch.graph.operations.table import is_reader

_READING = {
    **{f"conv{n}d": 1 for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": 1 for n in (1, 2, 3)},
    "linear": -1,
}


class UnmaskableError(Exception):
    """A call of a reader that cannot be told from another."""


class _Masks(TorchFunctionMode):
    """Every call of a reader, its input multiplied by the mask of its gates."""

    def __init__(self, masks: Sequence[tuple[Tensor, list[Tensor | None]]]) -> None:
        super().__init__()
        self._masks = masks
        self._num_calls = [0] * len(masks)

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        axis = _READING.get(getattr(func, "__name__", ""))
        if axis is None:
            return func(*args, **kwargs)
        given, weight, *rest = args
        assert isinstance(given, Tensor)
        assert isinstance(weight, Tensor)
        for place, (own, masks) in enumerate(self._masks):
            if own.shape == weight.shape and torch.allclose(own, weight, rtol=1e-9, atol=1e-12):
                number = self._num_calls[place]
                self._num_calls[place] += 1
                if number >= len(masks):
                    raise UnmaskableError
                given = _masked(given, masks[number], axis)
        return func(given, weight, *rest, **kwargs)

    def insist(self) -> None:
        """Every call that the trace has must have come."""
        if self._num_calls != [len(masks) for _, masks in self._masks]:
            raise UnmaskableError


def _masked(given: Tensor, mask: Tensor | None, axis: int) -> Tensor:
    if mask is None:
        return given
    shape = [1] * given.dim()
    shape[axis] = -1
    return given * mask.view(shape)


def masked_answer(
    module: nn.Module,
    network: Network,
    state: Mapping[str, Tensor],
    sites: Sequence[GateSite],
    is_open: Mask,
    images: Sequence[Tensor],
) -> object:
    """What the network answers when closed gates multiply by zero.

    Args:
        module: The original network.
        network: Its trace, whole: every call of every reader.
        state: The weights of that trace's readers, by which their calls are recognised.
        sites: The gates.
        is_open: `[G]`.
        images: One tensor an input.

    Returns:
        What forward returns.

    Raises:
        UnmaskableError: The calls of readers that are made are not those of the trace.
    """
    gates = {site.path: torch.from_numpy(np.asarray(site.entries(is_open), dtype=np.float64)) for site in sites}
    masks: list[tuple[Tensor, list[Tensor | None]]] = []
    for node in network.nodes:
        if is_reader(node):
            weight = state[f"{node.path}.weight"]
            known = next((item for item in masks if torch.equal(item[0], weight)), None)
            if known is None:
                known = (weight, [])
                masks.append(known)
            known[1].append(gates.get(node.path))
    with torch.no_grad(), _Masks(masks) as mode:
        answer = module(*(image.clone() for image in images))
    mode.insist()
    return answer


class Noise(TorchFunctionMode):
    """Every result changed by what rounding may change it: does the network itself make much of it?"""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._generator = torch.Generator().manual_seed(seed)

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        result = func(*args, **(kwargs or {}))
        is_float = isinstance(result, Tensor) and result.is_floating_point() and result.numel() > 0
        if not is_float or any(result is item for item in args):
            return result
        assert isinstance(result, Tensor)
        with torch._C.DisableTorchFunction():
            noise = torch.randn(result.shape, generator=self._generator, dtype=result.dtype)
            # In place, so that what is a view stays one.
            return result.add_(noise * result.abs().max() * 1e-15) if _is_single(result) else result


def _is_single(tensor: Tensor) -> bool:
    """Whether every entry has memory of its own that no other tensor shares."""
    return tensor._base is None and all(
        stride > 0 or size == 1 for stride, size in zip(tensor.stride(), tensor.shape, strict=True)
    )
