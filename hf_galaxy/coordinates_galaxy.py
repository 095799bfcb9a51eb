"""Physical values to token coordinates and back, for whole tables of variables at once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .variables_galaxy import TRANSFORMS, Variable

MAX_ARGUMENT = 30.0


def transform_slope(g: Tensor, is_asinh: Tensor, is_log1p: Tensor) -> Tensor:
    """`g'(y)` as a function of `g`: one over cosh for arcsinh, exp(-g) for log(1 + y), one for no transform."""
    asinh = 1.0 / torch.cosh(g.clamp(-MAX_ARGUMENT, MAX_ARGUMENT))
    log1p = torch.exp(-g.clamp(min=-MAX_ARGUMENT))
    return torch.where(is_asinh, asinh, torch.where(is_log1p, log1p, torch.ones_like(g)))


class Coordinates:
    """The transforms of `V` variables, applied along a last axis of length `V`.

    Args:
        variables: The variables, in the order of the axis. `variables_galaxy` defines the transform of each.
        dtype: Of the constants; results have the type that it gives together with the input.
    """

    def __init__(self, variables: Sequence[Variable], dtype: torch.dtype = torch.float32, device=None):
        def column(values, kind=dtype):
            return torch.tensor(list(values), dtype=kind, device=device)

        self.softening = column(v.softening for v in variables)
        self.center = column(v.center for v in variables)
        self.scale = column(v.scale for v in variables)
        kind = column((TRANSFORMS.index(v.transform) for v in variables), torch.long)
        self._asinh, self._log1p = kind == TRANSFORMS.index("asinh"), kind == TRANSFORMS.index("log1p")

    def to(self, device) -> "Coordinates":
        """The same on another device."""
        moved = object.__new__(Coordinates)
        moved.__dict__.update({name: value.to(device) for name, value in self.__dict__.items()})
        return moved

    def __getitem__(self, index: Tensor) -> "Coordinates":
        """The transforms of the variables at `index`, of any shape; the result broadcasts with that shape."""
        chosen = object.__new__(Coordinates)
        chosen.__dict__.update({name: value[index] for name, value in self.__dict__.items()})
        return chosen

    def forward(self, x: Tensor) -> Tensor:
        """Physical values `(..., V)` to coordinates."""
        y = x / self.softening
        # log1p of what lies below its domain is unknown, not an error: NaN travels as "no value".
        g = torch.where(self._asinh, torch.asinh(y), torch.where(self._log1p, torch.log1p(y), y))
        return (g - self.center) / self.scale

    def inverse(self, t: Tensor) -> Tensor:
        """Coordinates `(..., V)` to physical values."""
        g = t * self.scale + self.center
        y = torch.where(self._asinh, torch.sinh(g), torch.where(self._log1p, torch.expm1(g), g))
        return y * self.softening

    def error(self, sigma: Tensor) -> Tensor:
        """Gaussian errors in physical units `(..., V)` to token errors."""
        return sigma / (self.softening * self.scale)

    def slope(self, t: Tensor) -> Tensor:
        """`g'(y)` at coordinates `(..., V)`: what remains there of a token error."""
        return transform_slope(t * self.scale + self.center, self._asinh, self._log1p)

    def log_slope(self, x: Tensor) -> Tensor:
        """log(dt/dx) at physical values `(..., V)`: the Jacobian of a density."""
        y = x / self.softening
        slope = torch.where(self._asinh, -0.5 * torch.log1p(y * y), torch.where(self._log1p, -torch.log1p(y), 0 * y))
        return slope - torch.log(self.softening * self.scale)


__all__ = ["Coordinates", "transform_slope"]
