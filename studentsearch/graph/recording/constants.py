"""The calls of a forward that depend on no image: computed at once, from the real tensors of the module."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor, nn

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.recording.calls import Call, map_leaves, tensors_in


class Constants:
    """Tensors that depend on no image: what a forward on the meta device holds, and the real tensors behind it."""

    def __init__(self, module: nn.Module) -> None:
        """Take the parameters, the buffers and the plain tensor attributes of a module as they are.

        Args:
            module: The module whose copy is followed; it is not changed.
        """
        self._module = module
        self._real: dict[int, Tensor] = {}
        self._stand_ins: dict[int, Tensor] = {}
        self._names: dict[int, str] = {}
        self._taken: set[str] = set()
        attributes = (
            (f"{path}.{name}" if path else name, value)
            for path, part in module.named_modules()
            for name, value in vars(part).items()
            if isinstance(value, Tensor)
        )
        for name, real in chain(module.named_parameters(), module.named_buffers(), attributes):
            self._names[id(real)] = name
            self.stand_in(real)
        owned = list(self._real.values())
        self.copies: Mapping[int, Tensor] = dict(self._stand_ins)
        self._device = owned[0].device if owned else torch.device("cpu")
        self._memory = {real.untyped_storage().data_ptr() for real in owned if real.numel()}

    def stand_in(self, real: Tensor) -> Tensor:
        """The meta tensor that the forward sees for `real`.

        Args:
            real: Any shape.

        Returns:
            The same shape, floats as float32; always the same object for the same tensor.
        """
        if id(real) not in self._stand_ins:
            dtype = torch.float32 if real.is_floating_point() else real.dtype
            meta = torch.empty_like(real, device="meta", dtype=dtype, requires_grad=False)
            if isinstance(real, nn.Parameter):
                meta = nn.Parameter(meta, requires_grad=False)
            self._stand_ins[id(real)] = meta
            self._real[id(meta)] = real
        return self._stand_ins[id(real)]

    def real(self, meta: Tensor) -> Tensor:
        """The tensor with values for which `meta` stands; the very one, if it is the module's."""
        return self._real[id(meta)]

    def is_own(self, meta: Tensor) -> bool:
        """Whether the memory behind `meta` is that of a parameter, a buffer or an attribute of the module."""
        real = self.real(meta)
        return real.numel() > 0 and real.untyped_storage().data_ptr() in self._memory

    def __contains__(self, meta: Tensor) -> bool:
        return id(meta) in self._real

    def compute(self, call: Call, path: str) -> object:
        """The result of a call on constants alone.

        Args:
            call: Its tensors are stand-ins.
            path: The module that makes the call, below which its result is named if a layer reads it.

        Returns:
            Stand-ins for tensors; any other value as it is.
        """
        if call.writes and call.tensors:
            self.refuse_own(call, path)
        result = call.mapped(self._to_real if call.layer is None else self._to_safe).result()
        if any(isinstance(self.real(tensor), nn.Parameter) for tensor in call.tensors):
            result = map_leaves(_learnable, result)
        for tensor in tensors_in(result):
            self._names.setdefault(id(tensor), self.fresh_path(path, call.name))
        return map_leaves(lambda leaf: self.stand_in(leaf) if isinstance(leaf, Tensor) else leaf, result)

    def name(self, meta: Tensor, path: str) -> str:
        """The attribute path under which a constant is read.

        Args:
            meta: A stand-in.
            path: The module that reads it; a tensor that the forward brought along is named below it.

        Returns:
            Always the same for the same tensor.
        """
        real = self.real(meta)
        if id(real) not in self._names:
            self._names[id(real)] = self.fresh_path(path, "constant")
        return self._names[id(real)]

    def fresh_path(self, path: str, operation: str) -> str:
        """A path below a module that nothing has, for what an operation of its forward makes.

        Args:
            path: The module that runs.
            operation: Its name, which a number follows where it is taken.

        Returns:
            The same path is never given twice.
        """
        module = self._module.get_submodule(path)
        base, count = operation.strip("_"), 0
        while True:
            name = f"{base}_{count}" if count else base
            full = f"{path}.{name}" if path else name
            if full not in self._taken and not hasattr(module, name):
                self._taken.add(full)
                return full
            count += 1

    def refuse_own(self, call: Call, path: str) -> None:
        """Refuse an in-place call on a tensor of the module.

        Args:
            call: Its first tensor is what it writes to.
            path: The module that makes the call.

        Raises:
            UnsupportedGraphError: The memory is the module's.
        """
        written = call.tensors[0]
        if written in self and self.is_own(written) and call.name != "requires_grad_":
            raise UnsupportedGraphError(
                f"{path or type(self._module).__name__}: forward writes to its own parameter or buffer ({call.name}); "
                "move the write out of forward"
            )

    def _to_real(self, leaf: object) -> object:
        if isinstance(leaf, Tensor):
            return self.real(leaf)
        return self._device if isinstance(leaf, torch.device) and leaf.type == "meta" else leaf

    def _to_safe(self, leaf: object) -> object:
        """What a layer may write to without a change of the module."""
        own = isinstance(leaf, Tensor) and self.is_own(leaf)
        real = self._to_real(leaf)
        return real.clone() if own and isinstance(real, Tensor) else real


def _learnable(leaf: object) -> object:
    """What is computed from a parameter is a parameter, since a student trains it instead."""
    return nn.Parameter(leaf.detach()) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf
