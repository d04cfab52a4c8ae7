"""Everything random in training is a function of (seed, purpose, step, rank): nothing to save, nothing to restore."""

import hashlib

import torch


def derive_seed(seed: int, *parts: int | str) -> int:
    """A 63-bit seed from a run's seed and anything that distinguishes one use from another, such as `"masks", step`.

    Hashing keeps neighbouring steps and ranks unrelated, which `seed + step + rank` would not.
    """
    text = "/".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator_for(seed: int, *parts: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator on `device`, seeded with `derive_seed(seed, *parts)`."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *parts))
