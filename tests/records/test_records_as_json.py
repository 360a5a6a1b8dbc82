"""A record becomes JSON and comes back the same."""

import json
from dataclasses import fields, is_dataclass, replace

import pytest

from studentsearch.decoding import LEFT_OUT, Record, as_json, decode_json
from studentsearch.errors import InputFileError
from studentsearch.records import configuration, facts, results
from studentsearch.records.configuration import DistillConfiguration, NamedTeacher
from studentsearch.records.facts import DataFacts, RunFacts, SearchTeacher
from studentsearch.records.recipe import TrainingRecipe
from studentsearch.records.results import NetworkFacts, Reached, RollBack, TeacherAccuracy, TrainingResults

DATA = DataFacts(name="digits", fingerprint="ab", augment="none", mean=(0.5,), std=(0.25,))
TEACHER = SearchTeacher(
    name="densenet", weights=None, sha256="a" * 64, data_root=None, image_size=None, macs=10, parameters=5
)
FACTS = RunFacts(
    command=("studentsearch", "search"), versions={"torch": "2"}, device="cpu", seed=0, data=DATA, teacher=TEACHER
)
CONFIGURATION = DistillConfiguration(
    student="resnet8",
    method="kl",
    teachers=(NamedTeacher(name="resnet32", sha256="b" * 64, logits="out"), NamedTeacher(name="x", sha256="c")),
    terms={"temperature": 4.0, "warm_up": None},
    data=DATA,
    init="scratch",
    precision="float32",
    seed=0,
    recipe=TrainingRecipe(),
    via="resnet20",
)
REACHED = Reached(step=3, epoch=0.5, accuracy_held_out=50.0, accuracy_test=49.0)
RESULTS = TrainingResults(
    last=REACHED,
    best=REACHED,
    roll_back=RollBack(to_step=0, rate_factor=0.5),
    student=NetworkFacts(macs=1, paper=2, thop=3, flops=4, parameters=5),
    teachers=(TeacherAccuracy(name="resnet32", accuracy_test=70.0),),
)


@pytest.mark.parametrize("record", [FACTS, CONFIGURATION, RESULTS, replace(RESULTS, teachers=())])
def test_a_record_comes_back(record: Record) -> None:
    text = json.dumps(as_json(record), allow_nan=False)
    assert decode_json(text, type(record), source="manifest.json", cure="") == record


def test_only_what_may_be_left_out_is() -> None:
    assert as_json(TEACHER).keys() == {field.name for field in fields(SearchTeacher)} - {"logits"}
    assert as_json(TEACHER)["weights"] is None
    configured = as_json(CONFIGURATION)
    assert not {"logits", "student_sha256", "row"} & configured.keys()
    assert configured["recipe"] == {**as_json(TrainingRecipe()), "steps": None}
    assert configured["terms"] == {"temperature": 4.0, "warm_up": None}
    assert as_json(RESULTS)["student"] == {"macs": 1, "paper": 2, "thop": 3, "flops": 4, "parameters": 5}


def test_what_may_be_left_out_is_none_without() -> None:
    """Else a file that lacks it would be read as something that was never written."""
    for module in (configuration, facts, results):
        for form in vars(module).values():
            for field in fields(form) if isinstance(form, type) and is_dataclass(form) else ():
                assert field.metadata != LEFT_OUT or field.default is None, f"{form.__name__}.{field.name}"


def test_another_form_is_named() -> None:
    text = json.dumps({**as_json(RESULTS), "last": {"step": 3}})
    with pytest.raises(InputFileError, match=r"manifest\.json: Object missing required field `epoch` - at `\$\.last`"):
        decode_json(text, TrainingResults, source="manifest.json", cure="put it back")


def test_options_out_of_range_are_told_with_their_file() -> None:
    configured = {**as_json(CONFIGURATION), "recipe": {"epochs": 0}}
    with pytest.raises(InputFileError, match=r"^manifest\.json: found 0 epochs .*; expected at least 1; put it back$"):
        decode_json(json.dumps(configured), DistillConfiguration, source="manifest.json", cure="put it back")


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="a set in a record is no JSON value"):
        as_json(replace(CONFIGURATION, terms={"temperature": {4.0}}))
