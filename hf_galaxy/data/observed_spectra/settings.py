"""What decides how spectra become observations; kept with every data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hf_galaxy.physics.fibre_loss import MODES
from hf_galaxy.variables_galaxy import BANDS


@dataclass(frozen=True)
class SpectraSettings:
    """Settings of the builder of real spectra.

    Attributes:
        seed: Of the redshifts that galaxies are moved to; nothing else is random.
        redshift_min, redshift_max: Spectra outside are left out. Below 0.002 a redshift is no distance, and stars are.
        signal_to_noise_min: Spectra of a lower median ratio per pixel are left out.
        fewest_bands: Spectra that measure fewer bands are left out.
        any_class: Keep what the pipeline does not call a galaxy.
        calibration_floor: Relative error added in quadrature to every flux.
        extrapolate: Fit templates, fill masked pixels with them and predict bands just beyond the spectrum. Needs the
            stellar grids.
        worst_fit: Mean squared residual of the fit above which the templates are not those of the galaxy: nothing is
            extrapolated, and spectra of no known class are left out.
        check_frame: Leave out spectra that the templates fit much better at redshift 0 than at their own, because
            their wavelengths are in the rest frame, or the redshift is another galaxy's.
        fibre_loss: How spectra are scaled to images where there are any: ``"grey"``, ``"smooth"`` or ``"none"``.
        galactic_dust: Take the dust of our Galaxy out where its E(B-V) is known.
        scale_to: (band, AB magnitude) that every spectrum is scaled to; for relative fluxes.
        redshift_draws: How many times each galaxy is moved to another redshift.
        draw_redshift_min, draw_redshift_max: Range of the other redshifts.
        draw_signal_to_noise: Spectra of a lower median ratio per pixel are not moved.
        draw_fewest_bands: Bands that must lie within the moved spectrum.
        draw_brightest, draw_faintest: AB magnitudes that a moved galaxy stays between.
    """

    seed: int = 0
    redshift_min: float = 0.002
    redshift_max: float = 1.5
    signal_to_noise_min: float = 3.0
    fewest_bands: int = 20
    any_class: bool = False
    calibration_floor: float = 0.02
    extrapolate: bool = True
    worst_fit: float = 6.0
    check_frame: bool = True
    fibre_loss: str = "grey"
    galactic_dust: bool = True
    scale_to: tuple[str, float] | None = None
    redshift_draws: int = 0
    draw_redshift_min: float = 0.01
    draw_redshift_max: float = 0.8
    draw_signal_to_noise: float = 8.0
    draw_fewest_bands: int = 40
    draw_brightest: float = 13.0
    draw_faintest: float = 23.0

    def __post_init__(self) -> None:
        ranges = {
            "redshift": (self.redshift_min, self.redshift_max),
            "draw_redshift": (self.draw_redshift_min, self.draw_redshift_max),
            "magnitude": (self.draw_brightest, self.draw_faintest),
        }
        for name, (low, high) in ranges.items():
            if not low < high:
                raise ValueError(f"{name} from {low:g} to {high:g} is no range; the first must be the smaller")
        if not 0 <= self.calibration_floor < 1:
            raise ValueError(f"calibration floor {self.calibration_floor} is not within 0 and 1; 0.02 is 2 %")
        if self.redshift_draws < 0 or self.fewest_bands < 1:
            raise ValueError(
                f"{self.redshift_draws} draws, {self.fewest_bands} bands: not negative, at least one needed"
            )
        if self.fibre_loss not in MODES:
            raise ValueError(f"fibre loss {self.fibre_loss!r} is not one of {', '.join(MODES)}")
        if self.scale_to is not None:
            object.__setattr__(self, "scale_to", _band_and_magnitude(self.scale_to))


def _band_and_magnitude(given: Sequence) -> tuple[str, float]:
    """A band and an AB magnitude.

    Raises:
        ValueError: The band is not one of BANDS, or the magnitude no number that galaxies have.
    """
    try:
        band, magnitude = given
        magnitude = float(magnitude)
    except (TypeError, ValueError):
        raise ValueError(f"scale_to is {given!r}; a band and an AB magnitude are needed") from None
    if band not in BANDS:
        raise ValueError(f"no band {band!r} to scale to; there are {', '.join(BANDS)}")
    if not 0 < magnitude < 35:
        raise ValueError(f"{band} = {magnitude:g} mag is no galaxy")
    return band, magnitude


__all__ = ["SpectraSettings"]
