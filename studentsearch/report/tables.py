"""The report's tables as plain rows of words, shared by the terminal and the page."""

from dataclasses import dataclass

from studentsearch.records.blocks import BlockShare
from studentsearch.records.counts import Counts
from studentsearch.records.results import NetworkFacts, SearchResults, TrainingResults
from studentsearch.records.student import StudentConfig
from studentsearch.report.triangle import dense_groups
from studentsearch.report.words import NOTHING, accuracy_words, count_words, percent_words
from studentsearch.units import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTable:
    """A table ready to be shown.

    Attributes:
        title: What it says.
        header: Names of the columns; the first column is text, the others are figures.
        rows: As many words as the header has names.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def students_table(search: SearchResults) -> WordTable:
    """The budgets that a search met, the teacher first.

    Args:
        search: The results of a search.

    Returns:
        One row a student; accuracies in percent, before any distillation.
    """
    rows: list[tuple[str, ...]] = []
    full_macs = search.teacher.macs if search.teacher else None
    if search.teacher:
        accuracy = accuracy_words(search.teacher.accuracy_test)
        rows.append(("teacher", NOTHING, NOTHING, count_words(full_macs), "100.0%", NOTHING, accuracy))
    rows += [
        (
            student.label,
            str(student.step),
            format_duration(student.seconds),
            count_words(student.macs),
            percent_words(student.macs / full_macs if full_macs else None),
            accuracy_words(student.accuracy_held_out),
            accuracy_words(student.accuracy_test),
        )
        for student in search.students
    ]
    return WordTable(
        title="Budgets met (accuracy as cut, before distillation)",
        header=("budget", "step", "time", "MACs", "kept", "held out", "test"),
        rows=tuple(rows),
    )


def accuracies_table(training: TrainingResults) -> WordTable:
    """What a training reached, beside where it began and what it learned from.

    Args:
        training: The results of a distillation or of a teacher's training.

    Returns:
        One row for each network and step with known accuracy.
    """
    others = {"teacher": training.teacher, "before": training.before}
    rows = [
        (name, NOTHING, NOTHING, NOTHING, accuracy_words(network.accuracy_test))
        for name, network in others.items()
        if network is not None
    ]
    rows += [
        (
            name,
            f"{reached.epoch:g}",
            str(reached.step),
            accuracy_words(reached.accuracy_held_out),
            accuracy_words(reached.accuracy_test),
        )
        for name, reached in (("best held out", training.best), ("last", training.last))
    ]
    return WordTable(title="Accuracy", header=("", "epoch", "step", "held out", "test"), rows=tuple(rows))


def cost_table(model: NetworkFacts) -> WordTable:
    """The cost of the network that was trained.

    Args:
        model: Its facts.

    Returns:
        One row.
    """
    row = ("student", count_words(model.macs), count_words(model.parameters))
    return WordTable(title="Cost of one image", header=("", "MACs", "parameters"), rows=(row,))


def counts_table(student: StudentConfig) -> WordTable:
    """The cost of one image in every convention, student beside teacher.

    Args:
        student: A student's facts.

    Returns:
        One row a convention; exact counts.
    """
    names = {
        "macs": "MACs (conv + linear)",
        "paper": "MACs + BN + pooling",
        "thop": "thop",
        "flops": "FLOPs (torch)",
        "parameters": "parameters",
    }
    rows = [(words, *_compared(student.teacher_counts, student.counts, name)) for name, words in names.items()]
    return WordTable(title="Cost of one image", header=("", "teacher", "student", "kept"), rows=tuple(rows))


def _compared(teacher: Counts, student: Counts, name: str) -> tuple[str, ...]:
    before, after = int(getattr(teacher, name)), int(getattr(student, name))
    return (f"{before:,}", f"{after:,}", percent_words(after / before if before else None))


def blocks_table(student: StudentConfig) -> WordTable:
    """What went, block by block.

    Args:
        student: A student's facts.

    Returns:
        One row a block; the drop ratios are shares of input channels that went, over connections and over channels
        where the network has dense blocks.
    """
    is_dense = bool(dense_groups(student.blocks))
    between = ("connections", "channels") if is_dense else ("layers", "filters")
    rows = [
        (
            block.name,
            f"{block.num_kept_inputs}/{block.inputs}",
            percent_words(block.drop_ratio),
            *(_ratio_words(block) if is_dense else _size_words(block)),
            count_words(block.macs_before),
            count_words(block.macs_after),
            percent_words(block.macs_after / block.macs_before if block.macs_before else None),
        )
        for block in student.blocks
    ]
    return WordTable(
        title="Input channels dropped and multiply-accumulates kept, by block",
        header=("block", "inputs", "dropped", *between, "MACs", "after", "kept"),
        rows=tuple(rows),
    )


def _ratio_words(block: BlockShare) -> tuple[str, str]:
    return (percent_words(block.connections_drop_ratio), percent_words(block.channels_drop_ratio))


def _size_words(block: BlockShare) -> tuple[str, str]:
    return (str(len(block.readers)), f"{block.num_kept_outputs}/{block.outputs}")


def lost_layers(student: StudentConfig) -> tuple[str, ...]:
    """The layers that lost all their inputs, and those that had to keep one.

    Args:
        student: A student's facts.

    Returns:
        One line a kind, with the module paths; none of a kind that does not occur.
    """
    kinds = (("Removed", student.removed), ("Kept at one channel", student.at_one_channel))
    return tuple(f"{words} ({len(paths)}): {', '.join(paths)}" for words, paths in kinds if paths)
