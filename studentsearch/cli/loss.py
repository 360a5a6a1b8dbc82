"""The options of a distillation's loss."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from studentsearch.cli import options as option
from studentsearch.errors import UsageError

if TYPE_CHECKING:
    from studentsearch.jobs.method_options import MethodOptions, SettingValue

_TERMS = "Distillation"
MethodName = Annotated[
    str | None,
    typer.Option(
        "--method",
        metavar="NAME",
        help="The loss; `--method list` shows all. python:module:function takes one of your own.",
        rich_help_panel=_TERMS,
    ),
]
LossSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--loss-setting",
        metavar="NAME=VALUE",
        help="A setting of the method's own loss; `--method list` shows them. May be repeated.",
        rich_help_panel=_TERMS,
    ),
]
Cross = Annotated[
    int | None,
    typer.Option(
        "--cross",
        min=1,
        metavar="K",
        help="Cross-layer matrices between feature points up to K apart; 3 is published. Means --method cross_layer.",
        rich_help_panel=_TERMS,
    ),
]
GramSum = Annotated[
    bool,
    typer.Option(
        "--gram-sum",
        help="Sum the squared differences of Gram matrices' entries, as printed, instead of averaging them.",
        rich_help_panel=_TERMS,
    ),
]
HardWeight = Annotated[
    float | None,
    typer.Option(
        "--lambda",
        min=0,
        max=1,
        help="The weight of the labels in --method hinton (0.1 by default); the teachers have the rest.",
        rich_help_panel=_TERMS,
    ),
]
CrossEntropyWeight = Annotated[
    float | None,
    typer.Option("--ce-weight", min=0, help="The weight of the cross entropy to the labels.", rich_help_panel=_TERMS),
]
KlWeight = Annotated[
    float | None,
    typer.Option("--kl-weight", min=0, help="The weight of the KL to the teachers.", rich_help_panel=_TERMS),
]
KnowledgeWeight = Annotated[
    float | None,
    typer.Option("--knowledge-weight", min=0, help="The weight of the method's own term.", rich_help_panel=_TERMS),
]
KnowledgeWarmUp = Annotated[
    int | None,
    typer.Option(
        "--knowledge-warmup",
        min=0,
        metavar="EPOCHS",
        help="Epochs over which the weight of the method's own term grows; dkd takes 20 (half of the training at "
        "most), the others none.",
        rich_help_panel=_TERMS,
    ),
]
ClippingName = Annotated[
    Literal["printed", "reversed", "off"] | None,
    typer.Option(
        "--clip",
        help="Scale the gradient of the method's own term by its ratio to the others': where it is smaller (printed), "
        "where it is larger (reversed), or never. Off by default; printed in presets.",
        rich_help_panel=_TERMS,
    ),
]
Points = Annotated[
    str | None,
    typer.Option(
        "--points",
        metavar="A,B,...",
        help="Feature points that are compared, shallow to deep: paths of layers or parts of the networks.",
        rich_help_panel=_TERMS,
    ),
]
TeacherPoints = Annotated[
    str | None,
    typer.Option(
        "--teacher-points",
        metavar="A,B,...",
        help="Feature points of the teachers, where their names differ from the student's.",
        rich_help_panel=_TERMS,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossGroup:
    """What is compared, and how it is weighed."""

    method: MethodName = None
    loss_setting: LossSettings = None
    cross: Cross = None
    gram_sum: GramSum = False
    temperature: option.Temperature = 4.0
    squared_temperature: option.SquaredTemperature = True
    reverse_kl: option.ReverseKl = False
    hard_weight: HardWeight = None
    ce_weight: CrossEntropyWeight = None
    kl_weight: KlWeight = None
    knowledge_weight: KnowledgeWeight = None
    knowledge_warmup: KnowledgeWarmUp = None
    clip: ClippingName = None
    points: Points = None
    teacher_points: TeacherPoints = None

    def options(self, published: "MethodOptions | None") -> "MethodOptions":
        """What the user chose.

        Args:
            published: What a published pair is taught with; None without one.

        Returns:
            The options of the job.

        Raises:
            UsageError: Options that exclude each other.
        """
        from studentsearch.jobs.method_options import MethodOptions

        usual = published or (MethodOptions() if self.cross is None else MethodOptions(name="cross_layer"))
        name, hard = self.method or usual.name, self.hard_weight
        if hard is not None and name != "hinton":
            raise UsageError(
                f"found --lambda with --method {name}; it goes with hinton; use --ce-weight and --kl-weight"
            )
        return MethodOptions(
            name=name,
            cross_entropy=hard if self.ce_weight is None else self.ce_weight,
            kl=1 - hard if self.kl_weight is None and hard is not None else self.kl_weight,
            knowledge=self.knowledge_weight,
            temperature=self.temperature,
            squared_temperature=self.squared_temperature,
            reverse=self.reverse_kl,
            settings=self._settings(),
            clipping=self.clip or (usual.clipping if name == usual.name else "off"),
            warm_up_epochs=self.knowledge_warmup,
            teacher_points=_names(self.teacher_points or self.points),
            student_points=_names(self.points),
        )

    def _settings(self) -> "dict[str, SettingValue]":
        """The settings of the method's loss, each given once."""
        chosen: dict[str, SettingValue] = {}
        if self.cross is not None:
            chosen["max_distance"] = self.cross
        if self.gram_sum:
            chosen["reduction"] = "sum"
        for words in self.loss_setting or ():
            name, separator, value = words.partition("=")
            if not separator:
                raise UsageError(f"found --loss-setting {words}; expected NAME=VALUE, such as max_distance=2")
            if name in chosen:
                raise UsageError(f"found two values of the setting {name}, {chosen[name]} and {value}; give one")
            chosen[name] = value
        return chosen


def _names(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(name.strip() for name in text.split(",") if name.strip())
