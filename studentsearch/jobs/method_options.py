"""How a student is taught, as a user chooses it, and what that means; needs no torch until a loss is chosen."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from studentsearch.distill.loss import AnyTerm, DistillationTerms, LossWeights, Method
from studentsearch.distill.methods import method
from studentsearch.distill.warm_up import WarmUp
from studentsearch.errors import UsageError

if TYPE_CHECKING:
    from studentsearch.distill.clipping import ClippingMode

SettingValue: TypeAlias = bool | int | float | str

OPTIONS_OF_SETTINGS = {"max_distance": "--cross", "reduction": "--gram-sum"}
"""Settings of a loss that have an option of the command line beside `--loss-setting`."""
SHARED_SETTINGS = ("temperature", "squared_temperature")
"""Settings that a loss shares with the KL term: it has what `--temperature` and `--squared-temperature` say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodOptions:
    """What a user chooses of the loss; weights of None mean what the method is published or usually run with.

    Attributes:
        name: A name of `studentsearch.distill.methods`.
        cross_entropy: Weight of the cross entropy to the labels.
        kl: Weight of the KL to the teachers' softened outputs.
        knowledge: Weight of the method's own term, the knowledge term.
        temperature: Of both softmax outputs.
        squared_temperature: Whether the KL is multiplied by temperature ** 2. Hinton's and DKD's are, as published; the
            cross-layer paper prints no factor, but at temperature 4 its KL would weigh a sixteenth.
        reverse: Whether the KL is KL(student || teacher).
        settings: Settings of the method's own loss by name, as values or as their text: `{"max_distance": 2}`.
        clipping: Whether the gradient of the method's own term is scaled by its ratio to the others'.
        warm_up_epochs: Epochs over which the weight of the method's own term grows; None means as published (only dkd:
            20, half of the training at most), 0 means no warm-up.
        teacher_points: Feature points of the teachers by name; none means the usual ones.
        student_points: Feature points of the student by name; none means the usual ones.
    """

    name: str = "hinton"
    cross_entropy: float | None = None
    kl: float | None = None
    knowledge: float | None = None
    temperature: float = 4.0
    squared_temperature: bool = True
    reverse: bool = False
    settings: Mapping[str, SettingValue] = field(default_factory=dict)
    clipping: ClippingMode = "off"
    warm_up_epochs: int | None = None
    teacher_points: tuple[str, ...] = ()
    student_points: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything, before a run folder is made.

        Raises:
            UsageError: The temperature is not positive, or a weight negative.
        """
        if not 0 < self.temperature < math.inf:
            raise UsageError(f"found temperature {self.temperature}; expected a number above 0; 4 is usual")
        weights = (self.cross_entropy, self.kl, self.knowledge)
        if not all(weight is None or 0 <= weight < math.inf for weight in weights):
            given = " ".join(str(weight) for weight in weights if weight is not None)
            raise UsageError(f"found weights of losses {given}; expected numbers from 0 upward")
        if self.warm_up_epochs is not None and self.warm_up_epochs < 0:
            raise UsageError(f"found --knowledge-warmup {self.warm_up_epochs}; expected 0 epochs or more; dkd takes 20")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenMethod:
    """A method, and everything of its loss that the user did not choose filled in.

    Attributes:
        method: Its row of the table.
        options: What the user chose.
        terms: The loss in full; without a knowledge term where its weight is 0.
    """

    method: Method
    options: MethodOptions
    terms: DistillationTerms

    @property
    def temperature(self) -> float | None:
        """The temperature of the softened answers that are compared; None where feature maps alone are."""
        terms = self.terms
        is_softened = terms.weights.kl > 0 or hasattr(terms.term, "temperature")
        return terms.temperature if is_softened else None


def chosen_method(options: MethodOptions) -> ChosenMethod:
    """What a user's choice means; this imports the chosen loss.

    Args:
        options: What the user chose.

    Returns:
        The method and its settings.

    Raises:
        UsageError: No such method or setting, all weights 0, or clipping of a term that is minimised alone.
    """
    chosen = method(options.name)
    if chosen.first_stage and options.clipping != "off":
        raise UsageError(
            f"found --clip {options.clipping} with --method {chosen.name}, whose term is minimised alone; "
            "expected another beside it that a ratio is taken to; leave --clip out, or take --method fsp_kd"
        )
    weights, term = _weights(chosen, options), _term(chosen, options)
    has_term = term is not None and weights.knowledge > 0
    if not (weights.cross_entropy > 0 or weights.kl > 0 or has_term):
        raise UsageError(f"found only weights of 0 for --method {chosen.name}; give one of its terms a weight")
    terms = DistillationTerms(
        weights=weights,
        term=term if has_term else None,
        temperature=options.temperature,
        squared_temperature=options.squared_temperature,
        reverse=options.reverse,
        clipping=options.clipping if has_term else "off",
        first_stage=chosen.first_stage if has_term else 0.0,
        warm_up=_warm_up(options.warm_up_epochs, chosen.warm_up) if has_term else None,
    )
    return ChosenMethod(method=chosen, options=options, terms=terms)


def _weights(chosen: Method, options: MethodOptions) -> LossWeights:
    given = {"cross_entropy": options.cross_entropy, "kl": options.kl, "knowledge": options.knowledge}
    return replace(chosen.weights, **{name: weight for name, weight in given.items() if weight is not None})


def _warm_up(epochs: int | None, published: WarmUp | None) -> WarmUp | None:
    if epochs is None:
        return published
    return WarmUp(epochs=epochs) if epochs else None


def _term(chosen: Method, options: MethodOptions) -> AnyTerm | None:
    """A method's own term, the user's settings decoded to what its fields expect."""
    names = () if chosen.term is None else _setting_names(chosen.term)
    for name in options.settings:
        if name in SHARED_SETTINGS:
            raise UsageError(
                f"found --loss-setting {name}; it has an option of its own; use --{name.replace('_', '-')}"
            )
        if name not in names:
            raise UsageError(_unknown_setting(name, chosen.name, names))
    if chosen.term is None:
        return None
    shared = {"temperature": options.temperature, "squared_temperature": options.squared_temperature}
    values = {name: value for name, value in shared.items() if name in names} | dict(options.settings)
    try:
        term = msgspec.convert(values, type=chosen.term, strict=False)
    except (msgspec.ValidationError, TypeError) as error:
        raise UsageError(f"found a setting of --method {chosen.name} that it cannot have: {error}; mend it") from error
    odd = next(
        (name for name in names if isinstance(value := getattr(term, name), float) and not math.isfinite(value)), None
    )
    if odd is not None:
        raise UsageError(
            f"found setting {odd} of --method {chosen.name} at {getattr(term, odd)}; expected a finite number"
        )
    return term


def _setting_names(term: type[AnyTerm]) -> tuple[str, ...]:
    return tuple(setting.name for setting in fields(term))


def _unknown_setting(name: str, method_name: str, names: tuple[str, ...]) -> str:
    own = [known for known in names if known not in SHARED_SETTINGS]
    nearest = difflib.get_close_matches(name, own, n=3, cutoff=0.5) or own
    found = OPTIONS_OF_SETTINGS.get(name, f"--loss-setting {name}")
    expected = f"nearest: {', '.join(nearest)}" if nearest else "it has none; leave it out"
    return f"found {found} with --method {method_name}, which has no such setting; {expected}"
