"""Published teachers: found on disk first, fetched only when allowed."""

from pathlib import Path

import pytest

from studentsearch.errors import InputFileError, UsageError
from studentsearch.models import published
from studentsearch.models.published import fetch_published, published_weights


def test_default_teacher_is_known_under_both_names() -> None:
    entry = published_weights("densenet", "cifar10")
    assert entry is not None
    assert entry == published_weights("densenet100_12", "cifar10")
    assert entry.url.endswith(f"/v0.1.1/{entry.file_name}")
    assert len(entry.mean) == len(entry.std) == 3
    assert published_weights("densenet_digits", "cifar10") is None


def test_missing_file_names_the_three_ways(tmp_path: Path) -> None:
    path = tmp_path / "weights" / "cifar10-densenet_bc_k12_depth100.pt"
    with pytest.raises(InputFileError, match=r"--download, or put .* there yourself, or pass --weights FILE") as caught:
        fetch_published("densenet", "cifar10", data_root=tmp_path, download=False)
    assert str(caught.value).startswith(f"{path} is missing")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("download", [False, True])
def test_file_on_disk_is_used(tmp_path: Path, download: bool) -> None:
    path = tmp_path / "weights" / "cifar10-densenet_bc_k12_depth100.pt"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    assert fetch_published("densenet", "cifar10", data_root=tmp_path, download=download) == path


def test_download_asks_for_the_published_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Path, str | None]] = []

    def fetch(url: str, destination: Path, *, sha256: str | None) -> Path:
        asked.append((url, destination, sha256))
        return destination

    monkeypatch.setattr(published, "fetch", fetch)
    path = fetch_published("densenet", "cifar10", data_root=tmp_path, download=True)
    entry = published_weights("densenet", "cifar10")
    assert entry is not None
    assert asked == [(entry.url, path, entry.sha256)]


def test_unknown_pair_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"no published weights .* densenet_digits on cifar10; pass --weights FILE"):
        fetch_published("densenet_digits", "cifar10", data_root=Path(), download=True)
