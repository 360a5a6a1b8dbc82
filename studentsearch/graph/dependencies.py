"""How channels pass from one node to the next: for each channel the channels of an input that it takes.

Masks are boolean arrays whose last axis runs over channels; any leading axes are independent questions ("what if these
gates were closed").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runs:
    """A stretch of outputs and the stretch of inputs that it takes one by one."""

    outputs: slice
    inputs: slice


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelDependency:
    """Which channels of an input each channel takes.

    Attributes:
        sources: `[C, K]` indices into the input's channels, -1 for none; None where channel i takes channel i.
        num_inputs: Channels of the input.
    """

    sources: Indices | None
    num_inputs: int

    def needed(self, wanted: Mask) -> Mask:
        """The input's channels that are needed for those wanted.

        Args:
            wanted: `[..., C]`.

        Returns:
            `[..., num_inputs]`; may be `wanted` itself.
        """
        if self.sources is None:
            return wanted
        runs = self._runs
        mask = np.zeros((*wanted.shape[:-1], self.num_inputs), dtype=np.bool_)
        if runs is not None:
            mask[..., runs.inputs] = wanted[..., runs.outputs]
            return mask
        if self._takes_all:
            mask[...] = wanted.any(axis=-1, keepdims=True)
            return mask
        order, starts, targets = self._by_source
        if len(targets):
            mask[..., targets] = np.logical_or.reduceat(wanted[..., order], starts, axis=-1)
        return mask

    def labels(self, given: Indices) -> Indices:
        """A label for every channel from labels of the input's channels: of the first that it takes, -1 where none.

        Args:
            given: `[num_inputs]`.

        Returns:
            `[C]`.
        """
        if self.sources is None:
            return given
        first = self.sources[:, 0]
        return np.where(first >= 0, given[first], -1)

    def present(self, channels: Indices, num_channels: int) -> Indices:
        """The channels that can be computed, all of whose sources are there.

        Args:
            channels: Ascending indices of the input's channels that are there.
            num_channels: C.

        Returns:
            Ascending indices into the C channels.
        """
        if self.sources is None:
            return channels
        is_there = np.zeros(self.num_inputs + 1, dtype=np.bool_)
        is_there[channels] = True
        is_there[-1] = True  # a channel that takes nothing, sources -1, can always be computed
        can_be_computed: Mask = np.asarray(is_there[self.sources].all(axis=1))
        return np.flatnonzero(can_be_computed[:num_channels])

    @property
    def takes_one(self) -> bool:
        """Whether every channel takes one channel of the input at most."""
        return self.sources is None or self.sources.shape[1] == 1

    @property
    def is_identity(self) -> bool:
        """Whether channel i takes channel i."""
        return self.sources is None

    @cached_property
    def _runs(self) -> _Runs | None:
        """The stretch of outputs that is a stretch of inputs in order, where all others take nothing."""
        assert self.sources is not None
        if self.sources.shape[1] != 1:
            return None
        column = self.sources[:, 0]
        rows = np.flatnonzero(column >= 0)
        if not len(rows) or rows[-1] - rows[0] + 1 != len(rows):
            return None
        first = int(column[rows[0]])
        if not np.array_equal(column[rows], np.arange(first, first + len(rows))):
            return None
        return _Runs(outputs=slice(int(rows[0]), int(rows[-1]) + 1), inputs=slice(first, first + len(rows)))

    @cached_property
    def _takes_all(self) -> bool:
        assert self.sources is not None
        # A row names no channel twice.
        return bool(self.sources.shape[1] == self.num_inputs > 1 and self.sources.min(initial=0) >= 0)

    @cached_property
    def _by_source(self) -> tuple[Indices, Indices, Indices]:
        assert self.sources is not None
        rows = np.repeat(np.arange(len(self.sources)), self.sources.shape[1])
        flat = self.sources.ravel()
        rows, flat = rows[flat >= 0], flat[flat >= 0]
        order = np.argsort(flat, kind="stable")
        targets, starts = np.unique(flat[order], return_index=True)
        return rows[order], starts, targets


def same(num_channels: int) -> ChannelDependency:
    """Channel i takes channel i."""
    return ChannelDependency(sources=None, num_inputs=num_channels)


def all_of(num_inputs: int, num_channels: int) -> ChannelDependency:
    """Every channel takes every channel of the input."""
    return ChannelDependency(
        sources=np.broadcast_to(np.arange(num_inputs, dtype=np.int64), (num_channels, num_inputs)),
        num_inputs=num_inputs,
    )


def mask_of(channels: Indices, num_channels: int) -> Mask:
    """Channels by index as a mask `[num_channels]`."""
    mask = np.zeros(num_channels, dtype=np.bool_)
    mask[channels] = True
    return mask


def taking(sources: Indices, num_inputs: int) -> ChannelDependency:
    """Channel i takes the channels of row i.

    Args:
        sources: `[C]` or `[C, K]`, -1 for none.
        num_inputs: Channels of the input.

    Returns:
        The dependency, an identity where it is one.
    """
    rows = sources.reshape(len(sources), -1).astype(np.int64)
    if rows.shape[1] == 1 and len(rows) == num_inputs and np.array_equal(rows[:, 0], np.arange(num_inputs)):
        return same(num_inputs)
    return ChannelDependency(sources=rows, num_inputs=num_inputs)
