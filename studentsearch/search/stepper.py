"""One search as it moves: weights by SGD, gates by the proximal step, the penalty by the count; nothing on disk."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from studentsearch.engine.runtime import Runtime
from studentsearch.engine.schedule import cosine
from studentsearch.engine.training_state import TrainingState, tensors_below
from studentsearch.errors import DivergedError
from studentsearch.finite import largest_magnitude, moving_tensors
from studentsearch.graph.channels import norm_followed
from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.graph.macs import Counts, full_macs
from studentsearch.graph.outputs import network_logits_path
from studentsearch.search.floor import indispensable_readers, keep_one_open
from studentsearch.search.gated import gated_forward, reader_means, scale_gradients
from studentsearch.search.objective import data_term
from studentsearch.search.optimizer import GateOptimizer
from studentsearch.search.pace import Pace
from studentsearch.search.penalty import FollowingPenalty, Forecast
from studentsearch.search.prox import ProximalRule
from studentsearch.search.recipe import SearchRecipe
from studentsearch.search.rush import GateStep, rush_words

_WEIGHT_MOMENTUM = 0.9
_USUAL_MOMENTUM = 0.9
_STANDING_MEMORY = 0.9  # the loss's ratio to that of a constant answer is averaged over about ten steps
_SMALLEST_CONSTANT = 1e-12
_CURE = "lower --weight-rate or --gate-rate, or take larger batches"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFacts:
    """What one step did.

    Attributes:
        loss: The data term in nats.
        penalty: lambda_2 in it.
        rate: The weights' learning rate it used.
        macs: Multiply-accumulates after it.
        target_macs: The count that was planned.
        open_share: Share of gates that are open.
        gate_mean: Mean of the open gates.
        mean_of_all: Mean of all gates.
        negative_share: Share of gates below zero.
    """

    loss: float
    penalty: float
    rate: float
    macs: int
    target_macs: float
    open_share: float
    gate_mean: float
    mean_of_all: float
    negative_share: float


class SearchStepper:
    """The gated copy of a teacher, its optimizers and its penalty."""

    def __init__(
        self,
        teacher: nn.Module,
        gated: GatedNetwork,
        recipe: SearchRecipe,
        *,
        budget_macs: int,
        runtime: Runtime,
    ) -> None:
        """Start at the teacher, all gates open.

        `standing` is how the loss of late compares with that of a network whose classes are all equally likely: from 0,
        at 1 no better; it stays 0 under a KL target.

        Args:
            teacher: In evaluation mode, on the runtime's device.
            gated: Its trace and its gates.
            recipe: How the search moves.
            budget_macs: The last budget, which the pace leads to.
            runtime: Where and how precisely to compute.
        """
        self._teacher, self._gated, self._recipe, self._runtime = teacher, gated, recipe, runtime
        self._logits_of = network_logits_path(gated.network).taken_from
        self.module = copy.deepcopy(teacher).train()
        self.pace = Pace(
            full_macs=full_macs(gated.network), budget_macs=budget_macs, steps=recipe.steps, exponent=recipe.pace
        )
        self.macs = self.pace.full_macs
        self._floor = indispensable_readers(gated)
        self._normed = norm_followed(gated.network)
        self._sgd = torch.optim.SGD(
            self.module.parameters(),
            lr=recipe.weight_rate,
            momentum=_WEIGHT_MOMENTUM,
            nesterov=True,
            weight_decay=recipe.weight_decay,
        )
        self._weights = TrainingState({"module": self.module}, self._sgd)
        self._gates = _gate_optimizer(gated, recipe, runtime.device)
        cap = _USUAL_MOMENTUM if recipe.momentum_cap is None else recipe.momentum_cap
        forecast = Forecast(horizon=recipe.horizon, rate=recipe.gate_rate, momentum=cap)
        self._penalty = FollowingPenalty(forecast, self._gates.weights, constant=recipe.penalty)
        self._watched = moving_tensors((self.module,))
        self._before = self.iterate
        self.standing = 0.0

    @property
    def iterate(self) -> Tensor:
        """The gates `[G]` that are counted and cut with; closed where exactly 0."""
        return self._gates.iterate

    @property
    def num_steps(self) -> int:
        """The number of steps taken."""
        return self._gates.num_steps

    @property
    def mean_weight(self) -> float:
        """Mean of a_j over all gates."""
        return float(self._gates.weights.mean())

    def step(self, number: int, inputs: Tensor, labels: Tensor) -> StepFacts:
        """Take one step.

        Args:
            number: 1 for the first.
            inputs: `[B, C, H, W]`, normalised.
            labels: `[B]`, int64.

        Returns:
            What it did.

        Raises:
            DivergedError: Loss, weights, statistics or gates are not finite; lower the rates.
        """
        self._penalty.follow(
            self.iterate,
            lambda ahead: self._count(ahead).tolist(),
            macs=self.macs,
            target=self.pace.target(number + self._recipe.horizon),
        )
        loss, gradient = self._gradients(inputs, labels)
        if not math.isfinite(loss):
            raise DivergedError(f"step {number}: the loss is {loss}; {_CURE}")
        rate = self._rate_at(number)
        self._move(gradient, rate)
        if not math.isfinite(float(largest_magnitude((*self._watched, self.iterate, self._gates.look_ahead)))):
            raise DivergedError(f"step {number}: weights, running statistics or gates are no longer finite; {_CURE}")
        self.macs = int(self._count(self.iterate))
        is_open = self.iterate != 0
        return StepFacts(
            loss=loss,
            penalty=self._penalty.value,
            rate=rate,
            macs=self.macs,
            target_macs=self.pace.target(number),
            open_share=is_open.float().mean().item(),
            gate_mean=(self.iterate.sum() / is_open.sum().clamp_min(1)).item(),
            mean_of_all=self.iterate.mean().item(),
            negative_share=(self.iterate < 0).float().mean().item(),
        )

    def rush_words(self, budget_macs: int) -> str | None:
        """One line where the last step closed gates far beyond a budget, see `studentsearch.search.rush.rush_words`.

        Args:
            budget_macs: A budget that the count is within.

        Returns:
            The line, or None.

        Raises:
            RushError: Smaller steps of the gates would have landed nearer; lower the rate of the gates.
        """
        before, after = (gates.cpu().numpy() for gates in (self._before, self.iterate))
        step = GateStep(number=self.num_steps, before=before, after=after, macs=self.macs)
        return rush_words(step, self._gated, self.pace, budget_macs)

    def image_reaches_output(self) -> bool:
        """Whether the open gates leave a path from the image to the logits."""
        is_open = np.asarray(self.iterate.cpu().numpy() != 0)
        return bool(self._gated.toward_logits().liveness(is_open).image_is_needed)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that moves, as tensors by name."""
        tensors = self._weights.state_dict()
        tensors |= {f"gates.{name}": tensor for name, tensor in self._gates.state_dict().items()}
        tensors |= {f"penalty.{name}": tensor for name, tensor in self._penalty.state_dict().items()}
        standing = torch.tensor(self.standing, dtype=torch.float64)
        return tensors | {"standing": standing, "macs": torch.tensor(self.macs)}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` gave, bit for bit.

        Args:
            tensors: Everything that moves, by name.
        """
        self._weights.load_state_dict(tensors)
        self._gates.load_state_dict(tensors_below(tensors, "gates."))
        self._penalty.load_state_dict(tensors_below(tensors, "penalty."))
        self.macs, self.standing = int(tensors["macs"]), float(tensors["standing"])

    def expected(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a checkpoint that holds `tensors` must hold; momentum only where it has some."""
        return self._weights.expected(tensors) | self.state_dict()

    def _rate_at(self, number: int) -> float:
        """The weights' learning rate in a step, from 1."""
        recipe = self._recipe
        return cosine(number - 1, total_steps=recipe.steps, rate=recipe.weight_rate, final=recipe.final_weight_rate)

    def _gradients(self, inputs: Tensor, labels: Tensor) -> tuple[float, Tensor]:
        """The data term, with gradients left in the weights and given back for the gates."""
        look_ahead = self._gates.look_ahead.detach().requires_grad_()
        objective = self._recipe.objective
        with self._runtime.autocast():
            with torch.no_grad():
                teacher_logits = (
                    self._logits_of(self._teacher(inputs)) if objective.kind == "kd" else inputs.new_zeros(1)
                )
            logits = self._logits_of(gated_forward(self.module, self._gated.sites, look_ahead, inputs))
        loss = data_term(objective, logits, teacher_logits, labels)
        self._sgd.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        assert look_ahead.grad is not None
        with torch.no_grad():  # the loss of a network that answers all images with equal logits
            constant = data_term(objective, torch.zeros_like(logits), teacher_logits, labels)
        figures: tuple[float, float] = tuple(torch.stack((loss.detach(), constant)).tolist())
        if objective.kl_target is None:
            ratio = figures[0] / max(figures[1], _SMALLEST_CONSTANT)
            self.standing = _STANDING_MEMORY * self.standing + (1 - _STANDING_MEMORY) * ratio
        return figures[0], look_ahead.grad

    def _move(self, gradient: Tensor, rate: float) -> None:
        """One step of the weights and one of the gates, from gradients at the same point."""
        before = self._before = self.iterate
        if self._recipe.is_relative:
            means = reader_means(self._gated.sites, before, self._normed)
            scale_gradients(self.module, self._gated.sites, means**2)
            gradient = gradient * means
        for group in self._sgd.param_groups:
            group["lr"] = rate
        self._sgd.step()
        self._gates.step(gradient, self._penalty.value)
        lost = keep_one_open(self.iterate.cpu().numpy(), before.cpu().numpy(), self._floor)
        self._gates.reopen(torch.from_numpy(lost).to(before.device), before)
        self._penalty.observe(self.iterate - before, gradient)

    def _count(self, gates: Tensor) -> Counts:
        """Multiply-accumulates of gates `[..., G]`."""
        is_open = gates > 0 if self._recipe.nonnegative else gates != 0
        return self._gated.macs(np.asarray(is_open.cpu().numpy()))


def _gate_optimizer(gated: GatedNetwork, recipe: SearchRecipe, device: torch.device) -> GateOptimizer:
    """All gates open, each weighed by the multiply-accumulates that closing it saves, the largest 1."""
    gates = torch.ones(gated.num_gates, device=device)
    weights = gates
    if recipe.objective.flops_weights:
        saved = gated.macs_saved(np.ones(len(gates), dtype=np.bool_))
        weights = torch.from_numpy(saved / saved.max()).to(gates)
    rule = ProximalRule(
        rate=recipe.gate_rate,
        momentum_cap=recipe.momentum_cap,
        nonnegative=recipe.nonnegative,
        largest=recipe.largest_gate,
    )
    return GateOptimizer(gates, weights, rule)
