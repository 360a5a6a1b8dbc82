import pytest
import torch

from studentsearch.engine import runtime as runtime_module
from studentsearch.engine.runtime import open_runtime
from studentsearch.errors import UsageError


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_cuda")
def test_auto_is_the_cpu_without_cuda() -> None:
    assert open_runtime(precision="float32").device == torch.device("cpu")


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "float32")])
def test_auto_precision_follows_the_device(native: bool, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "_multiplies_bf16", lambda _: native)
    assert open_runtime("cpu").precision == precision


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("float32", torch.float32)])
def test_autocast_computes_in_the_precision(precision: str, dtype: torch.dtype) -> None:
    layer = torch.nn.Linear(2, 2)
    with open_runtime("cpu", precision).autocast():
        assert layer(torch.zeros(1, 2)).dtype == dtype


def test_threads_are_set_and_named() -> None:
    before = torch.get_num_threads()
    try:
        assert open_runtime("cpu", "bf16", threads=1).name() == "cpu, 1 threads, bf16"
    finally:
        torch.set_num_threads(before)


def test_results_are_repeatable() -> None:
    open_runtime("cpu")
    assert not torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.deterministic


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "device 'cuda' is not there: .* sees 0 cuda devices"),
        ("cuda:1", "device 'cuda:1' is not there"),
        ("gpu", "device 'gpu' is unknown: expected auto, cpu, cuda"),
        ("meta", "device 'meta' is unknown"),
    ],
)
def test_other_devices_are_refused(device: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_runtime(device)


def test_other_words_are_refused() -> None:
    with pytest.raises(UsageError, match="precision 'half' is unknown: expected auto, float32 or bf16"):
        open_runtime("cpu", "half")
    with pytest.raises(UsageError, match="0 threads: expected 1 to 1024"):
        open_runtime("cpu", threads=0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_is_found_and_named() -> None:
    found = open_runtime()
    assert found.device == torch.device("cuda", 0)
    assert found.name().startswith("cuda:0 (")
