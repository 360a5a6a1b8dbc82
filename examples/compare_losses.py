"""Which loss teaches best? A study of a student taught by labels alone, KL, cross-layer matrices, and two teachers.

Runs on digits in less than half a minute and continues where it was stopped: python examples/compare_losses.py FOLDER
"""

import argparse
from pathlib import Path

from studentsearch.api import ComputeOptions, DataOptions, StudyOptions, TrainingRecipe, compare, study


def run(folder: Path, steps: int, rows: tuple[str, ...]) -> None:
    """Teach the teachers, distil with every loss, print the table.

    Args:
        folder: Where all runs are written.
        steps: Length of every training.
        rows: The losses, by their names in the table.
    """
    recipe = TrainingRecipe(steps=steps, batch=64, rate=0.05, schedule="cosine")
    study(
        StudyOptions(
            teacher="resnet20",
            student="resnet8",
            out=folder,
            rows=rows,
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


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare losses on embedded digits.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/losses"))
    parser.add_argument("--steps", type=int, default=57, help="steps of every training; 57 are three epochs")
    parser.add_argument("--rows", default="alone,P2,P1+P2,P1+P2+P3", help="losses by their names in the table")
    arguments = parser.parse_args()
    run(arguments.folder, arguments.steps, tuple(arguments.rows.split(",")))


if __name__ == "__main__":
    main()
