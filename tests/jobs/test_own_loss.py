"""A user's own loss, as docs/how_to/own_loss.md shows it: typed as a function, and named by an installed package."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from stopping import Stop

from studentsearch.api import compare
from studentsearch.cli.main import main
from studentsearch.distill.ensemble import ensemble_term
from studentsearch.distill.loss import Knowledge
from studentsearch.distill.methods import method, method_names
from studentsearch.errors import InterruptedRunError, RunFolderError, UsageError
from studentsearch.jobs.distill import DistillOptions, distill
from studentsearch.jobs.method_options import MethodOptions
from studentsearch.jobs.options import ComputeOptions, DataOptions
from studentsearch.records.recipe import TrainingRecipe
from studentsearch.runs.files import file_sha256
from studentsearch.runs.manifest import read_manifest
from studentsearch.runs.state_hash import state_sha256

PAGE = Path(__file__).parents[2] / "docs" / "how_to" / "own_loss.md"
FUNCTION = "python:my_loss:squared_logits"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the file of the page in it."""
    (text,) = blocks("python")
    (tmp_path / "my_loss.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_loss", raising=False)
    return tmp_path


@pytest.fixture
def package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of sys.path with the installed file and the entry point of the page."""
    site = folder / "site-packages"
    facts = site / "my_loss-1.0.dist-info"
    facts.mkdir(parents=True)
    (folder / "my_loss.py").rename(site / "my_loss.py")
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: my-loss\nVersion: 1.0\n")
    (table,) = blocks("toml")
    group = re.match(r'\[project\.entry-points\."(.*)"\]\n(\w+) = "(.*)"', table)
    assert group is not None
    (facts / "entry_points.txt").write_text("[{}]\n{} = {}\n".format(*group.groups()))
    monkeypatch.syspath_prepend(site)
    return site


def options(out: str, name: str, **chosen: object) -> DistillOptions:
    return DistillOptions(
        student="resnet8",
        out=Path(out),
        teachers=("densenet_digits",),
        method=MethodOptions(name=name, **chosen),  # type: ignore[arg-type]
        data=DataOptions(name="digits"),
        compute=ComputeOptions(device="cpu", precision="float32", threads=1),
        recipe=TrainingRecipe(steps=4, batch=8, rate=0.01, schedule="constant"),
    )


def weights_of(run: str) -> str:
    return state_sha256(load_file(Path(run) / "student/model.safetensors"))


def test_the_file_has_fifteen_lines_at_most():
    (text,) = blocks("python")
    assert len(text.splitlines()) <= 15


@pytest.mark.usefixtures("folder")
def test_a_function_that_is_typed_is_a_method(capsys: pytest.CaptureFixture[str]):
    """From the command line to the report; its settings and its code are part of the configuration."""
    line = "distill resnet8 --teacher densenet_digits --data digits --steps 2 --batch 8 --rate 0.01 --threads 1"
    assert main([*line.split(), "--method", FUNCTION, "--loss-setting", "scale=2", "--out", "run"]) == 0
    configuration = read_manifest(Path("run")).configuration
    assert configuration["method"] == FUNCTION
    terms = configuration["terms"]
    assert isinstance(terms, dict)
    assert terms["settings"] == {"scale": 2.0}
    assert terms["code_sha256"] == file_sha256(Path("my_loss.py"))
    capsys.readouterr()
    assert main(["report", "run"]) == 0
    assert "Distill run: complete" in capsys.readouterr().out


@pytest.mark.usefixtures("package")
def test_a_package_brings_a_name(capsys: pytest.CaptureFixture[str]):
    assert "squared_logits" in method_names()
    assert main(["distill", "--method", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["squared_logits"]
    assert listed["source"] == "Ba and Caruana, 2014"
    assert listed["settings"] == {"scale": "1.0"}
    with pytest.raises(UsageError, match='unknown method "squared_logit"; nearest: squared_logits'):
        method("squared_logit")


def test_both_ways_are_one_loss_stopped_or_not(package: Path):
    distill(options("named", "squared_logits", settings={"scale": 2.0}))
    (package / "my_loss.py").rename("my_loss.py")
    del sys.modules["my_loss"]
    typed = options("typed", FUNCTION, settings={"scale": "2"})
    with pytest.raises(InterruptedRunError):
        distill(typed, Stop(2))
    distill(typed)
    assert weights_of("named") == weights_of("typed")
    assert set(compare(Path("named"), Path("typed"))["method"]) == {"squared_logits", FUNCTION}
    with Path("my_loss.py").open("a") as file:
        file.write("# another loss\n")
    with pytest.raises(RunFolderError, match="code_sha256"):
        distill(typed)


def test_a_name_that_two_bring_is_refused(package: Path):
    entries = package / "my_loss-1.0.dist-info" / "entry_points.txt"
    entries.write_text("[studentsearch.losses]\ndkd = my_loss:squared_logits\n")
    with pytest.raises(UsageError, match='found method "dkd" in studentsearch and in my-loss; expected one; rename'):
        method("dkd")
    assert method("rkd").name == "rkd"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r'method "python:my_loss:squared_logits": my_loss has no squared_logits'),
        ("import no_such_module_here", r"cannot import my_loss \(ModuleNotFoundError"),
        (
            "def squared_logits():\n    return 1",
            r"squared_logits\" gave a int; expected a studentsearch.distill.loss.M",
        ),
        ("def squared_logits():\n    raise OSError('no licence')", r"failed: OSError: no licence; mend it"),
        (
            "from studentsearch.distill.loss import Method, Term\nclass Half(Term):\n    def read(self, network): ...\n"
            "def squared_logits(): return Method(summary='x', source='y', term=Half)",
            'found a term without compare in method "x"; define them',
        ),
    ],
)
def test_losses_that_are_none(folder: Path, text: str, message: str):
    (folder / "my_loss.py").write_text(text)
    with pytest.raises(UsageError, match=message):
        distill(options("run", FUNCTION))
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            "student - teacher",
            "student - teacherr",
            r"my_loss\.py:\d+: the loss SquaredLogits failed: NameError: .*; mend",
        ),
        (
            "network.logits",
            "network.logitz",
            r"my_loss\.py:\d+: the loss SquaredLogits failed: AttributeError: .*; mend",
        ),
    ],
)
def test_a_mistake_in_a_loss_is_told_with_its_line(folder: Path, right: str, wrong: str, message: str) -> None:
    file = folder / "my_loss.py"
    file.write_text(file.read_text().replace(right, wrong))
    term = method(FUNCTION).term
    assert term is not None
    known = Knowledge(logits=torch.ones(2, 3))
    with pytest.raises(UsageError, match=message):
        ensemble_term(known, [known], torch.zeros(2, dtype=torch.int64), term())
