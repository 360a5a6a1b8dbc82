"""Numbers and texts as they may stand in a file: within bounds that no honest file reaches."""

from typing import Annotated, TypeAlias

from msgspec import Meta

Amount: TypeAlias = Annotated[int, Meta(ge=0, le=2**62)]
"""Channels, multiply-accumulates, steps."""
Percent: TypeAlias = Annotated[float, Meta(ge=0, le=100)]
Text: TypeAlias = Annotated[str, Meta(max_length=5000)]
"""A name or a path."""
Digest: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
"""SHA-256, hexadecimal."""
