"""What tests of graphs share."""

from collections.abc import Iterator

import pytest

from studentsearch.graph.operations import table


@pytest.fixture
def own_table() -> Iterator[None]:
    """A table of operations that forgets afterwards what it was taught."""
    before = dict(table._OPERATIONS)
    yield
    table._OPERATIONS.clear()
    table._OPERATIONS.update(before)
