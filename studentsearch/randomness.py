"""Counter-based randomness: what is drawn depends on where a run stands, never on how it got there."""

import hashlib

import torch


def generator(seed: int, phase: str, counter: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh random generator that belongs to one place in a run.

    Equal arguments give equal numbers on the same kind of device, so a resumed run needs no saved random state.

    Args:
        seed: The run's seed.
        phase: What the numbers are for, such as "search" or "teach/augmentation".
        counter: Which epoch or step of the phase.
        device: Where the numbers are drawn.

    Returns:
        A generator seeded by a hash of the three.
    """
    digest = hashlib.blake2b(f"{seed}:{phase}:{counter}".encode(), digest_size=8).digest()
    return torch.Generator(device=device).manual_seed(int.from_bytes(digest, "little") >> 1)
