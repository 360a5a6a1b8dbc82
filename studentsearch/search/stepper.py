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
from studentsearch.errors import BudgetNotReachedError, DivergedError
from studentsearch.finite import largest_magnitude, moving_tensors
from studentsearch.graph.channels import norm_followed
from studentsearch.graph.gated_network import GatedNetwork
from studentsearch.graph.macs import Counts, full_macs
from studentsearch.graph.outputs import network_place
from studentsearch.search.controller import Forecast, ForecastBias, Pace, following_penalty
from studentsearch.search.floor import indispensable_readers, keep_one_open, largest_within
from studentsearch.search.gated import gated_forward, reader_means, scale_gradients
from studentsearch.search.objective import data_term
from studentsearch.search.optimizer import GateOptimizer
from studentsearch.search.prox import ProximalRule
from studentsearch.search.recipe import SearchRecipe

_USUAL_MOMENTUM = 0.9
_DRIFT_MEMORY = 0.8  # the gates' drift is averaged over about five steps,
_PUSH_MEMORY = 0.9  # the loss's push over about ten,
_STANDING_MEMORY = 0.9  # and the loss's ratio to that of a constant answer as well
_SMALLEST_CONSTANT = 1e-12
_CURE = "lower --weight-rate or --gate-rate, or take larger batches"


# A step this early in the plan that takes the count all the way is none that the plan asked for.
_EARLY_SHARE = 0.25
# Less than that is what closing a few gates costs, even where the budget is near the teacher's count.
_SMALLEST_RUSH = 0.25


class RushError(BudgetNotReachedError):
    """A count that fell to a budget, or far under it, in one step; smaller steps of the gates are the cure."""


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
        self._logits_of = network_place(gated.network).taken_from
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
            momentum=0.9,
            nesterov=True,
            weight_decay=recipe.weight_decay,
        )
        self._gates = self._gate_optimizer()
        cap = _USUAL_MOMENTUM if recipe.momentum_cap is None else recipe.momentum_cap
        self._forecast = Forecast(horizon=recipe.horizon, rate=recipe.gate_rate, momentum=cap)
        self._bias = ForecastBias(recipe.horizon)
        self._penalty = 0.0 if recipe.penalty is None else recipe.penalty
        self._drift = torch.zeros_like(self.iterate)
        self._push = torch.zeros_like(self.iterate)
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
        if self._recipe.penalty is None:
            self._penalty = self._next_penalty(number)
        loss, gradient = self._gradients(inputs, labels)
        if not math.isfinite(loss):
            raise DivergedError(f"step {number}: the loss is {loss}; {_CURE}")
        steps, penalty = self._recipe.steps, self._penalty
        rate = cosine(
            number - 1, total_steps=steps, rate=self._recipe.weight_rate, final=self._recipe.final_weight_rate
        )
        self._move(gradient, rate)
        if not math.isfinite(float(largest_magnitude((*self._watched, self.iterate, self._gates.look_ahead)))):
            raise DivergedError(f"step {number}: weights, running statistics or gates are no longer finite; {_CURE}")
        self.macs = int(self._count(self.iterate))
        is_open = self.iterate != 0
        return StepFacts(
            loss=loss,
            penalty=penalty,
            rate=rate,
            macs=self.macs,
            target_macs=self.pace.target(number),
            open_share=is_open.float().mean().item(),
            gate_mean=(self.iterate.sum() / is_open.sum().clamp_min(1)).item(),
            mean_of_all=self.iterate.mean().item(),
            negative_share=(self.iterate < 0).float().mean().item(),
        )

    def rush_words(self, budget_macs: int) -> str | None:
        """Tell of a last step that closed gates beyond a budget.

        Args:
            budget_macs: A budget that the count is within.

        Returns:
            One line where the count is under half of the budget, though with some of the gates that closed in the last
            step left open it would be half at least; else None.

        Raises:
            RushError: It is even under a quarter, or an early step took the whole way that the plan has for all steps;
                lower the rate of the gates.
        """
        if self._is_whole_way():
            raise RushError(
                f"step {self.num_steps} of {self._recipe.steps} planned: gates closed in a rush: this one step took "
                f"the count to {self.macs:,} multiply-accumulates, more than the whole way from the teacher's "
                f"{self.pace.full_macs:,} to the budget of {self.pace.budget_macs:,}"
            )
        if self.macs >= budget_macs / 2:
            return None
        before, after = (gates.cpu().numpy() for gates in (self._before, self.iterate))
        possible = largest_within(self._gated, before, after, budget_macs)
        if possible < budget_macs / 2:
            return None
        words = (
            f"step {self.num_steps}: gates closed in a rush: the count fell to {self.macs:,} multiply-accumulates, "
            f"far under the budget of {budget_macs:,}, where {possible:,} were possible"
        )
        if self.macs < budget_macs / 4:
            raise RushError(words)
        return words

    def _is_whole_way(self) -> bool:
        """Whether the last step was early and took the way that the plan has for all of them, by several gates."""
        if self.num_steps > _EARLY_SHARE * self._recipe.steps:
            return False
        closed = int(((self._before != 0) & (self.iterate == 0)).sum())
        before = int(self._count(self._before))
        is_large = self.macs < (1 - _SMALLEST_RUSH) * before
        return closed > 1 and is_large and self.macs * self.pace.full_macs <= before * self.pace.budget_macs

    def image_reaches_output(self) -> bool:
        """Whether the open gates leave a path from the image to the logits."""
        is_open = np.asarray(self.iterate.cpu().numpy() != 0)
        return bool(self._gated.toward_logits().liveness(is_open).image_is_needed)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that moves, as tensors by name."""
        tensors = {f"module.{name}": tensor for name, tensor in self.module.state_dict().items()}
        tensors |= {f"gates.{name}": tensor for name, tensor in self._gates.state_dict().items()}
        tensors |= {f"bias.{name}": tensor for name, tensor in self._bias.state_dict().items()}
        for name, parameter in self.module.named_parameters():
            buffer = self._sgd.state[parameter].get("momentum_buffer")
            if buffer is not None:
                tensors[f"momentum.{name}"] = buffer
        numbers = {
            "drift": self._drift,
            "push": self._push,
            "penalty": torch.tensor(self._penalty, dtype=torch.float64),
            "standing": torch.tensor(self.standing, dtype=torch.float64),
            "macs": torch.tensor(self.macs),
        }
        return tensors | numbers

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` gave, bit for bit.

        Args:
            tensors: Everything that moves, by name.
        """
        self.module.load_state_dict(tensors_below(tensors, "module."))
        self._gates.load_state_dict(tensors_below(tensors, "gates."))
        self._bias.load_state_dict(tensors_below(tensors, "bias."))
        for name, parameter in self.module.named_parameters():
            buffer = tensors.get(f"momentum.{name}")
            if buffer is not None:
                self._sgd.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(buffer)
        self._drift = tensors["drift"].to(self._runtime.device)
        self._push = tensors["push"].to(self._runtime.device)
        self._penalty, self.macs = float(tensors["penalty"]), int(tensors["macs"])
        self.standing = float(tensors["standing"])

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
        self._gates.step(gradient, self._penalty)
        lost = keep_one_open(self.iterate.cpu().numpy(), before.cpu().numpy(), self._floor)
        self._gates.reopen(torch.from_numpy(lost).to(before.device), before)
        self._drift = torch.lerp(self.iterate - before, self._drift, _DRIFT_MEMORY)
        self._push = torch.lerp(gradient, self._push, _PUSH_MEMORY)

    def _next_penalty(self, number: int) -> float:
        """The penalty that follows the count, averaged over about two steps."""

        def forecast_counts(penalties: Tensor) -> list[int]:
            pull = penalties[:, None].to(self.iterate) * self._gates.weights
            ahead = self._forecast.gates_ahead(self.iterate, self._drift, self._push, pull)
            counts: list[int] = self._count(ahead).tolist()
            return counts

        target = self._bias.corrected(self.pace.target(number + self._recipe.horizon))
        penalty = (self._penalty + following_penalty(forecast_counts, target)) / 2
        self._bias.observe(self.macs, *forecast_counts(torch.tensor([penalty])))
        return penalty

    def _count(self, gates: Tensor) -> Counts:
        """Multiply-accumulates of gates `[..., G]`."""
        is_open = gates > 0 if self._recipe.nonnegative else gates != 0
        return self._gated.macs(np.asarray(is_open.cpu().numpy()))

    def _gate_optimizer(self) -> GateOptimizer:
        gates = torch.ones(self._gated.num_gates, device=self._runtime.device)
        weights = gates
        if self._recipe.objective.flops_weights:
            saved = self._gated.macs_saved(np.ones(len(gates), dtype=np.bool_))
            weights = torch.from_numpy(saved / saved.max()).to(gates)
        rule = ProximalRule(
            rate=self._recipe.gate_rate,
            momentum_cap=self._recipe.momentum_cap,
            nonnegative=self._recipe.nonnegative,
            largest=self._recipe.largest_gate,
        )
        return GateOptimizer(gates, weights, rule)


def tensors_below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
