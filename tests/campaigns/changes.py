"""Random changes of a file: what disks, copies and hands do to it."""

import random
from pathlib import Path

_KINDS = ("bit", "bit", "bit", "byte", "digit", "cut", "drop", "insert", "zeros", "noise", "swap", "twice")


def change(content: bytes, chance: random.Random) -> bytes:
    """The content with one random change; never the same as before.

    Args:
        content: At least one byte.
        chance: Draws the change.

    Returns:
        Other bytes.
    """
    while True:
        changed = _changed(bytearray(content), chance)
        if changed != content:
            return changed


def _changed(content: bytearray, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    length = chance.choice((1, 2, 8, 64, 4096))
    kind = chance.choice(_KINDS)
    if kind == "bit":
        content[place] ^= 1 << chance.randrange(8)
    elif kind == "byte":
        content[place] = chance.randrange(256)
    elif kind == "digit":
        digits = [position for position, byte in enumerate(content[:100_000]) if 48 <= byte < 58]
        content[chance.choice(digits) if digits else place] = 48 + chance.randrange(10)
    elif kind == "cut":
        del content[place:]
    elif kind == "drop":
        del content[place : place + length]
    elif kind == "insert":
        content[place:place] = chance.randbytes(length)
    elif kind == "zeros":
        content[place : place + length] = bytes(len(content[place : place + length]))
    elif kind == "noise":
        content[place : place + length] = chance.randbytes(len(content[place : place + length]))
    elif kind == "twice":
        content[place:place] = content[place : place + length]
    else:
        other = chance.randrange(len(content))
        content[place], content[other] = content[other], content[place]
    return bytes(content)


def change_file(file: Path, chance: random.Random) -> None:
    """Change a file in place."""
    file.write_bytes(change(file.read_bytes(), chance))
