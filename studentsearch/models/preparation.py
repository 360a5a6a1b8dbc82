"""A network of the user's own made ready for a job: unwrapped, materialised, in float32."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.weight_norm import WeightNorm

from studentsearch.errors import UsageError

_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def prepared(module: nn.Module, name: str, image_shape: tuple[int, ...]) -> nn.Module:
    """The network itself, without wrappers, and tried on one image.

    Args:
        module: What a function or a library gave; it is changed.
        name: What the user called it, for messages.
        image_shape: `[C, H, W]`.

    Returns:
        A network in training mode whose parameters are float32; lazy layers have their weights.

    Raises:
        UsageError: It is scripted, holds no values, cannot be copied or cannot take such images.
    """
    module = unwrapped(module)
    scripted = next((path for path, part in module.named_modules() if isinstance(part, torch.jit.ScriptModule)), None)
    if scripted is not None:
        raise UsageError(
            f"{name}: {scripted or 'the network'} is scripted or traced (torch.jit), whose code cannot be followed; "
            "return the Python module that it was made from"
        )
    tensors = (*module.named_parameters(), *module.named_buffers())
    empty = next((path for path, tensor in tensors if tensor.is_meta and not is_lazy(tensor)), None)
    if empty is not None:
        raise UsageError(f"{name}: {empty} is on the meta device and holds no numbers; make it on the CPU")
    if any(tensor.is_floating_point() and tensor.dtype != torch.float32 for _, tensor in tensors):
        module = module.float()
    for part in module.modules():
        for hook in part._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm):  # its weight comes from a call, which torch does not copy
                setattr(part, hook.name, getattr(part, hook.name).detach())
    return _tried(module, name, image_shape, is_lazy=any(is_lazy(tensor) for _, tensor in tensors))


def unwrapped(module: nn.Module) -> nn.Module:
    """The network inside what torch.compile and data parallelism put around it or its parts.

    Args:
        module: Its parts are replaced in place.

    Returns:
        The network.
    """
    module = _inner(module)
    for part in list(module.modules()):
        part._compiled_call_impl = None  # what `module.compile()` left
        for name, child in part.named_children():
            if _inner(child) is not child:
                setattr(part, name, unwrapped(child))
    return module


def frozen_note(module: nn.Module) -> str | None:
    """What to say of parameters that do not learn; None where all do.

    Args:
        module: Any network.

    Returns:
        The first half of a sentence, such as `20 of 100 parameters are frozen (requires_grad=False): stem and 2 more`.
    """
    frozen = {name: tensor.numel() for name, tensor in module.named_parameters() if not tensor.requires_grad}
    if not frozen:
        return None
    total = sum(tensor.numel() for tensor in module.parameters())
    first, *others = frozen
    more = f" and {len(others)} more" if others else ""
    return f"{sum(frozen.values()):,} of {total:,} parameters are frozen (requires_grad=False): {first}{more}"


def refuse_all_frozen(module: nn.Module, name: str) -> None:
    """Refuse to train what cannot learn.

    Args:
        module: Any network.
        name: What the user called it.

    Raises:
        UsageError: None of its parameters requires a gradient.
    """
    if not any(tensor.requires_grad for tensor in module.parameters()):
        raise UsageError(
            f"{name}: all of its parameters are frozen (requires_grad=False), so that nothing can be trained; call "
            "requires_grad_() on what shall learn"
        )


def _inner(module: nn.Module) -> nn.Module:
    inside: object = module.module if isinstance(module, _WRAPPERS) else getattr(module, "_orig_mod", None)
    return _inner(inside) if isinstance(inside, nn.Module) else module


def _tried(module: nn.Module, name: str, image_shape: tuple[int, ...], *, is_lazy: bool) -> nn.Module:
    """The module after one forward pass: of its own where it is lazy, of a copy otherwise."""
    try:
        tried = module if is_lazy else copy.deepcopy(module)
    except Exception as error:  # a network of the user's own may raise anything
        raise UsageError(
            f"{name} cannot be copied ({_one_line(error)}); keep only modules, tensors and plain values as attributes"
        ) from error
    try:
        with torch.no_grad():
            tried.eval()(torch.zeros(1, *image_shape))
    except Exception as error:
        size = "x".join(map(str, image_shape))
        raise UsageError(
            f"{name} cannot take images of {size} ({_one_line(error)}); choose another --image-size or model"
        ) from error
    return _tried(module.train(), name, image_shape, is_lazy=False) if is_lazy else module


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
