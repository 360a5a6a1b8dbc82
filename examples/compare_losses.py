"""Which loss teaches best? One study: a student alone, with KL, with cross-layer matrices, and with two teachers.

Runs on digits in less than half a minute; stopped, it goes on where it was: python examples/compare_losses.py FOLDER
"""

import sys
from pathlib import Path

from studentsearch.api import ComputeOptions, DataOptions, StudyOptions, TrainingRecipe, compare, study


def main(folder: Path) -> None:
    """Teach the teachers, distil with every loss, print the table.

    Args:
        folder: Where all runs are written.
    """
    recipe = TrainingRecipe(epochs=3, batch=64, rate=0.05, schedule="cosine")
    study(
        StudyOptions(
            teacher="resnet20",
            student="resnet8",
            out=folder,
            rows=("alone", "P2", "P1+P2", "P1+P2+P3"),
            num_teachers=2,
            seeds=1,
            data=DataOptions(name="digits"),
            compute=ComputeOptions(device="cpu", precision="float32", threads=1),
            teaching=recipe,
            distilling=recipe,
        )
    )
    table = compare(folder)
    print(table[["what", "student", "parameters", "top1_last_mean", "gain_last"]].to_string(index=False))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/losses"))
