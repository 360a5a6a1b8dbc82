"""A convolution, and any function of its output behind it."""

from collections.abc import Callable

from torch import Tensor, nn

SHAPE = (4, 6, 6)


class Body(nn.Module):
    """Any function of a convolution's output, as the forward of a module `body`."""

    def __init__(self, function: Callable[..., object], **tensors: Tensor) -> None:
        super().__init__()
        self.function = function
        for name, value in tensors.items():
            setattr(self, name, value)

    def forward(self, x: Tensor) -> object:
        return self.function(self, x)


def net(function: Callable[..., object], **tensors: Tensor) -> nn.Module:
    module = nn.Sequential()
    module.add_module("conv", nn.Conv2d(4, 6, 3, padding=1))
    module.add_module("body", Body(function, **tensors))
    return module.eval()
