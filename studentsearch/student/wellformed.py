"""Whether a student's architecture may be built and written as source code: names, paths, operations and arguments."""

from __future__ import annotations

import math
from collections.abc import Set as AbstractSet

from studentsearch.errors import UnsupportedGraphError
from studentsearch.graph.arguments import INPUT, Argument, argument_problem
from studentsearch.graph.layer_classes import constructor_arguments, layer_class
from studentsearch.graph.named_tuples import mentions_named, named_tuples
from studentsearch.graph.names import is_attribute, is_step_name, path_problem
from studentsearch.graph.network import Operation
from studentsearch.graph.operations.table import is_permitted
from studentsearch.student.build import WHOLE_NUMBERS
from studentsearch.student.spec import Step, StudentSpec

MAX_ENTRIES = 2**28
"""Bound on the numbers of one tensor of one image, 1 GB in float32; for the largest images of ImageNet's networks it is
13 million."""
_PLAIN_ARGUMENTS = {"Input": (), "Add": (), "Concat": ("axis",), "Parameter": ("shape", "is_trainable")}


def spec_problem(spec: StudentSpec) -> str | None:
    """Why a student cannot be built, or not be written as source code.

    Args:
        spec: Any architecture, as from a file that somebody else wrote.

    Returns:
        One line; None where every name, path, operation and argument is one that a student may have.
    """
    kinds = [step.operation.kind for step in spec.steps]
    num_inputs = len(spec.input_shapes)
    if kinds[:num_inputs] != ["Input"] * num_inputs or "Input" in kinds[num_inputs:]:
        return f"{kinds.count('Input')} inputs for {num_inputs} shapes; expected one a shape, before all other steps"
    if kinds[-1] != "Output" or "Output" in kinds[:-1]:
        return f"{kinds.count('Output')} outputs; expected one, as the last step"
    if any(math.prod(shape) > MAX_ENTRIES for shape in spec.input_shapes):
        return f"images of more than {MAX_ENTRIES:,} numbers"
    known: set[str] = set()
    for number, step in enumerate(spec.steps):
        problem = _step_problem(step, known)
        if problem is not None:
            return f"step {number} ({step.name!a:.80}): {problem}"
        known.add(step.name)
    return None


def _step_problem(step: Step, known: AbstractSet[str]) -> str | None:
    if not is_step_name(step.name):
        return "its name is no identifier, or one that generated code uses"
    if step.name in known:
        return "a step before it has its name"
    unknown = next((name for name in step.inputs if name not in known), None)
    if unknown is not None:
        return f"reads {unknown!a:.80}, which no step before it computes"
    if not is_permitted(step.operation):
        return (
            f"the operation {step.operation.name!a:.80} has no record and is none that a student may contain "
            "(studentsearch.graph.operations.table.use_operation teaches one)"
        )
    return _path_problem(step) or _arguments_problem(step.operation, len(step.inputs), known)


def _path_problem(step: Step) -> str | None:
    if not step.operation.has_path:
        return "has a module path, which its kind has not" if step.path else None
    found = path_problem(step.path)
    return None if found is None else f"its module path holds {found}"


def _arguments_problem(operation: Operation, num_inputs: int, known: AbstractSet[str]) -> str | None:
    match operation.kind:
        case "Call":
            return _call_problem(operation, num_inputs)
        case "Output":
            return _output_problem(operation, num_inputs, known)
        case "Input" | "Add" | "Concat" | "Parameter" as kind:
            expected = _PLAIN_ARGUMENTS[kind]
            optional = {"dtype"} if kind == "Parameter" else set()
            if set(operation.arguments) - optional != set(expected):
                return f"its arguments are not {', '.join(expected) or 'none'}"
            return _plain_problem(operation)
        case kind:
            layer = layer_class(kind)
            return _named_problem(operation, set() if layer is None else set(constructor_arguments(layer)), 0)


def _plain_problem(operation: Operation) -> str | None:
    if operation.kind == "Concat" and not _is_integer(operation.arguments["axis"]):
        return "its axis is no whole number"
    if operation.kind == "Parameter":
        shape = operation.arguments["shape"]
        if not isinstance(shape, tuple) or not all(_is_integer(size) for size in shape):
            return "its shape is no list of sizes"
        if not isinstance(operation.arguments["is_trainable"], bool):
            return "does not say whether it is trainable"
        if operation.arguments.get("dtype", "int64") not in WHOLE_NUMBERS:
            return f"its numbers are of no type of {', '.join(WHOLE_NUMBERS)}"
    return None


def _output_problem(operation: Operation, num_inputs: int, known: AbstractSet[str]) -> str | None:
    problem = _named_problem(operation, frozenset({"structure", "logits"}), num_inputs)
    if problem is not None:
        return problem
    if _places(operation.arguments.get("structure", (INPUT, 0))) != list(range(num_inputs)):
        return "does not return each tensor that it reads once, in order"
    try:
        named = named_tuples(operation.arguments.get("structure", ()))
    except UnsupportedGraphError as error:
        return str(error)
    shadowed = next((name for name in named if name in known), None)
    if shadowed is not None:
        return f"returns a named tuple called {shadowed}, which is the name of a step as well"
    logits = operation.arguments.get("logits", 0)
    if not _is_integer(logits) or logits not in range(num_inputs):
        return f"has the logits {logits!a:.80} among {num_inputs} tensors"
    return None


def _places(structure: Argument) -> list[int]:
    """The numbers of the tensors in a structure, as they come."""
    if not isinstance(structure, tuple):
        return []
    if structure[:1] == (INPUT,):
        return [place for place in structure[1:] if isinstance(place, int)]
    return [place for item in structure for place in _places(item)]


def _named_problem(operation: Operation, names: AbstractSet[str], num_inputs: int) -> str | None:
    strange = next((name for name in operation.arguments if name not in names), None)
    if strange is not None:
        return f"{operation.kind} has no argument {strange!a:.80}"
    for name, value in operation.arguments.items():
        problem = argument_problem(value, num_inputs)
        if problem is not None:
            return f"its argument {name} is {problem}"
        if operation.kind != "Output" and mentions_named(value):
            return f"its argument {name} is a named tuple"
    return None


def _call_problem(operation: Operation, num_inputs: int) -> str | None:
    if set(operation.arguments) != {"function", "arguments", "options"}:
        return "a call needs a function, arguments and options"
    positional, options = operation.arguments["arguments"], operation.arguments["options"]
    if not isinstance(positional, tuple) or not isinstance(options, tuple):
        return "its arguments or options are no list"
    is_method = operation.name.startswith(("Tensor.", "operator."))
    if is_method and (not positional or not _is_tensor(positional[0])):
        return "the first argument of a method is no tensor"
    if operation.name == "operator.getitem" and (len(positional) != 2 or options):
        return "an index needs a tensor and where to read it"
    for option in options:
        if not isinstance(option, tuple) or len(option) != 2 or not isinstance(option[0], str):
            return "an option is no pair of a name and a value"
        # `out` would let a call write into another step's tensor.
        if not is_attribute(option[0]) or (option[0] == "out" and option[1] is not None):
            return f"has no option {option[0]!a:.80}"
    if len({option[0] for option in options if isinstance(option, tuple)}) != len(options):
        return "an option is given twice"
    values = (*positional, *(option[1] for option in options if isinstance(option, tuple)))
    if any(mentions_named(value) for value in values):
        return "an argument is a named tuple"
    problems = (argument_problem(value, num_inputs) for value in values)
    return next((f"an argument is {problem}" for problem in problems if problem is not None), None)


def _is_integer(value: Argument) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_tensor(value: Argument) -> bool:
    return isinstance(value, tuple) and value[:1] == ("$input",)
