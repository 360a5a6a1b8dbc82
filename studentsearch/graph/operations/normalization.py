"""Norms, and PReLU, which like these has one parameter a channel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.dependencies import Indices, all_of, same, taking
from studentsearch.graph.network import Argument, Node, Operation
from studentsearch.graph.operations.constants import ConstantInputs, OnConstants, computed
from studentsearch.graph.operations.operation_record import (
    Family,
    LayerCall,
    LayerForm,
    LayerWords,
    OperationRecord,
    as_layer,
    ungated,
)
from studentsearch.graph.operations.propagation import Applied, Propagation, all_channels, num_spatial_axes
from studentsearch.graph.operations.shrinking import Left, Shrinking, counting, with_sizes

_F = "torch.nn.functional."
_STATISTICS = ("running_mean", "running_var")
_ROLES = frozenset({"weight", "bias", *_STATISTICS})


def batch_norm(applied: Applied) -> Propagation:
    """Each channel on its own."""
    (source,) = applied.sources
    # InstanceNorm1d of [B, features] takes the batch for channels.
    is_instance = applied.operation.kind.startswith("InstanceNorm")
    takes_batch = is_instance and len(source.shape) == num_spatial_axes(applied.operation.kind)
    if source.axis != 0 or takes_batch:
        return all_channels(applied)
    return Propagation(axis=0, dependencies=(same(source.num_channels),))


def group_norm(applied: Applied) -> Propagation:
    """Channels of a group live or die together, since each enters the statistics of all."""
    (source,) = applied.sources
    groups = applied.operation.integer("num_groups")
    if source.axis != 0:
        return all_channels(applied)
    return _in_groups(np.arange(source.num_channels) // (source.num_channels // groups), axis=0)


def _in_groups(group: Indices, *, axis: int) -> Propagation:
    size = int((group == group[0]).sum())
    if size == 1:
        return Propagation(axis=axis, dependencies=(same(len(group)),))
    if size == len(group):
        together = np.zeros(size, dtype=np.int64)
        return Propagation(axis=axis, dependencies=(all_of(size, size),), coupled=together, keeps_all="norms over all")
    members = group[:, np.newaxis] * size + np.arange(size)
    return Propagation(axis=axis, dependencies=(taking(members, len(group)),), coupled=group)


def layer_norm(applied: Applied) -> Propagation:
    """Norms over the last axes: all channels where these are among them."""
    (source,) = applied.sources
    num_axes = len(applied.operation.integers("normalized_shape"))
    if source.axis >= len(source.shape) - num_axes:
        return _in_groups(np.zeros(source.num_channels, dtype=np.int64), axis=source.axis)
    return Propagation(axis=source.axis, dependencies=(same(source.num_channels),), keeps_all="norms over positions")


def _norms_channels(node: Node) -> bool:
    return node.axis == 0


def _norms_features(node: Node) -> bool:
    normed = node.operation.arguments["normalized_shape"]
    return node.axis == len(node.shape) - 1 and normed in ((node.num_channels,), node.num_channels)


def _normed(inputs: ConstantInputs) -> Tensor | None:
    """The layer at two positions of two images: some statistics are refused over a single number."""
    node, value = inputs.node, inputs.first
    keeps = _norms_features if "normalized_shape" in node.operation.arguments else _norms_channels
    if not keeps(node):
        return None
    others = len(node.shape) - 1
    if node.axis == others:
        repeated = value.view(*([1] * len(node.shape)), -1).expand(2, *([2] * others), -1)
    else:
        repeated = value.view(1, -1, *([1] * others)).expand(2, -1, *([2] * others))
    return computed(inputs, (repeated,), axis=node.axis + 1)


_OF_CHANNELS = OnConstants(keeps=_norms_channels, value=_normed)
_OF_FEATURES = OnConstants(keeps=_norms_features, value=_normed)


def _group_norm_sizes(left: Left) -> dict[str, Argument]:
    groups = left.node.operation.integer("num_groups") * left.num_channels // left.node.num_channels
    return {"num_channels": left.num_channels, "num_groups": groups}


def _prelu_resized(left: Left) -> Operation:
    operation = left.node.operation
    return counting("num_parameters")(left) if operation.integer("num_parameters") > 1 else operation


def with_both(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors of a norm whose layer has weight and bias or none: ones or zeros where the call lacks one."""
    given = [tensors[role] for role in ("weight", "bias") if role in tensors]
    if len(given) != 1:
        return tensors
    return {"weight": torch.ones_like(given[0]), "bias": torch.zeros_like(given[0]), **tensors}


def _with_weight(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The same for LayerNorm, which may have a weight alone."""
    return tensors if "weight" in tensors else with_both(tensors)


def _channel_norm(kind: str, called: LayerCall) -> LayerWords:
    axes = len(called.shape) - 1
    is_single = kind == "InstanceNorm" and math.prod(called.shape[1:]) == 1 and "running_mean" not in called.tensors
    if kind == "InstanceNorm" and (axes == 0 or is_single):
        raise UnsupportedGraphError(
            "norms a channel over its positions, of which there are none or only one; expected [B, C, ...] with "
            "several; take it out, or norm with F.layer_norm"
        )
    values = {
        "num_features": called.num_inputs,
        "eps": called.arguments.get("eps", 1e-5),
        "momentum": called.arguments.get("momentum", 0.1),
        "affine": "weight" in called.tensors,
        "track_running_stats": "running_mean" in called.tensors,
    }
    return LayerWords(kind=f"{kind}{max(axes, 1)}d", arguments=values)


def _group_norm_of_call(called: LayerCall) -> LayerWords:
    if called.num_inputs * math.prod(called.shape[1:]) == called.arguments["num_groups"]:
        # torch.group_norm answers with the bias alone; the layer refuses such a batch of one image.
        raise UnsupportedGraphError(
            "norms groups of one value each, which leaves nothing but the bias; expected several values a group; "
            "take it out, or give fewer groups"
        )
    values = {
        "num_groups": called.arguments["num_groups"],
        "num_channels": called.num_inputs,
        "eps": called.arguments.get("eps", 1e-5),
        "affine": "weight" in called.tensors,
    }
    return LayerWords(kind="GroupNorm", arguments=values)


def _axes_norm(kind: str, called: LayerCall) -> LayerWords:
    values = {
        "normalized_shape": called.arguments["normalized_shape"],
        "eps": called.arguments.get("eps", 1e-5 if kind == "LayerNorm" else None),
        "elementwise_affine": "weight" in called.tensors,
    }
    if kind == "LayerNorm":
        values["bias"] = "bias" in called.tensors
    return LayerWords(kind=kind, arguments=values)


def _prelu_of_call(called: LayerCall) -> LayerWords:
    return LayerWords(kind="PReLU", arguments={"num_parameters": called.tensors["weight"].numel()})


def _reads_kept(arguments: Mapping[str, object]) -> bool:
    return not arguments.get("training")


def _reads_kept_of_instances(arguments: Mapping[str, object]) -> bool:
    return not (arguments.get("training") or arguments.get("use_input_stats", True))


def _norm_forms() -> dict[str, LayerForm]:
    weights, roles = ("weight", "bias"), (*_STATISTICS, "weight", "bias")
    forms: dict[str, LayerForm] = {}
    # torch and torch.nn.functional take the same arguments in another order.
    for home, order in ((_F, roles), ("torch.", (*weights, *_STATISTICS))):
        forms[f"{home}batch_norm"] = LayerForm(
            parameters=("input", *order, "training", "momentum", "eps"),
            layer=partial(_channel_norm, "BatchNorm"),
            roles=roles,
            completed=with_both,
            reads_statistics=_reads_kept,
        )
        forms[f"{home}instance_norm"] = LayerForm(
            parameters=("input", *order, "use_input_stats", "momentum", "eps"),
            layer=partial(_channel_norm, "InstanceNorm"),
            roles=roles,
            completed=with_both,
            reads_statistics=_reads_kept_of_instances,
        )
        forms[f"{home}layer_norm"] = LayerForm(
            parameters=("input", "normalized_shape", *weights, "eps"),
            layer=partial(_axes_norm, "LayerNorm"),
            roles=weights,
            completed=_with_weight,
        )
        forms[f"{home}rms_norm"] = LayerForm(
            parameters=("input", "normalized_shape", "weight", "eps"),
            layer=partial(_axes_norm, "RMSNorm"),
            roles=("weight",),
        )
        forms[f"{home}group_norm"] = LayerForm(
            parameters=("input", "num_groups", *weights, "eps"),
            layer=_group_norm_of_call,
            roles=weights,
            completed=with_both,
        )
        forms[f"{home}prelu"] = LayerForm(parameters=("input", "weight"), layer=_prelu_of_call, roles=("weight",))
    return forms


_PERMITTED_CALLS = frozenset({f"torch.{name}_norm" for name in ("instance", "layer", "rms")} | {"torch.prelu"})
RECORDS = (
    *(
        OperationRecord(
            name=f"{kind}Norm{n}d",
            family=Family.BATCH_NORM if kind == "Batch" else Family.NORM,
            propagate=batch_norm,
            paper_cost=2 if kind == "Batch" else 0,
            on_constants=_OF_CHANNELS,
            shrinking=Shrinking(resized=counting("num_features"), roles=_ROLES),
            has_tensors=True,
            keeps_shape=True,
        )
        for kind in ("Batch", "Instance")
        for n in (1, 2, 3)
    ),
    OperationRecord(
        name="GroupNorm",
        family=Family.NORM,
        propagate=group_norm,
        on_constants=_OF_CHANNELS,
        shrinking=Shrinking(resized=with_sizes(_group_norm_sizes), roles=_ROLES),
        has_tensors=True,
        keeps_shape=True,
    ),
    # Without shrinking: their tensors have an entry a feature, and features are kept all.
    *(
        OperationRecord(
            name=name,
            family=Family.NORM,
            propagate=layer_norm,
            on_constants=_OF_FEATURES,
            has_tensors=True,
            keeps_shape=True,
        )
        for name in ("LayerNorm", "RMSNorm")
    ),
    OperationRecord(
        name="PReLU",
        family=Family.ACTIVATION,
        propagate=batch_norm,
        on_constants=_OF_CHANNELS,
        shrinking=Shrinking(resized=_prelu_resized, roles=_ROLES),
        has_tensors=True,
        keeps_shape=True,
        is_homogeneous=True,
    ),
    OperationRecord(name="LocalResponseNorm", propagate=all_channels, keeps_shape=True),
    OperationRecord(name=f"{_F}local_response_norm", propagate=all_channels, keeps_shape=True),
    *(as_layer(name, form, is_permitted=name in _PERMITTED_CALLS) for name, form in _norm_forms().items()),
    *ungated(("CrossMapLRN2d", "torch.renorm")),
)
