"""Small networks under 5,000 parameters that hold every way channels can travel, and what the tests ask of them."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from studentsearch.graph.dependencies import Mask
from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.graph.gates import GateSite, num_gates, scale_weights
from studentsearch.graph.liveness import Liveness, liveness
from studentsearch.graph.macs import count_macs
from studentsearch.graph.network import Network
from studentsearch.graph.trace import trace
from studentsearch.models.cifar import densenet_bc, densenet_digits
from studentsearch.student.build import build_with_weights
from studentsearch.student.counts import thop_macs
from studentsearch.student.slice import Cut, cut

EXACT = 1e-10  # float64, relative to the largest logit; only the order of summation differs


class Plain(nn.Module):
    """Convolutions one after the other, the last BatchNorm behind another one."""

    input_shape = (3, 10, 10)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.BatchNorm2d(6),
            nn.Conv2d(6, 7, 3, stride=2, padding=1),
            nn.BatchNorm2d(7),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(7, 5, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(5, 8, 1),
            nn.Flatten(),
        )
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x))


class Residual(nn.Module):
    """Two sums, the second over a projection."""

    input_shape = (3, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.conv1 = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(8)
        self.conv3 = nn.Conv2d(8, 8, 3, padding=1)
        self.project = nn.Conv2d(6, 8, 1, stride=2, bias=False)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        x = F.relu(x + self.norm1(self.conv1(x)))
        x = self.conv3(F.relu(self.norm2(self.conv2(x)))) + self.project(x)
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x.relu(), 1), 1))


class Dense(nn.Module):
    """Concatenations that later layers read."""

    input_shape = (3, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(6)
        self.conv1 = nn.Conv2d(6, 4, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(10)
        self.conv2 = nn.Conv2d(10, 4, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(14)
        self.head = nn.Linear(14, 4)

    def forward(self, x: Tensor) -> Tensor:
        first = self.stem(x)
        second = self.conv1(F.relu(self.norm1(first)))
        both = torch.cat([first, second], 1)
        third = self.conv2(F.relu(self.norm2(both)))
        x = F.avg_pool2d(F.relu(self.norm3(torch.cat([both, third], 1))), 2)
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class ManyReaders(nn.Module):
    """One tensor read by itself, behind itself in a concatenation, and through a sum."""

    input_shape = (3, 6, 6)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.side = nn.Conv2d(4, 2, 1)
        self.left = nn.Conv2d(6, 5, 3, padding=1)
        self.right = nn.Conv2d(4, 5, 1)
        self.again = nn.Conv2d(4, 5, 3, padding=1, bias=False)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(x)))
        behind = torch.cat([self.side(x), x], 1)
        x = torch.add(self.left(behind) + self.right(x), self.again(x))
        return self.head(torch.flatten(F.adaptive_avg_pool2d(F.relu(x), 1), 1))


class Depthwise(nn.Module):
    """A depthwise convolution that carries channels and a grouped one that keeps all channels."""

    input_shape = (3, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU6(),
            nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6),
            nn.BatchNorm2d(6),
            nn.Hardswish(),
            nn.Conv2d(6, 8, 1),
            nn.SiLU(),
            nn.Conv2d(8, 4, 3, padding=1, groups=2),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 6, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x))


class Flattened(nn.Module):
    """Maps of several positions spread out for a linear layer, a BatchNorm over features behind it."""

    input_shape = (1, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 5, 3, padding=1)
        self.conv2 = nn.Conv2d(5, 6, 3, stride=2)
        self.hidden = nn.Linear(54, 9)
        self.norm = nn.BatchNorm1d(9)
        self.head = nn.Linear(9, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = F.relu(self.norm(self.hidden(x.flatten(1))))
        return self.head(F.dropout(x, 0.2, training=self.training))


SMALL_NETS: tuple[type[nn.Module], ...] = (Plain, Residual, Dense, ManyReaders, Depthwise, Flattened)
DENSENETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "depth 10, growth 4": (lambda: densenet_bc(depth=10, growth=4, num_classes=5), (3, 8, 8)),
    "depth 16, growth 6": (lambda: densenet_bc(depth=16, growth=6, num_classes=7), (3, 12, 12)),
    "digits": (densenet_digits, (1, 8, 8)),
}


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """`module` in float64 evaluation mode, its BatchNorm statistics and affine parameters as if it had been trained."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5, generator=generator)
        elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            nn.init.normal_(layer.running_mean, std=0.5, generator=generator)
            nn.init.uniform_(layer.running_var, 0.5, 2.0, generator=generator)
            nn.init.uniform_(layer.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(layer.bias, std=0.5, generator=generator)
    return module.double().eval()


def image_batch(shape: tuple[int, ...], *, number: int = 3, seed: int = 1) -> Tensor:
    return torch.randn(number, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Case:
    """A module with its trace and gates, and the two ways to compute what closed gates leave."""

    def __init__(self, module: nn.Module, shape: tuple[int, ...]) -> None:
        self.module = randomised(module)
        self.shape = shape
        self.network: Network = trace(self.module, shape)
        self.gated = GatedNetwork.of(self.network)
        self.sites: tuple[GateSite, ...] = self.gated.sites
        self.images = image_batch(shape)

    @property
    def num_gates(self) -> int:
        return num_gates(self.sites)

    @property
    def all_open(self) -> Mask:
        return np.ones(self.num_gates, dtype=np.bool_)

    def alive(self, is_open: Mask) -> Liveness:
        return liveness(self.network, self.sites, is_open)

    def macs(self, is_open: Mask) -> int:
        return int(count_macs(self.network, self.alive(is_open)))

    def site(self, path: str) -> GateSite:
        (found,) = [site for site in self.sites if site.path == path]
        return found

    def closed(self, *paths: str) -> Mask:
        """All gates open but those of some readers."""
        is_open = self.all_open
        for path in paths:
            is_open[self.site(path).span] = False
        return is_open

    def folded(self, gates: Tensor) -> dict[str, Tensor]:
        state = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        return state | scale_weights(state, self.sites, gates)

    def logits(self, state: dict[str, Tensor]) -> Tensor:
        with torch.no_grad():
            return functional_call(self.module, state, (self.images,))

    def cut(self, gates: Tensor) -> Cut:
        return cut(self.network, self.alive(gates.numpy() != 0), self.folded(gates))

    def assert_exported_is_gated(self, gates: Tensor) -> None:
        """Gated and exported network agree in float64, and thop counts what we count."""
        student = self.cut(gates)
        exported = build_with_weights(student.spec, student.tensors)
        expected = self.logits(self.folded(gates))
        with torch.no_grad():
            found = exported(self.images)
        assert (found - expected).abs().max() <= EXACT * expected.abs().max()
        assert thop_macs(exported, self.shape) == self.macs(gates.numpy() != 0)


def random_gates(number: int, *, share_open: float, seed: int) -> Tensor:
    """`[number]` gates in 0.2..1.2, each closed with probability 1 - share_open."""
    generator = torch.Generator().manual_seed(seed)
    gates = 0.2 + torch.rand(number, generator=generator, dtype=torch.float64)
    return gates * (torch.rand(number, generator=generator) < share_open)


def small_case(net: type[nn.Module]) -> Case:
    return Case(net(), net.input_shape)  # type: ignore[arg-type]
