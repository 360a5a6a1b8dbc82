"""The nets of each suite, and the pictures that they are tried with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torchvision
from torch import nn

_SMALL = (64, 96)
_PATCHED = (64,)
_FLOAT64 = frozenset({"resnet50", "densenet121", "mobilenet_v2", "efficientnet_b0", "shufflenet_v2_x1_0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A net of a suite.

    Attributes:
        suite: The library: `torchvision` or `timm`.
        name: Its name there.
        sizes: Heights (and widths) of the pictures, the first for everything, the second for one more comparison.
        options: What its constructor is given beside the name.
        is_exact: Whether it is compared in float64 as well.
    """

    suite: str
    name: str
    sizes: tuple[int, ...] = _SMALL
    options: Mapping[str, int | bool] = field(default_factory=dict)
    is_exact: bool = False

    def make(self) -> nn.Module:
        """The net with random weights."""
        if self.suite == "torchvision":
            made = torchvision.models.get_model(self.name, weights=None, **self.options)
        else:
            import timm

            made = timm.create_model(self.name, pretrained=False, **self.options)
        assert isinstance(made, nn.Module)
        return made


def entries(suite: str) -> tuple[Entry, ...]:
    """All nets of a suite, in the order of its table."""
    return _torchvision() if suite == "torchvision" else _timm()


def _torchvision() -> tuple[Entry, ...]:
    """Every classification constructor."""
    return tuple(
        Entry(
            suite="torchvision",
            name=name,
            sizes=_torchvision_sizes(name),
            options=_torchvision_options(name),
            is_exact=name in _FLOAT64,
        )
        for name in torchvision.models.list_models(module=torchvision.models)
    )


def _torchvision_sizes(name: str) -> tuple[int, ...]:
    if name == "inception_v3":
        return (107, 139)  # 75 is its smallest
    if name == "maxvit_t":
        return (224,)  # its windows of 7 divide no smaller one
    return _PATCHED if name.startswith("vit_") and name != "vit_h_14" else (56,) if name == "vit_h_14" else _SMALL


def _torchvision_options(name: str) -> dict[str, int | bool]:
    if name in {"googlenet", "inception_v3"}:
        return {"init_weights": False}
    return {"image_size": _torchvision_sizes(name)[0]} if name.startswith("vit_") else {}


_TIMM = (
    *("resnet18", "resnet26d", "seresnet33ts", "resnetrs50", "resnetblur50", "legacy_seresnet18", "ecaresnet26t"),
    *("skresnet18", "resnest14d", "res2net50_26w_4s", "res2next50", "resnext26ts", "gcresnet33ts", "resnetv2_50"),
    *("resnetv2_50x1_bit", "nf_resnet26", "nf_regnet_b0", "dm_nfnet_f0", "eca_nfnet_l0", "tresnet_m", "gernet_s"),
    *("repvgg_a0", "mobileone_s0", "repghostnet_050", "repvit_m0_9", "fastvit_t8", "regnetx_002", "regnety_002"),
    *("regnetz_005", "densenet121", "densenetblur121d", "rdnet_tiny", "dpn48b", "dpn68", "dla34", "dla60_res2net"),
    *("hrnet_w18_small", "selecsls42b", "vovnet39a", "ese_vovnet19b_dw", "hgnet_tiny", "hgnetv2_b0"),
    *("cspresnet50", "cspresnext50", "cspdarknet53", "cs3darknet_s", "darknet53", "darknetaa53", "vgg11_bn"),
    *("legacy_xception", "xception41", "inception_v3", "inception_v4", "inception_resnet_v2", "nasnetalarge"),
    *("pnasnet5large", "mnasnet_small", "semnasnet_075", "spnasnet_100", "fbnetc_100", "fbnetv3_b"),
    *("hardcorenas_a", "mixnet_s", "tinynet_e", "lcnet_050", "mobilenetv1_100", "mobilenetv2_050"),
    *("mobilenetv3_small_050", "mobilenetv4_conv_small", "mobilenet_edgetpu_v2_xs", "efficientnet_b0"),
    *("efficientnet_lite0", "efficientnet_es", "tf_efficientnet_lite0", "tf_efficientnetv2_b0", "efficientnetv2_rw_t"),
    *("rexnet_100", "rexnetr_200", "ghostnet_100", "ghostnetv2_100", "ghostnetv3_100", "fasternet_t0", "starnet_s1"),
    *("convnext_atto", "convnextv2_atto", "inception_next_atto", "edgenext_xx_small", "focalnet_tiny_srf"),
    *("mambaout_femto", "poolformer_s12", "convmixer_768_32", "convformer_s18", "bat_resnext26ts", "botnet26t_256"),
    *(
        "lambda_resnet26t",
        "halonet26t",
        "efficientvit_b0",
        "efficientformer_l1",
        "mobilevit_xxs",
        "coatnet_nano_rw_224",
    ),
    *("vit_tiny_patch16_224", "deit_tiny_patch16_224", "mixer_s32_224", "swin_tiny_patch4_window7_224"),
    *("maxvit_nano_rw_256", "xcit_nano_12_p16_224", "davit_tiny", "levit_128s"),
)
_TIMM_SIZES = {
    **dict.fromkeys(("inception_v3", "inception_v4", "inception_resnet_v2"), (107, 139)),
    **dict.fromkeys(("legacy_xception", "xception41", "nasnetalarge", "pnasnet5large"), (96, 128)),
    **dict.fromkeys(("botnet26t_256", "halonet26t", "maxvit_nano_rw_256"), (256,)),
    **dict.fromkeys(("lambda_resnet26t",), (64,)),
    **dict.fromkeys(("efficientformer_l1", "coatnet_nano_rw_224", "xcit_nano_12_p16_224", "levit_128s"), (224,)),
    **dict.fromkeys(("swin_tiny_patch4_window7_224", "davit_tiny"), (224,)),
    **dict.fromkeys(("vit_tiny_patch16_224", "deit_tiny_patch16_224", "mixer_s32_224"), _PATCHED),
}
_TIMM_PATCHED = frozenset({"vit_tiny_patch16_224", "deit_tiny_patch16_224", "mixer_s32_224", "lambda_resnet26t"})


def _timm() -> tuple[Entry, ...]:
    """Small members of as many families as there are."""
    return tuple(
        Entry(
            suite="timm",
            name=name,
            sizes=_TIMM_SIZES.get(name, _SMALL),
            options={"img_size": 64} if name in _TIMM_PATCHED else {},
        )
        for name in _TIMM
    )
