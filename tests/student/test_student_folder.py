import ast
import importlib.util
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
from nets import DENSENETS, SMALL_NETS, Case, random_gates, small_case
from torch import Tensor, nn

from studentsearch.errors import InputFileError
from studentsearch.graph.network import Operation
from studentsearch.graph.trace import trace
from studentsearch.records.architecture import ArchitectureRecord
from studentsearch.records.origin import Origin
from studentsearch.records.student import StudentFacts, has_student_files
from studentsearch.records.training import TeacherRecord, TrainingRecord
from studentsearch.student.blocks import kept_by_block
from studentsearch.student.build import build, build_with_weights
from studentsearch.student.check import check_cut
from studentsearch.student.counts import count_everything
from studentsearch.student.folder import read_student, rewrite_weights, write_student
from studentsearch.student.slice import Cut
from studentsearch.student.source import model_source
from studentsearch.student.spec import spec_from_record, spec_to_record

ORIGIN = Origin(
    teacher="densenet10_4",
    teacher_sha256="a" * 64,
    data="digits",
    data_sha256="b" * 64,
    classes=("cat", "dog", "owl", "fox", "bee"),
    mean=(0.5, 0.25, 0.125),
    std=(0.1, 0.2, 0.3),
)
TRAINING = TrainingRecord(
    method="kl",
    init="inherit",
    teachers=(TeacherRecord(name="densenet10_4", sha256="c" * 64, accuracy_test=90.0),),
    via="",
    step=100,
    epoch=10.0,
    epochs=10,
    steps=None,
    batch=64,
    rate=0.02,
    schedule="cosine",
    weight_decay=1e-4,
    seed=3,
    augment="shift:1",
    accuracy_before=40.0,
    accuracy_held_out=80.0,
    accuracy_test=81.25,
)


def _densenet() -> Case:
    make, shape = DENSENETS["depth 10, growth 4"]
    return Case(make(), shape)


def _record(case: Case, student: Cut, gates: Tensor) -> StudentFacts:
    module = build_with_weights(student.spec, student.tensors)
    counts = count_everything(module, trace(module, case.shape))
    check = check_cut(case.module, case.folded(gates), student, macs=counts.macs, images=case.images)
    return StudentFacts(
        origin=ORIGIN,
        counts=counts,
        teacher_counts=count_everything(case.module, case.network),
        check=check,
        blocks=kept_by_block(case.network, case.alive(gates.numpy() != 0)),
    )


@pytest.fixture(scope="module")
def written() -> tuple[Case, Cut, StudentFacts]:
    case = _densenet()
    gates = random_gates(case.num_gates, share_open=0.6, seed=3)
    student = case.cut(gates)
    record = _record(case, student, gates)
    # as on disk: single precision
    tensors = {name: t.float() if t.is_floating_point() else t for name, t in student.tensors.items()}
    return case, Cut(spec=student.spec, tensors=tensors), record


@pytest.fixture
def folder(tmp_path: Path, written: tuple[Case, Cut, StudentFacts]) -> Path:
    write_student(tmp_path / "student", written[1], written[2])
    return tmp_path / "student"


def through_json(record: ArchitectureRecord) -> ArchitectureRecord:
    return msgspec.json.decode(msgspec.json.encode(record), type=ArchitectureRecord)


def _import(path: Path) -> nn.Module:
    found = importlib.util.spec_from_file_location("stored_model", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.build()


@pytest.mark.parametrize("net", SMALL_NETS, ids=lambda net: net.__name__)
def test_a_spec_comes_back_from_json(net: type[nn.Module]) -> None:
    case = small_case(net)
    for seed in range(3):
        spec = case.cut(random_gates(case.num_gates, share_open=0.5, seed=seed)).spec
        assert spec_from_record(through_json(spec_to_record(spec))) == spec


@pytest.mark.parametrize("net", SMALL_NETS, ids=lambda net: net.__name__)
def test_the_source_computes_what_the_module_does(net: type[nn.Module], tmp_path: Path) -> None:
    case = small_case(net)
    settings = [random_gates(case.num_gates, share_open=share, seed=7) for share in (0.7, 0.3)]
    for index, gates in enumerate((*settings, torch.zeros(case.num_gates, dtype=torch.float64))):
        student = case.cut(gates)
        path = tmp_path / f"model_{index}.py"
        path.write_text(model_source(student.spec, title="A student."))
        found = importlib.util.spec_from_file_location(f"model_{net.__name__}_{index}", path)
        assert found is not None
        assert found.loader is not None
        source = importlib.util.module_from_spec(found)
        found.loader.exec_module(source)
        module = source.build(None).double()
        module.load_state_dict(student.tensors)
        with torch.no_grad():
            expected = build_with_weights(student.spec, student.tensors)(case.images)
            assert torch.equal(module(case.images), expected)


def test_the_source_imports_torch_and_safetensors_only(folder: Path) -> None:
    tree = ast.parse((folder / "model.py").read_text())
    compile(tree, "model.py", "exec")
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(item.name.split(".")[0] for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).split(".")[0])
    assert names == {"__future__", "pathlib", "torch", "safetensors"}


def test_a_written_student_comes_back_bit_for_bit(folder: Path, written: tuple[Case, Cut, StudentFacts]) -> None:
    case, student, record = written
    stored = read_student(folder)
    state = stored.module.state_dict()
    assert has_student_files(folder)
    assert stored.spec == student.spec
    assert stored.origin == ORIGIN
    assert stored.config.counts == record.counts
    assert state.keys() == student.tensors.keys()
    assert all(torch.equal(state[name], student.tensors[name]) for name in state)
    images = case.images.float()
    with torch.no_grad():
        logits = stored.module(images)
        assert torch.equal(logits, build_with_weights(student.spec, student.tensors)(images))
        assert torch.equal(logits, _import(folder / "model.py")(images))
    assert not stored.module.training


def test_the_card_names_teacher_cost_and_normalisation(folder: Path, written: tuple[Case, Cut, StudentFacts]) -> None:
    card = (folder / "README.md").read_text()
    assert "\n# Student of densenet10_4\n" in card
    assert f"{written[2].counts.macs:,} (" in card
    assert "`[B, 3, 8, 8]`, pixels in 0..1 normalised with mean (0.5, 0.25, 0.125)" in card
    assert "Its logits differ from those of the network it was cut from" in card
    assert "model-index" not in card  # what its weights reach was not evaluated


def test_trained_weights_have_facts_and_a_card_of_their_own(folder: Path, tmp_path: Path) -> None:
    stored = read_student(folder)
    tensors = {name: t + 1 if t.is_floating_point() else t for name, t in stored.module.state_dict().items()}
    (folder / "model.py").write_text("import os  # what lies there is not copied")
    rewrite_weights(stored, tmp_path / "taught", tensors, replace(ORIGIN, data="cifar10"), TRAINING)
    taught = read_student(tmp_path / "taught")
    assert taught.spec == stored.spec
    assert all(torch.equal(taught.module.state_dict()[name], tensors[name]) for name in tensors)
    unchanged = replace(taught.config, tensors_sha256=stored.config.tensors_sha256, origin=ORIGIN, training=None)
    assert unchanged == stored.config
    assert taught.config.training == TRAINING
    source = (tmp_path / "taught" / "model.py").read_text()
    assert "import os" not in source
    assert "class Student(nn.Module)" in source
    _, head, body = (tmp_path / "taught" / "README.md").read_text().split("---\n", 2)
    assert '- "cifar10"\n' in head
    assert "value: 81.25\n" in head
    assert "| test images | 40.00 % | 81.25 % |" in body
    assert "10 epochs, batch 64, learning rate 0.02" in body
    assert f"Teacher: densenet10_4, 90.00 % on the test images, SHA-256 of its weights {'c' * 64}" in body
    assert "its weights were trained since, so it answers otherwise" in body
    assert "Its logits differ" not in body


HOSTILE = 'densenet\n"""\nimport os  # \x1b[31m{0} \\" <b> `x` [l](u) |\u202e'


def test_text_from_outside_reaches_source_and_card_only_escaped(
    tmp_path: Path, written: tuple[Case, Cut, StudentFacts]
) -> None:
    _, student, record = written
    origin = replace(ORIGIN, teacher=HOSTILE, data=HOSTILE, classes=(HOSTILE, "b", "c", "d", "\udcff"))
    teacher = replace(TRAINING.teachers[0], name=HOSTILE)
    training = replace(TRAINING, method=HOSTILE, augment=HOSTILE, schedule=HOSTILE, via=HOSTILE, teachers=(teacher,))
    write_student(tmp_path, student, replace(record, origin=origin, training=training))
    stored = read_student(tmp_path)
    assert stored.origin.teacher == HOSTILE
    source, card = ((tmp_path / name).read_text() for name in ("model.py", "README.md"))
    first, *rest = ast.parse(source).body
    assert isinstance(first, ast.Expr)
    assert not any(isinstance(node, ast.Import) and node.names[0].name == "os" for node in rest)
    assert not {char for char in source + card if not char.isprintable()} - {"\n"}
    head, body = card.split("\n---\n")
    assert head.count('"""') == 0
    assert not re.search(r"(?<!\\)[<>|`\[]", body.partition("# ")[2].partition("\n")[0])


def _flip(place: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "model.safetensors"
        content = bytearray(path.read_bytes())
        content[place] ^= 0xFF
        path.write_bytes(bytes(content))

    return damage


def _edit(**changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_flip(-1), r"model\.safetensors: its tensors have SHA-256 \w+\.\.\., config\.json says \w+\.\.\.; copy"),
        (_flip(0), r"model\.safetensors: its header: "),
        (_flip(7), r"model\.safetensors: a header of [\d,]+ bytes; expected a safetensors file"),
        (lambda folder: (folder / "config.json").unlink(), r"found no .*config\.json, so not a student folder"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"cannot read .*model\.safetensors: No such file"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json: Input data was truncated; copy"),
        (
            lambda folder: (folder / "config.json").write_text("[]"),
            r"config\.json: Expected `object`, got `array`",
        ),
        (_edit(schema=2), r"config\.json has schema 2; expected 3; search or distil again with this version"),
        (
            _edit(architecture={"steps": []}),
            r"Expected `array` of length >= 1 - at `\$\.architecture\.steps`",
        ),
        (_edit(origin={"teacher": "x"}), r"config\.json: .*missing required field `teacher_sha256`.*\$\.origin"),
        (
            _edit(blocks=[]),
            r"config\.json was changed: its SHA-256 is \w+\.\.\., the header of model\.safetensors",
        ),
    ],
    ids=[
        *("weights", "header", "length", "no config", "no weights", "half", "list", "schema", "architecture", "origin"),
        "figure",
    ],
)
def test_a_damaged_folder_is_refused(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    with pytest.raises(InputFileError, match=message):
        read_student(folder)


def test_an_unknown_layer_and_foreign_weights_are_refused(written: tuple[Case, Cut, StudentFacts]) -> None:
    spec = written[1].spec
    place = next(index for index, step in enumerate(spec.steps) if step.path)
    strange = replace(spec.steps[place], operation=Operation(kind="Softsign2d"))
    with pytest.raises(InputFileError, match="layer kind Softsign2d is unknown to this version"):
        build(replace(spec, steps=(*spec.steps[:place], strange, *spec.steps[place + 1 :])))
    fewer = dict(list(written[1].tensors.items())[:-1])
    with pytest.raises(InputFileError, match=r"^student: weights do not fit the architecture: Missing key"):
        build_with_weights(spec, fewer)


def test_shares_of_blocks_add_up(written: tuple[Case, Cut, StudentFacts]) -> None:
    record = written[2]
    readers = [reader for block in record.blocks for reader in block.readers]
    assert sum(reader.macs_before for reader in readers) == record.teacher_counts.macs
    assert sum(reader.macs_after for reader in readers) == record.counts.macs
    for reader in readers:
        assert sum(source.channels for source in reader.sources) == reader.inputs
        assert sum(source.kept for source in reader.sources) == len(reader.kept_inputs)
        assert len(reader.kept_outputs) <= reader.outputs
