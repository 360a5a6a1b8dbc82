"""torchvision's networks: sizes, normalisation, weights from its cache without a network."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torchvision.models import googlenet

from studentsearch.errors import InputFileError, UsageError
from studentsearch.models import torchvision_library
from studentsearch.models.libraries import library_statistics, library_weights
from studentsearch.models.registry import build_model
from studentsearch.models.weights import load_weights, read_weights
from studentsearch.records.normalization import Normalization

NAME = "torchvision:shufflenet_v2_x0_5"
IMAGENET = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
FILE_OF_DEFAULT = "shufflenetv2_x0.5-f707e7126e.pth"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torchvision's, and no way to the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("the network was used"))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "shufflenet_v2_x0_5", "googlenet", "vit_b_16"])
def test_size_and_classes_come_from_the_data(name: str) -> None:
    with torch.device("meta"):
        network = build_model(f"torchvision:{name}", num_classes=7, image_size=64)
        assert network.eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnt18", r'unknown model "torchvision:resnt18"; nearest: torchvision:resnet18, torchvision:'),
        ("fasterrcnn_resnet50_fpn", r'unknown model "torchvision:fasterrcnn_resnet50_fpn"; nearest: torchvision:'),
        ("", r'unknown model "torchvision:"; nearest: torchvision:alexnet'),
        ("maxvit_t", r"cannot be built for images of 40 pixels \(Input size .*\); choose another --image-size"),
        ("vit_b_16", r"cannot be built for images of 40 pixels \(Input shape indivisible by patch size!\); choose"),
    ],
)
def test_names_that_cannot_be_built(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        build_model(f"torchvision:{name}", num_classes=7, image_size=40)
    assert "\n" not in str(caught.value)


def test_grey_images_are_refused() -> None:
    with pytest.raises(UsageError, match=r"torchvision:resnet18 takes images of 3 channels, found 1; choose another"):
        build_model("torchvision:resnet18", num_classes=7, in_channels=1)


def test_normalisation_is_the_weights_own() -> None:
    half = Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert library_statistics("resnet20", None) is None
    assert library_statistics("torchvision:resnet18", None) == IMAGENET
    assert library_statistics("torchvision:resnet18", Path("IMAGENET1K_V1")) == IMAGENET
    assert library_statistics("torchvision:resnet18", Path("mine.pt")) == IMAGENET
    assert library_statistics("torchvision:efficientnet_v2_l", Path("DEFAULT")) == half
    assert library_statistics("torchvision:inception_v3", None) == half


def test_half_and_half_is_what_googlenet_does_inside() -> None:
    torch.manual_seed(0)
    inside = googlenet(num_classes=5, aux_logits=True, transform_input=True, init_weights=False).eval()
    network = build_model("torchvision:googlenet", num_classes=5).eval()
    load_weights(network, inside.state_dict(), source="w.pt")
    pixels = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    # float32; the two normalisations round differently
    torch.testing.assert_close(network((pixels - 0.5) / 0.5), inside((pixels - mean) / std), rtol=1e-4, atol=1e-5)


def test_weights_with_versions_load(cache: Path) -> None:
    network = build_model("torchvision:mnasnet0_5", num_classes=5)
    torch.save({name: tensor.clone() for name, tensor in network.state_dict().items()}, cache / "w.pth")
    load_weights(network, read_weights(cache / "w.pth"), source="w.pth")


@pytest.mark.usefixtures("cache")
def test_missing_weights_say_what_and_where(cache: Path) -> None:
    with pytest.raises(
        InputFileError,
        match=rf"checkpoints/{FILE_OF_DEFAULT} is missing \(DEFAULT weights of {NAME}\); run again with --download, or "
        rf"put the file of https://\S+/{FILE_OF_DEFAULT} there yourself, or pass --weights FILE",
    ):
        library_weights(NAME, Path("DEFAULT"), download=False)
    assert list(cache.iterdir()) == []


def test_a_file_in_the_cache_is_taken_once_its_hash_is_right(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), cache / "fake.pth")
    digits = hashlib.sha256((cache / "fake.pth").read_bytes()).hexdigest()[:8]
    kept = (cache / "fake.pth").rename(cache / f"fake-{digits}.pth")
    fake = SimpleNamespace(url=f"https://example.org/models/{kept.name}")
    monkeypatch.setattr(torchvision_library, "get_model_weights", lambda _: SimpleNamespace(__members__={"V1": fake}))
    assert library_weights(NAME, Path("V1"), download=False) == kept
    assert library_weights(NAME, Path("/somewhere/else/V1"), download=True) == kept
    assert read_weights(kept).keys() == {"weight", "bias"}


@pytest.mark.parametrize("download", [False, True])
def test_a_file_of_another_hash_is_refused(cache: Path, download: bool) -> None:
    (cache / FILE_OF_DEFAULT).write_bytes(b"altered")
    with pytest.raises(InputFileError, match=r"found SHA-256 [0-9a-f]{64}, expected f707e7126e; delete the file"):
        library_weights(NAME, Path("DEFAULT"), download=download)
    assert (cache / FILE_OF_DEFAULT).read_bytes() == b"altered"


def test_unknown_weights_list_those_there_are() -> None:
    with pytest.raises(
        UsageError, match=r"resnet50 has no weights V9; expected one of IMAGENET1K_V1, IMAGENET1K_V2, DEF"
    ):
        library_weights("torchvision:resnet50", Path("V9"), download=False)


def test_files_of_the_users_own_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "DEFAULT").touch()
    assert library_weights(NAME, tmp_path / "DEFAULT", download=False) == tmp_path / "DEFAULT"
    assert library_weights(NAME, Path("missing.pt"), download=False) == Path("missing.pt")
    assert library_weights("resnet20", Path("DEFAULT"), download=False) == Path("DEFAULT")
