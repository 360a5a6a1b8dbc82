"""The operations of the table, by what becomes of their calls."""

from studentsearch.graph.operations.table import OPERATIONS

RECORDS = tuple(OPERATIONS.values())
MOVEMENTS = frozenset(record.name for record in RECORDS if record.movement is not None)
FOLLOWED = frozenset(record.name for record in RECORDS if record.propagate is not None) - MOVEMENTS
"""Operations with a rule of their own."""
LAYER_CALLS = frozenset(record.name for record in RECORDS if record.layer_form is not None and record.layer_form.roles)
"""Functions with weights of their own, which are written as layers."""
UNGATED = frozenset(
    record.name
    for record in RECORDS
    if record.is_permitted and record.propagate is None and record.layer_form is None and "." in record.name
)
"""Functions that a student may contain, and that keep all channels of what they read."""
