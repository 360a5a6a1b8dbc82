"""Search a student that costs at most 60 % of its teacher, distil the teacher into it, and load it.

Runs on embedded digits in a few seconds: python examples/search_and_distill.py FOLDER
"""

import argparse
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


def run(folder: Path, flops: str, epochs: int) -> None:
    """Search, distil, load.

    Args:
        folder: Where the two runs are written.
        flops: Share of the teacher's multiply-accumulates that is kept, such as 60%.
        epochs: Length of the distillation.
    """
    compute = ComputeOptions(device="cpu", precision="float32", threads=1)
    (found,) = search(
        SearchOptions(
            teacher="densenet_digits",
            budgets=(flops,),
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
            recipe=TrainingRecipe(epochs=epochs, batch=64, rate=0.02, schedule="cosine"),
        )
    )
    print(f"distilled: {distilled.last.accuracy_test:.2f} %; the teacher: {distilled.teachers[0]:.2f} %")

    student = studentsearch.load(distilled.folder)
    logits = student(torch.zeros(1, 1, 8, 8))
    print(f"loaded from {distilled.folder}: logits of shape {tuple(logits.shape)}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Search a student in a small DenseNet and distil it.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/example"))
    parser.add_argument("--flops", default="60%", help="what is kept of the teacher")
    parser.add_argument("--epochs", type=int, default=3, help="length of the distillation")
    arguments = parser.parse_args()
    run(arguments.folder, arguments.flops, arguments.epochs)


if __name__ == "__main__":
    main()
