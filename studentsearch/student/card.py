"""A student's README.md: the model card, with the YAML head of the Hugging Face convention."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from studentsearch.printable import markdown, printable
from studentsearch.records.student import StudentConfig
from studentsearch.records.training import TrainingRecord

_DATASET = re.compile(r"[\w.-]{1,100}", re.ASCII)


def model_card(config: StudentConfig) -> str:
    """The text of README.md, written from the facts of config.json alone.

    Args:
        config: The student's facts.

    Returns:
        YAML between two lines of dashes, then Markdown.
    """
    return "\n".join(["---", *_head(config), "---", "", *_body(config), ""])


def _head(config: StudentConfig) -> Iterator[str]:
    """The metadata; the license of images and teacher is not known here, so none is named."""
    origin, training = config.origin, config.training
    # A path or a function of the user's own is no name of a data set.
    dataset = origin.data if _DATASET.fullmatch(origin.data) else None
    yield "library_name: studentsearch"
    yield "pipeline_tag: image-classification"
    yield "tags:"
    yield from ("- image-classification", "- knowledge-distillation", "- pruning")
    if dataset is not None:
        yield from ("datasets:", f"- {_quoted(dataset)}")
    if training is None:
        return
    yield from ("metrics:", "- accuracy", "model-index:", f"- name: {_quoted(origin.words)}", "  results:")
    yield from ("  - task:", "      type: image-classification", "    dataset:")
    yield from (f"      name: {_quoted(dataset or 'own images')}", f"      type: {_quoted(dataset or 'custom')}")
    yield from ("    metrics:", "    - type: accuracy", "      name: accuracy on the test images, percent")
    yield f"      value: {training.accuracy_test:.2f}"


def _quoted(text: str) -> str:
    """A YAML scalar: a JSON string is one."""
    return json.dumps(printable(text))


def _body(config: StudentConfig) -> Iterator[str]:
    origin, teacher, student = config.origin, config.teacher_counts, config.counts
    share = f" ({student.macs / teacher.macs:.1%})" if teacher.macs else ""
    found = "" if origin.architecture else "Found by studentsearch inside a teacher. "
    yield from (f"# {markdown(origin.words)}", "")
    yield f"{found}Trained on {markdown(origin.data)} ({len(origin.classes)} classes)."
    yield from ("", "| | teacher | student |", "|---|---|---|")
    yield f"| multiply-accumulates | {teacher.macs:,} | {student.macs:,}{share} |"
    yield f"| parameters | {teacher.parameters:,} | {student.parameters:,} |"
    yield ""
    shape = ", ".join(str(size) for size in config.architecture.input_shapes[0])
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (origin.mean, origin.std))
    yield f"Input: `[B, {shape}]`, pixels in 0..1 normalised with mean ({mean}) and standard deviation ({std})."
    yield from _proof(config)
    if config.training is not None:
        yield from ("", "## Training", "", *_training(config.training))
    yield from ("", "## Use", "", "    import studentsearch", '    student = studentsearch.load("this/folder")', "")
    yield "or, with torch and safetensors alone: `build()` in `model.py`."


def _proof(config: StudentConfig) -> Iterator[str]:
    """What was proved of the student, and of which weights that holds."""
    difference = f"{config.check.difference:.1e}"
    if config.origin.architecture:
        return
    if config.training is None:
        yield (
            f"Its logits differ from those of the network it was cut from, its gates closed, by {difference} of the "
            "largest (float64)."
        )
    else:
        yield (
            f"Its architecture was cut from {markdown(config.origin.teacher)} and checked when it was cut (logits "
            f"differed by {difference} of the largest); its weights were trained since, so it answers otherwise."
        )


def _training(training: TrainingRecord) -> Iterator[str]:
    before = "-" if training.accuracy_before is None else f"{training.accuracy_before:.2f} %"
    yield from ("| accuracy | before training | after training |", "|---|---|---|")
    yield f"| test images | {before} | {training.accuracy_test:.2f} % |"
    yield f"| held-out training images | - | {training.accuracy_held_out:.2f} % |"
    yield ""
    length = f"{training.epochs:,} epochs" if training.steps is None else f"{training.steps:,} steps"
    start = "fresh weights" if training.init == "scratch" else "the weights it was cut with"
    yield f"- Method: {markdown(training.method)}, from {start}; seed {training.seed}."
    yield (
        f"- Recipe: {length}, batch {training.batch:,}, learning rate {training.rate:g} "
        f"({markdown(training.schedule)}), weight decay {training.weight_decay:g}, "
        f"augmentation {markdown(training.augment)}."
    )
    yield f"- These weights: step {training.step:,}, epoch {training.epoch:g}."
    if training.via:
        yield f"- Through a temporal network: {markdown(training.via)}."
    for teacher in training.teachers:
        yield (
            f"- Teacher: {markdown(teacher.name)}, {teacher.accuracy_test:.2f} % on the test images, "
            f"SHA-256 of its weights {teacher.sha256}."
        )
