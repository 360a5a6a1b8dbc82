"""A student in other formats answers as the student does, for every batch size, and stdout stays clean."""

from pathlib import Path

import pytest
import several_outputs
import torch
from nets import Case, ManyReaders, random_gates, small_case
from torch import Tensor

from studentsearch.errors import DiskError, UsageError
from studentsearch.graph.trace import trace
from studentsearch.jobs.export import export
from studentsearch.outputs import outputs_of
from studentsearch.records.counts import CutCheck
from studentsearch.records.origin import Origin
from studentsearch.records.student import StudentFacts
from studentsearch.student.blocks import kept_by_block
from studentsearch.student.build import build_with_weights
from studentsearch.student.check import check_cut
from studentsearch.student.counts import count_everything
from studentsearch.student.folder import read_student, write_student
from studentsearch.student.plain import plain_network, whole_network
from studentsearch.student.slice import Cut

BATCH_SIZES = (1, 2, 5)
FLOAT32 = 1e-4  # relative to the largest logit; runtimes order sums differently
ORIGIN = Origin(
    teacher="dense",
    teacher_sha256="a" * 64,
    data="digits",
    data_sha256="b" * 64,
    classes=("cat", "dog", "owl"),
    mean=(0.5, 0.5, 0.5),
    std=(0.2, 0.2, 0.2),
)


def some_gates(case: Case) -> Tensor:
    return random_gates(case.num_gates, share_open=0.6, seed=1)


def emptied_layer(case: Case) -> Tensor:
    return torch.from_numpy(case.closed("side")).double()


def everything_closed(case: Case) -> Tensor:
    return torch.zeros(case.num_gates, dtype=torch.float64)


STUDENTS = (some_gates, emptied_layer, everything_closed)


@pytest.fixture(params=STUDENTS, ids=lambda make: make.__name__)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    case = small_case(ManyReaders)
    gates = request.param(case)
    student = case.cut(gates)
    module = build_with_weights(student.spec, student.tensors)
    counts = count_everything(module, trace(module, case.shape))
    record = StudentFacts(
        origin=ORIGIN,
        counts=counts,
        teacher_counts=count_everything(case.module, case.network),
        check=check_cut(case.module, case.folded(gates), student, macs=counts.macs, images=case.images),
        blocks=kept_by_block(case.network, case.alive(gates.numpy() != 0)),
    )
    single = {name: t.float() if t.is_floating_point() else t for name, t in student.tensors.items()}
    write_student(tmp_path, Cut(spec=student.spec, tensors=single), record)
    return tmp_path


def image_batch(batch_size: int) -> Tensor:
    return torch.randn(batch_size, *ManyReaders.input_shape, generator=torch.Generator().manual_seed(batch_size))


def assert_close(found: Tensor, folder: Path, images: Tensor) -> None:
    with torch.no_grad():
        expected = read_student(folder).module(images)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= FLOAT32 * expected.abs().max()


@pytest.mark.slow
def test_pt2_answers_for_every_batch_size(folder: Path, capfd: pytest.CaptureFixture[str]):
    written = export(folder, "pt2")
    assert written.path == folder / "model.pt2"
    assert written.difference <= FLOAT32
    assert capfd.readouterr().out == ""
    with pytest.raises(
        DiskError, match=r"cannot write .*model\.pt2: .* is a file; expected a folder; choose another path"
    ):
        export(folder, "pt2", folder / "config.json" / "model.pt2")
    module = torch.export.load(written.path).module()
    for batch_size in BATCH_SIZES:
        images = image_batch(batch_size)
        with torch.no_grad():
            assert_close(torch.as_tensor(module(images)), folder, images)


@pytest.mark.slow
def test_onnx_answers_for_every_batch_size(folder: Path, capfd: pytest.CaptureFixture[str]):
    reason = "needs the extra onnx"
    onnx = pytest.importorskip("onnx", reason=reason)
    onnxruntime = pytest.importorskip("onnxruntime", reason=reason)
    pytest.importorskip("onnxscript", reason=reason)
    written = export(folder, "onnx", folder / "other.onnx")
    assert written.path == folder / "other.onnx"
    assert capfd.readouterr() == ("", "")
    onnx.checker.check_model(onnx.load(written.path), full_check=True)
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    for batch_size in BATCH_SIZES:
        images = image_batch(batch_size)
        (logits,) = session.run(["logits"], {"images": images.numpy()})
        assert_close(torch.from_numpy(logits), folder, images)


@pytest.mark.parametrize("folder", [everything_closed], indirect=True)
def test_an_unknown_format_is_told(folder: Path):
    with pytest.raises(UsageError, match="found format tflite; expected onnx or pt2"):
        export(folder, "tflite")  # type: ignore[arg-type]


def written(folder: Path, name: str, *input_shapes: tuple[int, ...]) -> Path:
    """A student folder of a whole network with several inputs or outputs."""
    plain = plain_network(getattr(several_outputs, name)(3, 1), *input_shapes)
    student = whole_network(plain.network, plain.module.state_dict())
    counts = count_everything(plain.module, plain.network)
    check = CutCheck(difference=0.0, counted_macs=counts.macs, counter="thop", independent_macs=counts.macs)
    record = StudentFacts(origin=ORIGIN, counts=counts, teacher_counts=counts, check=check, blocks=())
    write_student(folder, student, record)
    return folder


SEVERAL = [
    ("dictionary", 1, ("aux", "out")),
    ("named", 1, ("aux", "logits")),
    ("nested", 1, ("heads.aux", "heads.cls", "maps.0", "maps.1")),
    ("pair", 1, ("output_0", "output_1", "output_2")),
    ("two_images", 2, ("out", "aux")),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "num_inputs", "names"), SEVERAL)
def test_all_inputs_and_outputs_are_exported_by_name(
    name: str, num_inputs: int, names: tuple[str, ...], tmp_path: Path
):
    folder = written(tmp_path / "student", name, *[(1, 8, 8)] * num_inputs)
    assert export(folder, "pt2").difference <= FLOAT32
    module = torch.export.load(folder / "model.pt2").module()
    reason = "needs the extra onnx"
    onnxruntime = pytest.importorskip("onnxruntime", reason=reason)
    pytest.importorskip("onnxscript", reason=reason)
    assert export(folder, "onnx").difference <= FLOAT32
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    assert tuple(output.name for output in session.get_outputs()) == names
    inputs = tuple(given.name for given in session.get_inputs())
    assert inputs == (("images",) if num_inputs == 1 else ("x", "y"))
    student = read_student(folder).module
    for batch_size in BATCH_SIZES:
        images = [
            torch.randn(batch_size, 1, 8, 8, generator=torch.Generator().manual_seed(n)) for n in range(num_inputs)
        ]
        answers = session.run(list(names), {key: one.numpy() for key, one in zip(inputs, images, strict=True)})
        with torch.no_grad():
            expected, found = outputs_of(student(*images)), module(*images)
        for key, one, other in zip(names, expected, answers, strict=True):
            scale = one.tensor.abs().max()
            assert (one.tensor - torch.from_numpy(other)).abs().max() <= FLOAT32 * scale
            assert (one.tensor - found[key]).abs().max() <= FLOAT32 * scale


def test_the_names_of_several_outputs(tmp_path: Path):
    for name, num_inputs, names in SEVERAL:
        folder = written(tmp_path / name, name, *[(1, 8, 8)] * num_inputs)
        assert read_student(folder).spec.output_names == names
