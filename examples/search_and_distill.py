"""Search a student that costs at most 60 % of its teacher, distil the teacher into it, and load it.

Runs on embedded digits in a few seconds: python examples/search_and_distill.py FOLDER
"""

import sys
from pathlib import Path

import torch

import studentsearch
from studentsearch.api import (
    ComputeOptions,
    DistillOptions,
    SearchOptions,
    SearchRecipe,
    TrainingRecipe,
    distill,
    search,
)


def main(folder: Path) -> None:
    """Search, distil, load.

    Args:
        folder: Where the two runs are written.
    """
    compute = ComputeOptions(device="cpu", precision="float32", threads=1)
    (found,) = search(
        SearchOptions(
            teacher="densenet_digits",
            budgets=("60%",),
            out=folder / "search",
            compute=compute,
            recipe=SearchRecipe(steps=80, gate_rate=0.3, weight_rate=0.3),
        )
    )
    print(f"as cut: {found.macs:,} multiply-accumulates, {found.accuracy_test:.2f} % of the test images")

    distilled = distill(
        DistillOptions(
            student=folder / "search",
            out=folder / "distill",
            init="inherit",
            compute=compute,
            recipe=TrainingRecipe(epochs=3, batch=64, rate=0.02, schedule="cosine"),
        )
    )
    print(f"distilled: {distilled.last.accuracy_test:.2f} %; the teacher: {distilled.teachers[0]:.2f} %")

    student = studentsearch.load(distilled.folder)
    logits = student(torch.zeros(1, 1, 8, 8))
    print(f"loaded from {distilled.folder}: logits of shape {tuple(logits.shape)}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example"))
