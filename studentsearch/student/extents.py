"""How long the axes of a network's tensors are for images of any size: two may be alike at the traced one by chance."""

from __future__ import annotations

from itertools import islice

import torch

from studentsearch.graph.network import Argument, Network, Node, Operation
from studentsearch.graph.operations.movements import run
from studentsearch.graph.operations.operation_record import Family
from studentsearch.graph.operations.propagation import Applied, num_spatial_axes
from studentsearch.graph.operations.reduction import reduced_axes
from studentsearch.graph.operations.table import has_window, is_elementwise, is_of, movement_of, record_of
from studentsearch.student.terms import Extent, Extents, Terms
from studentsearch.student.windows import window_of

_F = "torch.nn.functional."
_REST = ("$ellipsis",)
_PRIMES = ((1009, 1013, 1019, 1021, 1031, 1033), (2003, 2011, 2017, 2027, 2029, 2039))


class ExtentsOf:
    """The extents of a network's nodes, for images of any size.

    Attributes:
        nodes: By node one extent for each axis of its shape.
    """

    def __init__(self, network: Network) -> None:
        """Follow the sizes of the images through the network.

        Args:
            network: The traced network.
        """
        self._nodes = network.nodes
        self._terms = Terms()
        self.nodes: list[Extents] = []
        by_chance: set[int] = set()  # nodes that have another number of axes in images of some sizes
        for node in network.nodes:
            given = [self.nodes[index] for index in node.inputs]
            if not by_chance.isdisjoint(node.inputs) or _drops_an_axis_by_chance(node, given):
                by_chance.add(node.index)
            known = None if node.index in by_chance else self._known(node, given)
            self.nodes.append(known if known is not None and len(known) == len(node.shape) else self._unknown(node))
        self.nodes = [tuple(map(self._terms.resolved, own)) for own in self.nodes]

    def positions(self, node: Node) -> Extents:
        """The extents of a node's axes but that of channels."""
        own = self.nodes[node.index]
        return (*own[: node.axis], *own[node.axis + 1 :])

    def has_positions(self, node: Node, source: Node) -> bool:
        """Whether a node has the positions of another in images of every size."""
        return source.axis == node.axis and self.positions(source) == self.positions(node)

    def are_alike(self, node: Node, source: Node) -> bool:
        """Whether a node has the channels and positions of another in images of every size."""
        return source.axis == node.axis and self.nodes[source.index] == self.nodes[node.index]

    def is_counted(self, node: Node) -> bool:
        """Whether a node has as many channels in images of every size."""
        return not node.shape or isinstance(self.nodes[node.index][node.axis], int)

    def behind(self, positions: Extents, windows: tuple[Argument, ...]) -> Extents:
        """What windows make of positions.

        Args:
            positions: One extent an axis.
            windows: One entry a layer passed, see `layers.Constant`.

        Returns:
            One extent an axis.
        """
        for window in windows:
            assert isinstance(window, tuple)
            positions = self._terms.behind(positions, tuple(item for item in window if isinstance(item, int)))
        return tuple(map(self._terms.resolved, positions))

    def _unknown(self, node: Node) -> Extents:
        """Extents that are those of no other node but one that does the same to the same."""
        given = tuple(self.nodes[index] for index in node.inputs)
        words = f"{node.operation.name} {sorted(node.operation.arguments.items())}"
        return tuple(self._terms.term("of", words, axis, given) for axis in range(len(node.shape)))

    def _known(self, node: Node, given: list[Extents]) -> Extents | None:
        """The extents of a node, None where nothing is known of its operation."""
        kind, record = node.operation.kind, record_of(node.operation)
        if kind == "Input":
            # Images of one size are of one size in every call.
            places = node.shape[1:]
            return (node.shape[0], *(self._terms.term("image", places, axis) for axis in range(len(places))))
        if kind == "Parameter" or not given:
            return node.shape
        if kind == "Output":
            return given[0]
        if kind == "Constant":
            return self._of_constant(node, given)
        if record is not None and record.keeps_shape:
            return given[0]
        if is_elementwise(node.operation):
            # A tensor outside a layer may have an axis of size 1 where the batch is, which the node's shape leaves out.
            return self._terms.joined([one[max(len(one) - len(node.shape), 0) :] for one in given])
        if has_window(node.operation):
            return self._of_window(node, given[0])
        if kind == "Linear":
            return (*given[0][:-1], node.shape[-1])
        if is_of(node.operation, Family.REDUCTION):
            return self._of_reduction(node, given[0])
        return self._of_several(node, given) or self._of_positions(node, given[0]) or self._of_movement(node, given[0])

    def _of_constant(self, node: Node, given: list[Extents]) -> Extents:
        arguments = node.operation.arguments
        windows = arguments["windows"]
        assert isinstance(windows, tuple)
        if arguments["sizes"]:
            return node.shape
        like = node.operation.integer("like_axis") - 1
        places = self.behind((*given[0][:like], *given[0][like + 1 :]), windows)[: len(node.shape) - 1]
        return (*places[: node.axis], node.shape[node.axis], *places[node.axis :])

    def _of_window(self, node: Node, first: Extents) -> Extents | None:
        axes, kind, arguments = len(node.shape) - 1, node.operation.kind, node.operation.arguments
        if axes != num_spatial_axes(kind) or len(first) != len(node.shape):
            return None
        channels = first[0] if is_of(node.operation, Family.POOLING) else node.shape[0]
        if arguments.get("padding") == "same":
            return (channels, *first[1:])
        return (channels, *self.behind(first[1:], (window_of(node),)))

    def _of_reduction(self, node: Node, first: Extents) -> Extents:
        source = self._nodes[node.inputs[0]]
        reduced = reduced_axes(Applied(operation=node.operation, sources=(source,), shape=node.shape))
        if len(node.shape) == len(first):
            return tuple(1 if axis in reduced else one for axis, one in enumerate(first))
        return tuple(one for axis, one in enumerate(first) if axis not in reduced)

    def _of_several(self, node: Node, given: list[Extents]) -> Extents | None:
        """Tensors beside one another, picked from, or multiplied as matrices."""
        kind, name, first = node.operation.kind, node.operation.name, given[0]
        if kind == "Concat":
            axis = node.operation.integer("axis") - 1
            length = self._terms.total("sum", [one[axis] for one in given])
            return (*first[:axis], length, *first[axis + 1 :])
        if kind == "Select":
            axis = node.operation.integer("axis") - 1
            return (*first[:axis], len(node.operation.integers("channels")), *first[axis + 1 :])
        if name == "torch.stack":
            applied = Applied(operation=node.operation, sources=(), shape=node.shape)
            new = applied.argument("dim", 1, 0)
            assert isinstance(new, int)
            axis = new % (len(node.shape) + 1) - 1
            return (*first[:axis], len(given), *first[axis:]) if axis >= 0 else None
        if name in {"torch.matmul", "torch.bmm"} and min(map(len, given)) > 1:
            return (*self._terms.joined([one[:-2] for one in given]), first[-2], given[1][-1])
        if name == f"{_F}scaled_dot_product_attention" and min(map(len, given)) > 1:
            return (*self._terms.joined([one[:-2] for one in given[:3]]), first[-2], given[2][-1])
        return None

    def _of_positions(self, node: Node, first: Extents) -> Extents | None:
        """Paddings and resizings."""
        kind, source = node.operation.kind, self._nodes[node.inputs[0]]
        if len(first) != len(node.shape):
            return None
        if is_of(node.operation, Family.PADDING):
            added = [new - old for new, old in zip(node.shape, source.shape, strict=True)]
            return tuple(self._terms.spread(one, 1, more) for one, more in zip(first, added, strict=True))
        if kind.startswith("Upsampl"):
            size, factor = node.operation.arguments.get("size"), node.operation.arguments.get("scale_factor")
        elif is_of(node.operation, Family.RESIZING):
            applied = Applied(operation=node.operation, sources=(source,), shape=node.shape)
            size, factor = applied.argument("size", 1), applied.argument("scale_factor", 2)
        else:
            return None
        if size is not None:
            return (first[0], *node.shape[1:])
        factors = factor if isinstance(factor, tuple) else (factor,) * (len(first) - 1)
        if len(factors) != len(first) - 1:
            return None
        return (first[0], *(self._resized(one, by) for one, by in zip(first[1:], factors, strict=True)))

    def _resized(self, base: Extent, factor: Argument) -> Extent:
        if isinstance(base, int) or not isinstance(factor, (int, float)) or factor != int(factor):
            return self._terms.term("of", "resized", factor, base)
        return self._terms.spread(base, int(factor), 0)

    def _of_movement(self, node: Node, first: Extents) -> Extents | None:
        """What is moved, as the same movement of axes of two unusual lengths each tells."""
        operation = node.operation
        if operation.name in {"torch.flatten", "Flatten"}:
            start, end = _flattened_axes(node, len(first))
            return (*first[:start], self._terms.total("product", first[start : end + 1]), *first[end + 1 :])
        if operation.name == "operator.getitem":
            return _of_index(self._terms, operation, first)
        if not movement_of(operation).holds_at_every_size or len(first) > len(_PRIMES[0]):
            return None
        lengths = [
            [one if isinstance(one, int) else prime for one, prime in zip(first, primes, strict=False)]
            for primes in _PRIMES
        ]
        try:
            one, other = (run(operation, torch.empty(1, *each, device="meta")).shape for each in lengths)
        except (IndexError, RuntimeError):
            return None
        if len(one) != len(other):
            return None
        known = dict(zip(zip(*lengths, strict=True), first, strict=True))
        given = (tuple(first),)
        return tuple(
            pair[0] if pair[0] == pair[1] else known.get(pair, self._terms.term("of", repr(operation), axis, given))
            for axis, pair in enumerate(zip(one[1:], other[1:], strict=True))
        )


def _drops_an_axis_by_chance(node: Node, given: list[Extents]) -> bool:
    """Whether `squeeze(dim)` drops an axis that is one long in images of the traced size only."""
    if node.operation.name != "torch.squeeze":
        return False
    dims = Applied(operation=node.operation, sources=(), shape=node.shape).argument("dim", 1)
    axes = dims if isinstance(dims, tuple) else (dims,)
    return any(isinstance(axis, int) and given[0][axis % (len(given[0]) + 1) - 1] != 1 for axis in axes)


def _flattened_axes(node: Node, rank: int) -> tuple[int, int]:
    """The first and the last axis of the source that a flattening joins, without the batch."""
    if node.operation.kind == "Flatten":
        given: tuple[Argument, ...] = (node.operation.arguments["start_dim"], node.operation.arguments["end_dim"])
    else:
        applied = Applied(operation=node.operation, sources=(), shape=node.shape)
        given = (applied.argument("start_dim", 1, 0), applied.argument("end_dim", 2, -1))
    start, end = (axis % (rank + 1) - 1 for axis in given if isinstance(axis, int))
    return start, end


def _of_index(terms: Terms, operation: Operation, first: Extents) -> Extents | None:
    """What is left of indexing by numbers and slices."""
    arguments = operation.arguments["arguments"]
    index = arguments[1] if isinstance(arguments, tuple) else None
    parts = (index,) if not isinstance(index, tuple) or index[:1] in {("$slice",), (_REST[0],)} else index
    num_named = sum(part is not None and part != _REST for part in parts)
    axes = iter((1, *first))  # the batch as well
    found: list[Extent] = []
    for part in (*parts, *(() if _REST in parts else (_REST,))):
        match part:
            case None:
                found.append(1)
            case bool():
                return None
            case int():
                next(axes)
            case ("$slice", start, stop, step):
                found.append(_sliced(terms, next(axes), (start, stop, step)))
            case ("$ellipsis",):
                found += islice(axes, len(first) + 1 - num_named)
            case _:
                return None
    return tuple(found[1:])


def _sliced(terms: Terms, base: Extent, bounds: tuple[Argument, Argument, Argument]) -> Extent:
    start, stop, step = bounds
    if isinstance(base, int):
        return len(range(base)[slice(*(part if isinstance(part, int) else None for part in bounds))])
    first, each = (given if isinstance(given, int) else default for given, default in ((start, 0), (step, 1)))
    last = 0 if stop is None else stop
    if first < 0 or each < 1 or not isinstance(last, int) or last > 0 or (stop is not None and not last):
        return terms.term("of", "a slice", bounds, base)
    return terms.window(base, last - first - 1, each)
