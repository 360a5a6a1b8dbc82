import operator
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from recorded_nets import SHAPE, Body, net
from torch import Tensor, fx, nn
from torch.nn.utils import parametrizations, parametrize

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.layers import Select
from studentsearch.graph.recording.record import RECORDED_BATCH, Recording, record


def replay(recording: Recording, *inputs: Tensor) -> object:
    """What the recorded calls compute, with `RECORDED_BATCH` replaced by the images at hand."""
    num_images = inputs[0].shape[0]
    results: dict[fx.Node, object] = {}
    images = iter(inputs)

    def real(argument: object) -> object:
        if isinstance(argument, fx.Node):
            return results[argument]
        is_batch = type(argument) is int and argument != 0 and argument % RECORDED_BATCH == 0
        return argument // RECORDED_BATCH * num_images if is_batch else argument

    for node in recording.graph.nodes:
        args = fx.node.map_aggregate(node.args, real)
        kwargs = fx.node.map_aggregate(node.kwargs, real)
        match node.op:
            case "placeholder":
                results[node] = next(images)
            case "get_attr":
                results[node] = recording.tensors[node.target]
            case "call_module":
                results[node] = recording.modules[node.target](*args, **kwargs)
            case "call_function":
                results[node] = node.target(*args, **kwargs)
            case "call_method":
                results[node] = getattr(args[0], node.target)(*args[1:], **kwargs)
            case "output":
                return args[0]
    raise AssertionError("no output")


def called(recording: Recording) -> list[object]:
    """The targets behind the convolution."""
    return [node.target for node in recording.graph.nodes][2:-1]


def shuffled(_: Body, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    y = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).contiguous()
    return y.view(batch, -1, height, width)


def halves(_: Body, x: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=1)
    return torch.cat([second, first * 2, torch.zeros(x.size(0), 1, *x.shape[2:], dtype=x.dtype)], 1)


def attention(_: Body, x: Tensor) -> Tensor:
    qkv = x.flatten(2).reshape(x.shape[0], 3, 2, -1).permute(1, 0, 2, 3)
    q, k, v = qkv
    return F.scaled_dot_product_attention(q, k, v)


def by_shape(_: Body, x: Tensor) -> Tensor:
    if isinstance(x, Tensor) and x.dim() == 4 and x.shape[-1] % 4 != 0 and len(x) > 1 and x.is_floating_point():
        x = F.pad(x, (0, 4 - x.shape[-1] % 4))
    return x.max(dim=1).values


def in_place(_: Body, x: Tensor) -> Tensor:
    y = F.relu(x, inplace=True)
    z = x + y
    z += 1
    z.mul_(2).clamp_(max=3)
    return torch.relu_(1 - z) / 2


def by_device(body: Body, x: Tensor) -> Tensor:
    place = torch.zeros((x.shape[0], 1, 1, 1)).to(device=body.weight.device, dtype=body.weight.dtype)
    return x.to(torch.device("cpu")) * body.weight + place


def in_halves(_: Body, x: Tensor) -> Tensor:
    x = x.detach().clone()
    x.unsqueeze_(1)
    return x.squeeze(1)


@pytest.mark.parametrize("function", [shuffled, halves, attention, by_shape, in_place, in_halves, by_device])
def test_the_recorded_calls_compute_the_same(function: Callable[..., object]) -> None:
    torch.manual_seed(0)
    module = net(function, weight=nn.Parameter(torch.randn(6, 1, 1)))
    x = torch.randn(3, *SHAPE)
    assert torch.equal(replay(record(module, SHAPE), x), module(x))


def test_every_node_knows_shape_path_and_line() -> None:
    recording = record(net(shuffled), SHAPE)
    by_name = {node.name: node for node in recording.graph.nodes}
    assert [tuple(node.meta["value"].shape) for node in recording.graph.nodes] == [
        (RECORDED_BATCH, 4, 6, 6),
        (RECORDED_BATCH, 6, 6, 6),
        (RECORDED_BATCH, 2, 3, 6, 6),
        (RECORDED_BATCH, 3, 2, 6, 6),
        (RECORDED_BATCH, 3, 2, 6, 6),
        (RECORDED_BATCH, 6, 6, 6),
        (RECORDED_BATCH, 6, 6, 6),
    ]
    assert by_name["conv"].meta["path"] == ""
    assert by_name["conv"].meta["line"] == ""
    assert by_name["view"].meta["path"] == "body"
    assert by_name["view"].meta["line"] == f"test_record.py:{shuffled.__code__.co_firstlineno + 2}"


def test_several_results_are_one_node_and_its_items() -> None:
    recording = record(net(lambda _, x: x.split([2, 4], dim=1)), SHAPE)
    split, first, second, output = list(recording.graph.nodes)[2:]
    assert [value.shape[1] for value in split.meta["value"]] == [2, 4]
    assert [(node.target, node.args) for node in (first, second)] == [(operator.getitem, (split, i)) for i in (0, 1)]
    assert output.args[0] == (first, second)


def test_calls_in_place_become_calls_that_make_tensors() -> None:
    recording = record(net(in_place), SHAPE)
    assert called(recording) == [
        *(F.relu, operator.add, operator.add, operator.mul, "clamp", operator.sub, torch.relu, operator.truediv)
    ]
    relu, total = list(recording.graph.nodes)[2:4]
    assert relu.kwargs["inplace"] is False
    assert total.args == (relu, relu)


def test_an_in_place_layer_changes_what_is_read_afterwards() -> None:
    module = nn.Sequential(nn.Conv2d(4, 6, 3), Body(lambda _, x: (nn.Identity()(x), x)), nn.Identity())
    module[1].act = nn.ReLU(inplace=True)
    module[1].function = lambda body, x: body.act(x) + x
    *_, act, total, _, _ = record(module, SHAPE).graph.nodes
    assert act.target == "1.act"
    assert total.args == (act, act)


def test_calls_without_effect_leave_no_node() -> None:
    assert called(record(net(lambda _, x: x.float().contiguous().to(x.device).detach()), SHAPE)) == []


def test_what_nothing_reads_is_dropped() -> None:
    def forward(_: Body, x: Tensor) -> Tensor:
        x.sin().cos()
        return x

    assert called(record(net(forward), SHAPE)) == []


def test_parameters_and_buffers_are_read_by_their_first_name() -> None:
    scale = nn.Parameter(torch.ones(6, 1, 1))
    module = net(lambda body, x: x * body.scale + body.other, scale=scale, other=scale)
    recording = record(module, SHAPE)
    assert called(recording) == ["body.scale", operator.mul, operator.add]
    assert recording.tensors["body.scale"] is scale
    assert recording.modules["conv"] is module.conv


def standardised(body: Body, x: Tensor) -> Tensor:
    weight = body.weight - body.weight.mean((1, 2, 3), keepdim=True)
    return F.conv2d(x, weight / weight.std()) + torch.arange(6, device=x.device).view(1, -1, 1, 1)


def filled(body: Body, x: Tensor) -> Tensor:
    mask = x.new_zeros(6, 6)
    mask[:3] = body.weight.sum()
    if body.weight.numel() > 3 and body.weight[0].abs().sum() > 0:
        mask[3:] += 2
    return x * mask


@pytest.mark.parametrize(
    ("function", "names"),
    [(standardised, ["body.div", "body.view"]), (filled, ["body.new_zeros"])],
    ids=["standardised", "filled"],
)
def test_what_depends_on_no_image_is_computed_from_the_real_tensors(
    function: Callable[..., object], names: list[str]
) -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(6, 6, 1, 1))
    module, before, x = net(function, weight=weight), weight.detach().clone(), torch.randn(2, *SHAPE)
    recording = record(module, SHAPE)
    assert list(recording.tensors) == names
    assert torch.equal(replay(recording, x), module(x))
    assert torch.equal(weight, before)


def test_leaves_on_constants_are_computed_in_evaluation_mode() -> None:
    module = net(lambda body, x: x * body.norm(body.table).view(1, 6, 1, 1), table=torch.randn(2, 3))
    module.body.norm = nn.BatchNorm1d(3)
    recording = record(module.train(), SHAPE)
    assert module.body.norm.num_batches_tracked == 0
    assert module.training
    module.eval()
    x = torch.randn(2, *SHAPE)
    assert torch.equal(replay(recording, x), module(x))


def test_leaves_are_torchs_layers_ours_and_those_that_drop_paths() -> None:
    class Norm(nn.LayerNorm):
        pass

    class DropPath(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.rand(x.shape[0], 1, 1, 1)

    module = nn.Sequential(
        Select((0, 2)), nn.Sequential(DropPath(), Norm(6)), parametrizations.weight_norm(nn.Conv2d(2, 3, 1))
    )
    recording = record(module, SHAPE)
    assert set(recording.modules) == {"0", "1.0", "2"}
    assert parametrize.is_parametrized(recording.modules["2"])
    assert [node.target for node in recording.graph.nodes if node.op == "call_function"] == [F.layer_norm]
    assert set(recording.tensors) == {"1.1.weight", "1.1.bias"}


def test_a_layer_called_twice_is_one_module_and_two_nodes() -> None:
    layer = nn.Conv2d(4, 4, 3)
    recording = record(nn.Sequential(layer, nn.ReLU(), layer), SHAPE)
    assert [node.target for node in recording.graph.nodes][1:-1] == ["0", "1", "0"]
    assert recording.modules["0"] is layer


def test_several_images_and_several_results() -> None:
    class Two(nn.Module):
        def forward(self, image: Tensor, *rest: Tensor) -> dict[str, object]:
            return {"sum": image + rest[0], "parts": [image, (rest[0].relu(),)]}

    recording = record(Two(), (3, 4), (1, 4))
    assert [node.name for node in recording.graph.nodes if node.op == "placeholder"] == ["image", "rest_0"]
    inputs = (torch.randn(2, 3, 4), torch.randn(2, 1, 4))
    assert torch.equal(replay(recording, *inputs)["sum"], inputs[0] + inputs[1])
    with pytest.raises(
        UnsupportedGraphError, match=r"^Two: forward cannot be called with 0 images \(missing .*'image'\)"
    ):
        record(Two())


def test_a_thousand_layers() -> None:
    recording = record(nn.Sequential(*(nn.Conv2d(4, 4, 1) for _ in range(1000))), SHAPE)
    assert len(recording.modules) == 1000


def test_the_module_is_not_changed() -> None:
    module = net(in_place).double()
    module.body.fixed = torch.ones(3)
    state = {name: value.clone() for name, value in module.state_dict().items()}
    recording = record(module, SHAPE)
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert "forward" not in vars(module.conv)
    assert recording.graph.nodes
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    assert torch.equal(replay(recording, x), module(x))
