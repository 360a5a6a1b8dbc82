"""Networks that a user's own Python function gives."""

from torch import nn

from studentsearch.errors import UsageError
from studentsearch.models.library import Sizes
from studentsearch.own_function import call_own_function


def build_from_python(name: str, sizes: Sizes) -> nn.Module:
    """The network that a function gives.

    Args:
        name: `python:module:function`.
        sizes: `num_classes` and `in_channels` are passed to a function that takes them by these names.

    Returns:
        The network.

    Raises:
        UsageError: The function gives no network.
    """
    offered = {"num_classes": sizes.num_classes, "in_channels": sizes.in_channels}
    network = call_own_function(name, "model", offered)
    if not isinstance(network, nn.Module):
        raise UsageError(f'model "{name}" gave a {type(network).__name__}; expected a torch.nn.Module')
    return network
