"""The count job: what one image costs, in every convention of the field."""

from __future__ import annotations

from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.graph.outputs import name_any_output
from studentsearch.jobs.checks import require_count
from studentsearch.jobs.gating import gating_lines
from studentsearch.models.reference import parse_model
from studentsearch.models.registry import build_model, usual_sizes
from studentsearch.progress import Progress
from studentsearch.records.counts import Counts
from studentsearch.student.counts import count_everything
from studentsearch.student.folder import read_student
from studentsearch.student.plain import plain_network


def count(
    model: str,
    *,
    num_classes: int | None = None,
    input_shape: tuple[int, int, int] | None = None,
    more_shapes: tuple[tuple[int, int, int], ...] = (),
    skip: tuple[str, ...] = (),
    logits: str | None = None,
    progress: Progress | None = None,
) -> Counts:
    """Count a network.

    Args:
        model: Any model name, or a student folder (which has its own classes and shape).
        num_classes: Classes of a network that is built by name; None means what it is usually built for.
        input_shape: `[C, H, W]` of one image; None likewise.
        more_shapes: Those of the further inputs of a network of several.
        skip: Patterns of module paths whose layers would keep all channels in a search.
        logits: Name or position of the output that a search would hold to the teacher's; None means a student's own, or
            the usual one.
        progress: Hears what a search would gate, what would keep all channels, and why; None for silence.

    Returns:
        Multiply-accumulates by convention, and parameters.
    """
    asked = () if input_shape is None else (input_shape,)
    require_count(model=model, num_classes=num_classes, input_shapes=(*asked, *more_shapes))
    reference = parse_model(model)
    if reference.is_student:
        student = read_student(reference.path)
        module, (shape, *others) = student.module, student.spec.input_shapes
        logits = logits or str(student.spec.logits)
        shapes = (input_shape or shape, *(more_shapes or others))
    else:
        usual = usual_sizes(model)
        shape = input_shape or (usual.in_channels, usual.image_size, usual.image_size)
        module = build_model(
            model, num_classes=num_classes or usual.num_classes, in_channels=shape[0], image_size=min(shape[1:])
        )
        shapes = (shape, *more_shapes)
    plain = plain_network(module, *shapes, skip=skip)
    network = name_any_output(plain.network, logits, source=model)
    if progress is not None:
        for line in gating_lines(GatedNetwork.of(network), size_step=plain.size_step):
            progress.say(line)
    return count_everything(plain.module, network)
