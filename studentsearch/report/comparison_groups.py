"""Which runs make a row of a comparison, which rows belong together, and what each gains over `none`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studentsearch.errors import RunFolderError
from studentsearch.records.names import MANIFEST_NAME, VIA_FOLDER
from studentsearch.records.results import Reached
from studentsearch.report.comparison_facts import Comparison, RunGroup, top1
from studentsearch.report.comparison_runs import DEPTH, FinishedRun, Setting, Task, UnfinishedRun, find_runs, read_runs
from studentsearch.report.run_facts import KINDS, is_student_alone
from studentsearch.report.words import value_words
from studentsearch.runs.manifest import read_manifest

_BASELINE = "none"
# A gain is one of method alone: student, start, images and recipe are the same. Pixels are normalised as the teacher's.
_SAME_TASK = ("student_sha256", "init", "precision", "data.fingerprint", "data.augment", "recipe.")
_NUM_DIFFERENCES_NAMED = 2
_UNSAID = ("recipe", "terms", "settings")

_Identity = tuple[Setting, ...]


def has_stages(path: Path) -> bool:
    """Whether a run taught a temporal network first, whose run lies within it."""
    return (path / VIA_FOLDER / MANIFEST_NAME).is_file()


def is_comparison(paths: Sequence[Path]) -> bool:
    """Whether a report of these folders is one of several runs side by side.

    Args:
        paths: At least one folder that a user named.

    Returns:
        True for several folders, and for one that has no report of its own but holds runs.
    """
    if len(paths) > 1:
        return True
    (path,) = paths
    if is_student_alone(path) or not path.is_dir():
        return False
    own = read_manifest(path).kind if (path / MANIFEST_NAME).is_file() else None
    return own not in KINDS and any(found != path for found in find_runs(paths))


def read_comparison(paths: Sequence[Path]) -> Comparison:
    """The teach and distill runs among and below some folders, side by side.

    Args:
        paths: Run folders, or folders that hold runs at most `comparison_runs.DEPTH` folders deep.

    Returns:
        The facts.

    Raises:
        RunFolderError: No such run there; give other folders.
    """
    runs = tuple(read_runs(find_runs(paths)))
    if not runs:
        raise RunFolderError(
            f"found no teach or distill run in {', '.join(map(str, paths))} nor {DEPTH} folders below; "
            "give folders that such runs wrote"
        )
    joined = _bundles(runs)
    bundles = [bundle for them in joined for bundle in them]
    return Comparison(
        sections=tuple(tuple(_group(bundle, bundles) for bundle in section) for section in _sections(joined)),
        unfinished=tuple(run for run in runs if isinstance(run, UnfinishedRun)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bundle:
    """The runs of a group before it is compared with others.

    Attributes:
        runs: In order of seeds.
        stage: 1 or 2 where it is a stage; else None.
    """

    runs: tuple[FinishedRun, ...]
    stage: int | None

    @property
    def task(self) -> Task:
        return self.runs[0].task

    @property
    def is_baseline(self) -> bool:
        return self.task.kind == "distill" and self.task.method == _BASELINE

    @property
    def look(self) -> tuple[str | float | int | None, ...]:
        """What a table shows of it beside results."""
        epoch = self.runs[0].results.last.epoch
        return (self.task.what, self.task.student, self.task.teachers_words, self.stage, epoch)


def _bundles(runs: Sequence[FinishedRun | UnfinishedRun]) -> list[list[_Bundle]]:
    """Runs that differ in seed alone, in the order of their first; a first stage stands before its second one."""
    second_of = {(run.path / VIA_FOLDER).resolve(): run.task for run in runs if run.task.via is not None}
    members: dict[_Identity, dict[int | None, list[FinishedRun]]] = {}
    for run in runs:
        if isinstance(run, FinishedRun):
            # A first stage belongs to its second one, however alike others are.
            second = second_of.get(run.path.resolve())
            stage = 1 if second else None if run.task.via is None else 2
            members.setdefault(_identity(second or run.task), {}).setdefault(stage, []).append(run)
    return [
        [
            _Bundle(runs=tuple(sorted(stages[stage], key=lambda run: run.task.seed)), stage=stage)
            for stage in (None, 1, 2)
            if stage in stages
        ]
        for stages in members.values()
    ]


def _identity(task: Task) -> _Identity:
    """What runs of a group have in common but for the seed."""
    return (Setting(key="kind", value=task.kind), Setting(key="trained", value=task.student), *task.settings)


def _sections(joined: Sequence[Sequence[_Bundle]]) -> list[list[_Bundle]]:
    """Teachers, then student by student, `none` in front and two stages at the end."""
    # Rows named as sums of others, such as P1+P2, come after those.
    in_order = sorted(joined, key=lambda them: (not them[-1].is_baseline, len(them) > 1, them[-1].task.what.count("+")))
    students = dict.fromkeys(_student(them) for them in joined)
    sections = ([bundle for them in in_order if _student(them) == student for bundle in them] for student in students)
    return sorted(sections, key=lambda section: section[-1].task.kind != "teach")


def _student(joined: Sequence[_Bundle]) -> str | None:
    """Whose section it is; None for all teachers."""
    task = joined[-1].task
    return task.student if task.kind == "distill" else None


def _group(bundle: _Bundle, bundles: Sequence[_Bundle]) -> RunGroup:
    baseline = [run for other in bundles if _is_baseline_of(other, bundle) for run in other.runs]
    return RunGroup(
        runs=bundle.runs,
        stage=bundle.stage,
        difference=_difference(bundle, [other for other in bundles if other.look == bundle.look]),
        gain_last=_gain([run.results.last for run in bundle.runs], [run.results.last for run in baseline]),
        gain_best=_gain([run.results.best for run in bundle.runs], [run.results.best for run in baseline]),
    )


def _is_baseline_of(other: _Bundle, bundle: _Bundle) -> bool:
    is_method = bundle.task.kind == "distill" and not bundle.is_baseline
    return is_method and other.is_baseline and _same_task(other.task) == _same_task(bundle.task)


def _same_task(task: Task) -> tuple[str | Setting, ...]:
    return (task.student, *(setting for setting in task.settings if setting.key.startswith(_SAME_TASK)))


def _gain(moments: Sequence[Reached], baseline: Sequence[Reached]) -> float | None:
    return top1(moments).mean - top1(baseline).mean if baseline else None


def _difference(bundle: _Bundle, alike: Sequence[_Bundle]) -> str:
    """The settings in which a bundle differs from those that look alike, some of them."""
    options = [{setting.key: setting.value for setting in other.task.settings} for other in alike]
    own = {setting.key: setting.value for setting in bundle.task.settings}
    keys = dict.fromkeys(key for values in options for key in values)
    differing = [key for key in keys if len({values.get(key) for values in options}) > 1]
    words = [f"{_option_words(key)} {value_words(own.get(key, 'unset'))}" for key in differing[:_NUM_DIFFERENCES_NAMED]]
    more = len(differing) - _NUM_DIFFERENCES_NAMED
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")


def _option_words(key: str) -> str:
    """The path of an option without what goes without saying."""
    return " ".join(word for word in key.split(".") if word not in _UNSAID and not word.isdecimal()).replace("_", " ")
