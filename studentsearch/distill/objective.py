"""What distillation minimises: the task, the teachers' answers, and what their feature maps know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from studentsearch.distill.clipping import clipping, combined_gradients, gradient_norm
from studentsearch.distill.ensemble import ensemble_term
from studentsearch.distill.loss import DistillationTerms, Knowledge
from studentsearch.divergence import distillation_kl
from studentsearch.engine.objective import Autocast, Moment

Observe = Callable[[Tensor], Knowledge]
"""From inputs `[B, C, H, W]` to what a network says about them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Losses:
    """The terms of one batch, weighted but for what is only shown."""

    main: Tensor
    knowledge: Tensor | None
    shown: dict[str, Tensor] = field(default_factory=dict)


class Distillation:
    """The objective of one student and its teachers; each is asked once a step."""

    def __init__(
        self,
        student: Observe,
        teachers: Sequence[Observe],
        terms: DistillationTerms,
        *,
        parameters: Sequence[nn.Parameter],
        adapters: Sequence[nn.Module],
        autocast: Autocast,
    ) -> None:
        """Keep what is asked, and how answers are weighed.

        Args:
            student: The network that is trained.
            teachers: Frozen networks in evaluation mode.
            terms: The loss.
            parameters: Those of the student.
            adapters: One a teacher, from its feature maps to maps of the student's widths.
            autocast: Makes the context of a forward pass.
        """
        self._student, self._teachers, self._terms = student, tuple(teachers), terms
        self._parameters, self._autocast = tuple(parameters), autocast
        self.trained = nn.ModuleList(adapters)

    def backward(self, inputs: Tensor, labels: Tensor, moment: Moment) -> Mapping[str, Tensor]:
        """Leave the gradients of one batch; clipped, that is two backward passes of one forward pass.

        Args:
            inputs: `[B, C, H, W]`.
            labels: `[B]`.
            moment: Its epoch is the p of the clipping, its share tells the first stage from the second.

        Returns:
            `loss`, `cross_entropy`, and where they exist `kl`, `knowledge`, `tau`, `beta`; `knowledge` is not a number
            while it rests.
        """
        losses = self._losses(inputs, labels, moment)
        if losses.knowledge is None or self._terms.clipping == "off":
            total = losses.main if losses.knowledge is None else losses.main + losses.knowledge
            total.backward()  # type: ignore[no-untyped-call]
            return {"loss": total.detach(), **losses.shown}
        ratios = self._backward_clipped(losses.main, losses.knowledge, moment.epoch)
        return {"loss": (losses.main + losses.knowledge).detach(), **losses.shown, **ratios}

    def _losses(self, inputs: Tensor, labels: Tensor, moment: Moment) -> _Losses:
        terms, weights = self._terms, self._terms.weights
        is_first, is_second = moment.share < terms.first_stage, 0 < terms.first_stage <= moment.share
        teachers = self._ask_teachers(inputs) if terms.needs_teachers and not is_second else ()
        with self._autocast():
            student = self._student(inputs)
        hard = F.cross_entropy(student.logits.float(), labels)
        main = weights.cross_entropy * hard
        shown = {"cross_entropy": hard.detach()}
        if weights.kl > 0:
            soft = torch.stack([self._kl(student, teacher) for teacher in teachers]).mean()
            main = main + weights.kl * soft
            shown["kl"] = soft.detach()
        if terms.term is None:
            return _Losses(main=main, knowledge=None, shown=shown)
        if is_second:
            return _Losses(main=main, knowledge=None, shown={**shown, "knowledge": torch.full_like(hard, torch.nan)})
        warmth = 1.0 if terms.warm_up is None else terms.warm_up.factor(moment)
        knowledge = weights.knowledge * warmth * ensemble_term(student, teachers, labels, terms.term)
        shown["knowledge"] = knowledge.detach()
        return _Losses(main=torch.zeros_like(main) if is_first else main, knowledge=knowledge, shown=shown)

    def _ask_teachers(self, inputs: Tensor) -> tuple[Knowledge, ...]:
        """What each teacher says, its feature maps at the student's widths."""
        with torch.no_grad(), self._autocast():
            answers = [teacher(inputs) for teacher in self._teachers]
        with self._autocast():
            return tuple(
                Knowledge(logits=answer.logits, points=adapter(answer.points))
                for answer, adapter in zip(answers, self.trained, strict=True)
            )

    def _kl(self, student: Knowledge, teacher: Knowledge) -> Tensor:
        terms = self._terms
        return distillation_kl(
            student.logits,
            teacher.logits,
            temperature=terms.temperature,
            squared_temperature=terms.squared_temperature,
            reverse=terms.reverse,
        )

    def _backward_clipped(self, main: Tensor, knowledge: Tensor, epoch: int) -> dict[str, Tensor]:
        adapting = tuple(self.trained.parameters())
        every = (*self._parameters, *adapting)
        main_gradients = torch.autograd.grad(main, self._parameters, retain_graph=True, allow_unused=True)
        gradients = torch.autograd.grad(knowledge, every, allow_unused=True)
        norms = gradient_norm(main_gradients), gradient_norm(gradients[: len(self._parameters)])
        ratio = clipping(*norms, epoch=epoch, mode=self._terms.clipping)
        combined = combined_gradients((*main_gradients, *(None for _ in adapting)), gradients, ratio.factor)
        for parameter, gradient in zip(every, combined, strict=True):
            parameter.grad = gradient
        return {"tau": ratio.tau, "beta": ratio.beta}
