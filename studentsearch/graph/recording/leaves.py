"""Which modules of a network are one operation, and which cannot be followed at all."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph import layers


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is one operation of the graph."""
    kind = parametrize.type_before_parametrizations(module)
    if kind is nn.Module or issubclass(kind, (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
        return False
    own = kind.__module__.startswith(("torch.nn.", "torch.ao.nn."))
    return own or kind.__module__ == layers.__name__ or kind.__name__ in {"StochasticDepth", "DropPath"}


def refuse_unfollowed(module: nn.Module) -> None:
    """Refuse modules whose forward is not what runs.

    Args:
        module: The whole network.

    Raises:
        UnsupportedGraphError: One of its parts is compiled or has a hook.
    """
    for path, part in module.named_modules():
        name = path or type(module).__name__
        if isinstance(part, torch.jit.ScriptModule) or hasattr(part, "_orig_mod"):
            raise UnsupportedGraphError(f"{name}: a compiled module cannot be followed; give what it was made of")
        # These two only compute the weight of their layer, which the rules read afterwards.
        known = all(isinstance(hook, (WeightNorm, SpectralNorm)) for hook in part._forward_pre_hooks.values())
        if part._forward_hooks or not known:
            raise UnsupportedGraphError(f"{name}: has a forward hook, which cannot be followed; remove the hook first")
