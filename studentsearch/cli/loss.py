"""The options of a distillation's loss."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from studentsearch.errors import UsageError

if TYPE_CHECKING:
    from studentsearch.jobs.method_options import MethodOptions

_TERMS = "Distillation"
_CROSS_LAYER = "cross_layer"
MethodName = Annotated[
    str | None,
    typer.Option(
        "--method", metavar="NAME", help="What is compared; `--method list` shows all.", rich_help_panel=_TERMS
    ),
]
Cross = Annotated[
    int | None,
    typer.Option(
        "--cross",
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
Temperature = Annotated[float, typer.Option("--temperature", help="Of both softmax outputs.", rich_help_panel=_TERMS)]
PlainTemperature = Annotated[
    bool,
    typer.Option("--plain-temperature", help="The KL is not multiplied by temperature^2.", rich_help_panel=_TERMS),
]
ReverseKl = Annotated[bool, typer.Option("--reverse-kl", help="KL(student || teacher).", rich_help_panel=_TERMS)]
HardWeight = Annotated[
    float | None,
    typer.Option(
        "--lambda",
        min=0,
        max=1,
        help="Share of the labels in --method hinton, the teachers have the rest; 0.1 without it.",
        rich_help_panel=_TERMS,
    ),
]
CrossEntropyWeight = Annotated[
    float | None, typer.Option("--ce-weight", min=0, help="Of the cross entropy.", rich_help_panel=_TERMS)
]
KlWeight = Annotated[float | None, typer.Option("--kl-weight", min=0, help="Of the KL.", rich_help_panel=_TERMS)]
KnowledgeWeight = Annotated[
    float | None, typer.Option("--kd-weight", min=0, help="Of the method's own term.", rich_help_panel=_TERMS)
]
ClippingName = Annotated[
    Literal["printed", "reversed", "off"] | None,
    typer.Option(
        "--clip",
        help="Scale the gradient of the method's own term by its ratio to the others': where it is smaller (as "
        "printed), where it is larger, or never (without it, but for presets: printed).",
        rich_help_panel=_TERMS,
    ),
]
Points = Annotated[
    str | None,
    typer.Option(
        "--points",
        metavar="A,B,...",
        help="Feature points, instead of the usual: paths of layers or parts, shallow to deep.",
        rich_help_panel=_TERMS,
    ),
]
TeacherPoints = Annotated[
    str | None,
    typer.Option(
        "--teacher-points",
        metavar="A,B,...",
        help="Those of the teachers, where their names differ.",
        rich_help_panel=_TERMS,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossGroup:
    """What is compared, and how it is weighed."""

    method: MethodName = None
    cross: Cross = None
    gram_sum: GramSum = False
    temperature: Temperature = 4.0
    plain_temperature: PlainTemperature = False
    reverse_kl: ReverseKl = False
    hard_weight: HardWeight = None
    ce_weight: CrossEntropyWeight = None
    kl_weight: KlWeight = None
    kd_weight: KnowledgeWeight = None
    clip: ClippingName = None
    points: Points = None
    teacher_points: TeacherPoints = None

    def options(self, *, is_published: bool) -> "MethodOptions":
        """What the user chose.

        Args:
            is_published: Whether cross-layer matrices and printed clipping hold where nothing was chosen.

        Returns:
            The options of the job.

        Raises:
            UsageError: Options that exclude each other.
        """
        from studentsearch.jobs.method_options import MethodOptions

        if self.cross is not None and self.method not in {None, _CROSS_LAYER}:
            raise UsageError(
                f"found --cross with --method {self.method}; it goes with cross_layer, or without --method"
            )
        usual = _CROSS_LAYER if is_published or self.cross is not None else "hinton"
        name = self.method or usual
        if self.hard_weight is not None and name != "hinton":
            raise UsageError(
                f"found --lambda with --method {name}; it goes with hinton; use --ce-weight and --kl-weight"
            )
        hard = self.hard_weight
        return MethodOptions(
            name=name,
            cross_entropy=hard if self.ce_weight is None else self.ce_weight,
            kl=1 - hard if self.kl_weight is None and hard is not None else self.kl_weight,
            knowledge=self.kd_weight,
            temperature=self.temperature,
            squared_temperature=not self.plain_temperature,
            reverse=self.reverse_kl,
            max_distance=3 if self.cross is None else self.cross,
            reduction="sum" if self.gram_sum else "mean",
            clipping=self.clip or ("printed" if is_published and name == _CROSS_LAYER else "off"),
            teacher_points=_names(self.teacher_points or self.points),
            student_points=_names(self.points),
        )


def _names(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(name.strip() for name in text.split(",") if name.strip())
