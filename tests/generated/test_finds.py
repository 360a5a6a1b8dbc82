"""What the generator found: the smallest network of each cause, by name."""

from __future__ import annotations

import pytest

from .examine import examine
from .program import Program

CUT = {
    "a_linear_layer_that_reads_channels_in_one_call_alone": Program(
        shapes=((2, 4, 4),),
        layers=("self.stem = nn.Conv2d(2, 4, 1)", "self.twice = nn.Linear(4, 4)"),
        lines=("x1 = self.stem(x0)", "x2 = self.twice(x1)", "x3 = self.twice(x2)"),
        answer="x3",
    ),
    "a_network_with_buffers_alone_in_double_precision": Program(
        shapes=((3, 3, 3),),
        layers=(
            "self.unused = nn.Conv2d(3, 3, 1)",
            'self.register_buffer("table", torch.ones((2, 3)))',
        ),
        lines=("x1 = self.unused(x0)", 'x2 = torch.einsum("oc,bchw->bohw", self.table, x0)'),
        answer="x2",
    ),
    "a_network_that_writes_into_its_image": Program(
        shapes=((3, 4, 4),),
        layers=("self.stem = nn.Conv2d(3, 4, 1)", "self.end = nn.Conv2d(4, 2, 1)"),
        lines=("x1 = self.stem(x0)", "x2 = x0.sub_(x1.mean(1, keepdim=True))", "x3 = self.end(x1)"),
        answer="(x3, x2)",
    ),
    "a_network_that_writes_into_a_part_of_its_image": Program(
        shapes=((3, 3, 4),),
        layers=("self.one = nn.Conv2d(3, 3, 3)", "self.two = nn.ConvTranspose2d(3, 2, 2)"),
        lines=(
            "x1 = self.one(x0)",
            "x2, x3 = x0.tensor_split(2, dim=-1)",
            "x5 = self.two(x3)",
            "x4 = x2.subtract_(x1.mean(1, keepdim=True))",
        ),
        answer="(x5, [x4])",
    ),
    "a_constant_beside_a_mask_of_its_size": Program(
        shapes=((1, 5),),
        layers=(
            "self.stem = nn.Conv1d(1, 1, 2)",
            "self.one = nn.Conv1d(1, 2, 3, padding=1)",
            "self.end = nn.Conv1d(2, 2, 3)",
        ),
        lines=(
            "x1, x2 = self.stem(x0).chunk(2, dim=2)",
            "x3 = self.one(x1)",
            "x4 = torch.where(torch.logical_and(x3 > 0, x3.mean(1, keepdim=True) > 0), x3, 0.5)",
        ),
        answer="(x4, self.end(x0.expand(-1, 2, -1)))",
    ),
    "a_flattened_constant_that_a_sum_and_a_layer_read": Program(
        shapes=((2, 2, 2),),
        layers=(
            "self.stem = nn.Conv2d(2, 1, 3, padding=1)",
            "self.one = nn.Conv2d(1, 6, 3, stride=2, padding=1)",
            "self.table = nn.Parameter(torch.ones((1, 6)))",
            "self.end = nn.Linear(6, 2)",
        ),
        lines=("x1 = self.one(self.stem(x0)).flatten(1)", "x2 = x1 + self.table"),
        answer="(self.end(x1), x2)",
    ),
    "constants_that_are_joined_along_positions": Program(
        shapes=((2, 2, 2),),
        layers=(
            "self.stem = nn.Linear(2, 1)",
            "self.one = nn.Linear(1, 4)",
            "self.two = nn.Linear(4, 4)",
            "self.end = nn.Linear(4, 2)",
        ),
        lines=("x1 = self.one(self.stem(x0))", "x2 = self.end(torch.cat([self.two(x1), x1], 1))"),
        answer="x2",
    ),
    "a_norm_without_tensors_of_two_numbers_of_channels": Program(
        shapes=((3, 4, 4),),
        layers=(
            "self.one = nn.Conv2d(3, 4, 1)",
            "self.two = nn.Conv2d(4, 6, 1)",
            "self.norm = nn.LayerNorm((4,), elementwise_affine=False)",
            "self.groups = nn.GroupNorm(2, 4, affine=False)",
            "self.end = nn.Conv2d(6, 2, 1)",
        ),
        lines=(
            "x1 = self.groups(self.norm(self.one(x0)))",
            "x2 = self.groups(self.norm(self.two(x1)))",
            "x3 = self.end(x2)",
        ),
        answer="x3",
    ),
    "a_product_of_two_tensors_in_which_nothing_is_summed_over": Program(
        shapes=((2, 4, 5),),
        layers=(
            "self.stem = nn.Conv2d(2, 4, 1)",
            "self.narrow = nn.Conv2d(4, 1, 1)",
            "self.one = nn.Parameter(torch.ones(3, 1))",
            "self.two = nn.Parameter(torch.ones(4, 3))",
            "self.end = nn.Conv2d(4, 2, 1)",
        ),
        lines=(
            "x1 = self.narrow(self.stem(x0))",
            'x2 = torch.einsum("oc,b...c->b...o", self.two, torch.einsum("oc,bchw->bhwo", self.one, x1))',
            "x3 = self.end(x2.permute(0, 3, 1, 2))",
        ),
        answer='(x3, torch.einsum("bchw,od->bo", x1, self.two))',
    ),
    "a_constant_summed_over_an_axis_that_is_one_long_at_this_size_alone": Program(
        shapes=((3, 3, 3, 4), (3, 3, 3, 4)),
        layers=(
            "self.layer0 = nn.Conv3d(3, 3, 3, stride=1, padding=0, dilation=1, groups=1, bias=True)",
            "self.layer1 = nn.Conv3d(3, 4, 3, stride=1, padding=1, dilation=1, groups=1, bias=False)",
            "self.layer2 = nn.Conv3d(4, 4, 2, stride=2, padding=0, dilation=1, groups=1, bias=False)",
            "self.layer3 = nn.Conv3d(4, 3, 3, stride=1, padding=1, dilation=1, groups=1, bias=True)",
        ),
        lines=(
            "x2 = self.layer0(x0)",
            "x3 = self.layer1(x1)",
            "x4 = self.layer2(x3)",
            "x5 = self.layer1(x2)",
            "x6 = x5.prod(-2, keepdim=True)",
            "x7 = self.layer3(x6)",
        ),
        answer='{"logits": x7, "other": x4}',
    ),
    "a_network_in_double_precision_of_which_no_parameter_is_left": Program(
        shapes=((4, 4),),
        layers=("self.unused = nn.Linear(4, 4)",),
        lines=("x1 = self.unused(x0)", "x2 = x0.moveaxis(1, 2)"),
        answer="x2",
    ),
}
REFUSED = {
    "an_instance_norm_without_positions": (
        Program(
            shapes=((4,),),
            layers=("self.one = nn.Linear(4, 4)",),
            lines=("x1 = self.one(x0)", "x2 = torch.instance_norm(x1, None, None, None, None, True, 0.1, 1e-5, False)"),
            answer="x2",
        ),
        "over its positions, of which there are none or only one",
    ),
    "an_instance_norm_over_one_position": (
        Program(
            shapes=((2, 3, 4),),
            layers=(
                "self.one = nn.Conv2d(2, 2, 3)",
                "self.two = nn.Conv2d(2, 2, 1, stride=2)",
                "self.shift = nn.Parameter(torch.ones(2))",
            ),
            lines=(
                "x1 = self.two(self.one(x0))",
                "x2 = torch.instance_norm(x1, None, self.shift, None, None, True, 0.1, 1e-5, False)",
            ),
            answer="x2",
        ),
        "over its positions, of which there are none or only one",
    ),
    "a_group_norm_of_one_value": (
        Program(
            shapes=((9,),),
            layers=(
                "self.one = nn.Linear(9, 3)",
                "self.two = nn.Linear(3, 1)",
                "self.scale = nn.Parameter(torch.ones(1))",
                "self.shift = nn.Parameter(torch.ones(1))",
            ),
            lines=("x1 = self.two(self.one(x0))", "x2 = torch.group_norm(x1, 1, self.scale, self.shift)"),
            answer="x2",
        ),
        "groups of one value each",
    ),
    "a_product_of_three_tensors_whose_order_is_open": (
        Program(
            shapes=((2, 4, 5),),
            layers=(
                "self.stem = nn.Conv2d(2, 4, 1)",
                "self.one = nn.Parameter(torch.ones(3, 4))",
                "self.two = nn.Parameter(torch.ones(5, 3))",
            ),
            lines=('x1 = torch.einsum("bchw,oc,po->bphw", self.stem(x0), self.one, self.two)',),
            answer="x1",
        ),
        "torch.einsum of 3 tensors",
    ),
}


@pytest.mark.parametrize("name", CUT)
def test_a_find_is_cut_exactly(name: str) -> None:
    outcome = examine(CUT[name])
    assert outcome.kind == "ok", f"{outcome.kind}: {outcome.reason}\n{outcome.detail}"


@pytest.mark.parametrize("name", REFUSED)
def test_a_find_is_refused_in_words(name: str) -> None:
    program, words = REFUSED[name]
    outcome = examine(program)
    assert outcome.kind == "refused", f"{outcome.kind}: {outcome.reason}\n{outcome.detail}"
    assert words in outcome.detail


_OTHER_SIZE = {
    "a_squeezed_axis_that_is_one_long_at_the_traced_size_alone": Program(
        shapes=((1, 2, 2, 2),),
        layers=(
            "self.one = nn.Conv3d(1, 1, 2)",
            "self.two = nn.Conv3d(1, 1, 3, padding=1)",
            "self.three = nn.Conv3d(1, 1, 3, padding=1)",
            "self.end = nn.Linear(1, 3)",
        ),
        lines=("x1 = self.three(self.two(self.one(x0)))", "x2 = x1.squeeze(-3)", "x3 = x2.mean((2, 3))"),
        answer="self.end(x3)",
    ),
    "a_view_by_a_size_that_is_a_number": Program(
        shapes=((1, 3, 3),),
        layers=(
            "self.one = nn.Conv2d(1, 1, 3, stride=2)",
            "self.two = nn.ConvTranspose2d(1, 1, 3)",
            "self.end = nn.Conv2d(1, 1, 1)",
        ),
        lines=("x1 = self.two(self.one(x0))", "x2 = x1.view(x1.shape[0], -1, 3)"),
        answer='{"logits": self.end(x0), "other": x2}',
    ),
    "axes_of_one_position_that_are_exchanged": Program(
        shapes=((3, 3, 3),),
        layers=("self.one = nn.Conv2d(3, 2, 3, stride=3, padding=1)", "self.end = nn.Linear(1, 4)"),
        lines=("x1 = self.one(x0).std(-3, keepdim=False)", "x2 = self.end(torch.permute(x1, (0, 2, 1)))"),
        answer="x2",
    ),
    "a_product_of_one_position_with_its_transpose": Program(
        shapes=((3, 3, 3),),
        layers=("self.one = nn.Conv2d(3, 4, 3)", "self.end = nn.Conv2d(4, 2, 1)"),
        lines=("x1 = self.one(x0)", "x2 = x1 @ x1.transpose(-2, -1)"),
        answer="self.end(x2)",
    ),
    "a_mean_of_one_chunk_of_positions_with_the_other": Program(
        shapes=((3, 3, 3),),
        layers=(
            "self.one = nn.Conv2d(3, 5, 3, stride=2, padding=1)",
            "self.norm = nn.BatchNorm2d(5, track_running_stats=False)",
            "self.end = nn.Conv2d(5, 2, 1)",
        ),
        lines=(
            "x1, x2 = self.one(x0).chunk(2, dim=3)",
            "x3 = self.norm(x2.mean((1, 2), keepdim=True) - x1)",
            "x4 = self.end(x3)",
        ),
        answer="x4.mean((2, 3))",
    ),
    "a_split_of_one_row_into_rows_of_one": Program(
        shapes=((1, 2, 2),),
        layers=("self.one = nn.Linear(2, 2)", "self.end = nn.Linear(2, 3)"),
        lines=("x1 = self.one(x0).unflatten(1, (1, 1))", "x2 = self.end(F.relu(x1))"),
        answer="x2",
    ),
    "an_expansion_that_repeats_smaller_images_alone": Program(
        shapes=((2, 3, 4),),
        layers=("self.one = nn.Linear(4, 3)", "self.end = nn.Linear(3, 2)"),
        lines=("x1 = self.one(x0).expand(-1, 2, 3, 3)", "x2 = self.end(x1)"),
        answer="x2",
    ),
    "chunks_of_rows_of_images_of_one_width": Program(
        shapes=((3, 4, 4),),
        layers=("self.one = nn.Conv2d(3, 4, 3, padding=1)", "self.end = nn.Linear(4, 3)"),
        lines=("x1, x2 = self.one(x0).chunk(2, dim=-2)", "x3 = self.end(x1)"),
        answer="x3",
    ),
    "a_split_of_rows_into_rows_of_one": Program(
        shapes=((2, 2, 2),),
        layers=("self.one = nn.Conv2d(2, 2, 1)", "self.end = nn.Conv3d(2, 3, 1)"),
        lines=("x1 = self.one(x0).unflatten(2, (2, 1))", "x2 = self.end(x1.clip(-0.5, 0.7))"),
        answer="x2",
    ),
    "a_reshape_by_sizes_that_images_turned_round_have_as_well": Program(
        shapes=((3, 2, 3),),
        layers=("self.one = nn.Conv2d(3, 3, 1)", "self.end = nn.Conv2d(3, 2, 1, stride=2)"),
        lines=(
            "x1 = self.one(x0).reshape(x0.shape[0], 3, 1, 2, 3)",
            "x2 = x1.transpose(1, 2).reshape(x0.shape[0], -1, 2, 3)",
        ),
        answer="self.end(x2)",
    ),
    "a_view_by_sizes_that_images_turned_round_have_as_well": Program(
        shapes=((1, 2, 3),),
        layers=("self.one = nn.Conv2d(1, 6, 1, stride=2)", "self.end = nn.Conv3d(6, 3, 1)"),
        lines=("x1 = self.one(x0).view(x0.shape[0], 6, 1, 1, 2)", "x2 = self.end(x1)"),
        answer="x2",
    ),
    "a_constant_compared_with_a_table_that_repeats_one_position": Program(
        shapes=((3, 3, 3),),
        layers=(
            "self.one = nn.Conv2d(3, 1, 1, stride=2, bias=False)",
            "self.table = nn.Parameter(torch.ones((1, 2, 2)))",
            "self.end = nn.Conv2d(1, 2, 1, bias=False)",
        ),
        lines=("x1 = self.one(x0)", "x2 = torch.where(torch.ge(x1, self.table), x1, 0.5)"),
        answer="self.end(x2)",
    ),
    "a_sum_with_a_constant_that_is_longer_in_smaller_images": Program(
        shapes=((3, 4, 4),),
        layers=(
            "self.stem = nn.Conv2d(3, 3, 1)",
            "self.one = nn.Conv2d(3, 4, 1, stride=2, bias=False)",
            "self.two = nn.Conv2d(3, 4, 2, stride=2)",
            "self.end = nn.Conv2d(4, 2, 1)",
        ),
        lines=("x1 = self.one(self.stem(x0)) + self.two(x0)",),
        answer="self.end(x1)",
    ),
}


@pytest.mark.parametrize("name", _OTHER_SIZE)
@pytest.mark.parametrize("seed", range(4))
def test_a_find_is_the_network_at_other_sizes_as_well(name: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generated.examine.zlib.crc32", lambda _: seed)
    outcome = examine(_OTHER_SIZE[name])
    assert outcome.kind == "ok", f"{outcome.kind}: {outcome.reason}\n{outcome.detail}"


_SIZED = (
    "self.stem = nn.Conv2d(3, 3, 3)",
    "self.one = nn.Conv2d(3, 4, 1)",
    "self.two = nn.Conv2d(4, 3, 3, padding=1)",
    "self.three = nn.Conv2d(3, 4, 3, bias=False)",
)
_BY_CHANCE = {
    "a_resize_to_the_size_that_its_input_has": ((3, 3, 4), "F.interpolate(x1, size=(1, 2))"),
    "a_resize_by_a_factor_too_small_for_this_size": ((3, 3, 4), "F.interpolate(x1, scale_factor=(1.7, 1.0))"),
    "an_older_resize_to_the_size_that_its_input_has": ((3, 3, 4), "F.upsample(x1, (1, 2))"),
    "a_layer_that_resizes_to_the_size_that_its_input_has": ((3, 3, 4), "nn.UpsamplingNearest2d(size=(1, 2))(x1)"),
    "a_mean_over_one_position_added_to_one_position": ((3, 3, 3), "x3.mean((2, 3), keepdim=True) + x1"),
    "a_mean_over_one_row_times_one_row": ((3, 3, 4), "x1.mean(2, keepdim=True) * x3"),
}


@pytest.mark.filterwarnings("ignore:.*upsample.* is deprecated")
@pytest.mark.parametrize("name", _BY_CHANCE)
def test_a_constant_whose_size_is_that_of_another_tensor_by_chance(name: str) -> None:
    shape, line = _BY_CHANCE[name]
    outcome = examine(
        Program(
            shapes=(shape,),
            layers=_SIZED,
            lines=("x1 = self.one(self.stem(x0))", "x3 = self.three(x0)", f"x2 = {line}"),
            answer="self.two(x2)",
        )
    )
    assert outcome.kind == "ok", f"{outcome.kind}: {outcome.reason}\n{outcome.detail}"
