"""A sweep over search settings with Optuna: which learning rates give the best student as cut, before distillation.

Runs on embedded digits: python examples/sweep.py FOLDER --trials 20
Start it several times with the same FOLDER, on one machine or on several that share the folder: the processes work on
one study, kept in FOLDER/journal.log. Needs the extra: pip install 'studentsearch[sweep]'
"""

import argparse
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from studentsearch.api import ComputeOptions, SearchOptions, SearchRecipe, search
from studentsearch.errors import BudgetNotReachedError, DivergedError


def held_out_accuracy(trial: optuna.Trial, folder: Path, flops: str, steps: int) -> float:
    """Accuracy of one search with the settings of a trial.

    Args:
        trial: Chooses the settings.
        folder: Holds one run a trial.
        flops: What is kept of the teacher, such as 60%.
        steps: Length of each search.

    Returns:
        Percent of the held-out training images; test images choose no settings.
    """
    recipe = SearchRecipe(
        steps=steps,
        gate_rate=trial.suggest_float("gate_rate", 0.05, 0.5, log=True),
        weight_rate=trial.suggest_float("weight_rate", 0.02, 0.5, log=True),
        batch=trial.suggest_categorical("batch", [32, 64, 128]),
    )
    options = SearchOptions(
        teacher="densenet_digits",
        budgets=(flops,),
        out=folder / f"trial-{trial.number}",
        compute=ComputeOptions(device="cpu", precision="float32", threads=1),
        recipe=recipe,
    )
    (student,) = search(options)
    trial.set_user_attr("macs", student.macs)
    return student.accuracy_held_out


def main() -> None:
    """Run some trials of the study, and show the best of all processes so far."""
    parser = argparse.ArgumentParser(description="Sweep search settings on embedded digits.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/sweep"))
    parser.add_argument("--trials", type=int, default=10, help="trials of this process")
    parser.add_argument("--flops", default="60%", help="what is kept of the teacher")
    parser.add_argument("--steps", type=int, default=100, help="steps of each search")
    parser.add_argument("--seed", type=int, help="seed of the choice of settings; give every process another one")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="search",
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=arguments.seed),
        storage=JournalStorage(JournalFileBackend(str(arguments.folder / "journal.log"))),
        load_if_exists=True,
    )
    study.optimize(
        lambda trial: held_out_accuracy(trial, arguments.folder, arguments.flops, arguments.steps),
        n_trials=arguments.trials,
        catch=(BudgetNotReachedError, DivergedError),  # a failed trial is a result of its settings
    )
    if not study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)):
        raise SystemExit(f"none of {len(study.trials)} trials met the budget; give more --steps")
    best = study.best_trial
    print(f"trial {best.number} of {len(study.trials)}: {best.value:.2f} % held out, {best.params}")


if __name__ == "__main__":
    main()
