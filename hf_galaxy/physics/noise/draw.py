"""Random numbers for many galaxies at once, from one generator alone."""

from __future__ import annotations

import torch
from torch import Tensor


class Draw:
    """Random numbers (n, k) from one generator; k is the number of bands if not given."""

    def __init__(self, like: Tensor, generator: torch.Generator) -> None:
        self.n, self.n_band = like.shape
        self.device, self.dtype = like.device, like.dtype
        self._how = {"generator": generator, "device": like.device, "dtype": like.dtype}

    def normal(self, k: int | None = None) -> Tensor:
        """Standard normal."""
        return torch.randn(self.n, k or self.n_band, **self._how)

    def uniform(self, k: int | None = None) -> Tensor:
        """Uniform in [0, 1)."""
        return torch.rand(self.n, k or self.n_band, **self._how)

    def below(self, share: float) -> Tensor:
        """(n, 1) true for about this share of the galaxies."""
        return self.uniform(1) < share

    def integer(self, low: int, high: int) -> Tensor:
        """(n, 1) int64 uniform from ``low`` to ``high``, both included."""
        return low + (self.uniform(1) * (high - low + 1)).long().clamp(max=high - low)  # a float can round up to one

    def ones(self) -> Tensor:
        """(1, 1)."""
        return torch.ones(1, 1, device=self.device, dtype=self.dtype)


__all__ = ["Draw"]
