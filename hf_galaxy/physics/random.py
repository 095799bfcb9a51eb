"""Random numbers without a state: a pure function of (seed, row, attempt, name).

A galaxy drawn from such numbers is the same whatever the batch, the shard, the device or the order of the work
(compare Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). The hash is splitmix64 (Steele, Lea &
Flood 2014) on 64-bit integers, whose products wrap around on every device.
"""

from __future__ import annotations

import zlib

import torch
from torch import Tensor


def _signed(value: int) -> int:
    """An unsigned 64-bit constant as the signed integer that torch holds."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_MIX_1 = _signed(0xBF58476D1CE4E5B9)
_MIX_2 = _signed(0x94D049BB133111EB)


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical shift: torch shifts signed integers arithmetically, so the sign must be masked away."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix(x: Tensor) -> Tensor:
    """Finaliser of splitmix64, a bijection of 64-bit integers."""
    x = (x ^ _shift_right(x, 30)) * _MIX_1
    x = (x ^ _shift_right(x, 27)) * _MIX_2
    return x ^ _shift_right(x, 31)


class CounterRandom:
    """Named random numbers of galaxies.

    Args:
        seed: Any integer.
        row: (n,) int64, number of the galaxy in the data set.
        attempt: (n,) int64, how often the galaxy was drawn before.

    A number is found by its name, not by its place in a sequence: a parameter that is added changes no other one.
    """

    def __init__(self, seed: int, row: Tensor, attempt: Tensor) -> None:
        self.seed, self.row, self.attempt = seed, row, attempt
        start = mix(torch.as_tensor(_signed(seed), dtype=torch.int64, device=row.device) + _GOLDEN)
        self._key = mix(mix(start + row * _GOLDEN) + (attempt + 1) * _MIX_1)

    def __len__(self) -> int:
        return len(self.row)

    def first(self) -> CounterRandom:
        """The numbers of the first attempt: for what must not change when a galaxy is drawn again."""
        return CounterRandom(self.seed, self.row, torch.zeros_like(self.attempt))

    def uniform(self, name: str, size: int | None = None) -> Tensor:
        """(n,) or (n, size) float64, uniform in the open interval (0, 1)."""
        key = mix(self._key + _signed(zlib.crc32(name.encode()) * 0x9E3779B97F4A7C15))
        if size is not None:
            key = mix(key[:, None] + torch.arange(1, size + 1, device=key.device) * _GOLDEN)
        return (_shift_right(key, 11).double() + 0.5) * 2.0**-53

    def normal(self, name: str, size: int | None = None) -> Tensor:
        """(n,) or (n, size) float64, standard normal."""
        return torch.special.ndtri(self.uniform(name, size))


__all__ = ["CounterRandom", "mix"]
