"""timm's networks: skipped where timm is not installed, except for what is said then."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from studentsearch.errors import InputFileError, UsageError
from studentsearch.models.libraries import library_statistics, library_weights
from studentsearch.models.library import Sizes
from studentsearch.models.registry import build_model, usual_sizes
from studentsearch.models.weights import load_weights
from studentsearch.records.normalization import Normalization

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed (extra timm)")
HALF = Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def test_missing_timm_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> ModuleType:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(
        UsageError, match=r"timm is not installed; install the extra: pip install 'studentsearch\[timm\]'"
    ):
        build_model("timm:resnet18", num_classes=10)


@needs_timm
@pytest.mark.parametrize("name", ["test_resnet", "test_resnet.r160_in1k", "test_efficientnet", "test_vit"])
def test_size_classes_and_channels_come_from_the_data(name: str) -> None:
    network = build_model(f"timm:{name}", num_classes=7, in_channels=1, image_size=64).eval()
    assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 7)


@needs_timm
def test_facts_are_timms_own() -> None:
    assert usual_sizes("timm:test_resnet") == Sizes(num_classes=1000, in_channels=3, image_size=160)
    assert library_statistics("timm:test_resnet", None) == HALF
    assert library_statistics("timm:resnet18", Path("a1_in1k")) == Normalization(
        mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )


@needs_timm
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnt18", r'unknown model "timm:resnt18"; nearest: timm:resnet18, timm:'),
        (
            "resnet18.no_tag",
            r"timm:resnet18\.no_tag has no weights no_tag; expected one of DEFAULT, .*a1_in1k.*, or a file",
        ),
        ("test_vit", r"cannot be built for 3 channels and 0 pixels \(.+\); choose another --image-size or model"),
    ],
)
def test_names_that_cannot_be_built(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        build_model(f"timm:{name}", num_classes=7, image_size=0)
    assert "\n" not in str(caught.value)


@needs_timm
def test_missing_weights_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = importlib.import_module("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        InputFileError,
        match=r"^timm/test_resnet\.r160_in1k/model\.safetensors is missing \(weights of timm:test_resnet\); "
        r"run again with --download, or fetch it elsewhere and pass --weights FILE$",
    ):
        library_weights("timm:test_resnet", Path("DEFAULT"), download=False)
    with pytest.raises(UsageError, match=r"has no weights nothing; expected one of DEFAULT, r160_in1k, or a file"):
        library_weights("timm:test_resnet", Path("nothing"), download=False)


@needs_timm
def test_a_checkpoint_of_timms_loads_by_name() -> None:
    network = build_model("timm:test_resnet", num_classes=7)
    assert load_weights(network, dict(sorted(network.state_dict().items())), source="w.pt") is None
