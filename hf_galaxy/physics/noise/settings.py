"""What can be chosen about the observations; part of every data set and every posterior that follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .extinction import check_law

# Spectrographs and their ranges in vacuum Å: SDSS, FORS2 (as its spectra of galaxies at z < 0.5 cover), DESI, BOSS,
# AAOmega, MUSE, VIMOS.
WINDOWS = (
    (3800.0, 9200.0),
    (4450.0, 9250.0),
    (3600.0, 9824.0),
    (3600.0, 10300.0),
    (3750.0, 8850.0),
    (4750.0, 9350.0),
    (5500.0, 9500.0),
)
# Effects that are not there in the plain noise.
_ABSENT = {
    "depth_scatter_galaxy": 0.0, "depth_scatter_tray": 0.0, "depth_scatter_band": 0.0, "galex_exposure_scatter": 0.0,
    "galex_no_fuv_share": 0.0, "floor_unstated_share": 0.0, "error_scatter_galaxy": 0.0, "error_scatter_band": 0.0,
    "outlier_share": 0.0,
    "zero_point_scatter": 0.0, "calibration_scatter": 0.0, "extinction_mean": 0.0, "galex_aperture_scatter": 0.0,
    "galex_colour_scatter": 0.0, "gappy_share": 0.0, "run_share": 0.0, "broad_missing_share": 0.0,
    "broad_only_share": 0.0, "window_share": 0.0, "window_galex_share": 0.0, "spectrum_scatter": 0.0,
    "refraction_scatter": 0.0, "red_end_scatter": 0.0, "fringe_scatter": 0.0, "aperture_slope": 0.0,
    "telluric_scatter": 0.0, "telluric_uncorrected_share": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class NoiseSettings:
    """How noisy, how badly calibrated and how incomplete the observations are.

    A share is one of galaxies unless it says otherwise. *Not stated* means: in the fluxes, not in their errors. An
    effect of size 0 is left out altogether.

    Attributes:
        depth_offset: Added to every depth, mag; positive is deeper.
        depth_scatter_galaxy, depth_scatter_tray, depth_scatter_band: σ in mag of the depth, common to a galaxy, to the
            bands of a filter tray (observed in the same nights) and of each band.
        tray_bands: Contiguous bands in a filter tray (JPCam: 14; Marín-Franch et al. 2017). Where a tray begins is
            random; the broad bands make one of their own.
        floor_range: Relative error floor of a narrow band, log-uniform between the two, one per galaxy; other bands in
            proportion (FLOOR_RATIO).
        fixed_floor: Floor of a narrow band for every galaxy, in place of ``floor_range``.
        floor_unstated_share: Share of galaxies whose stated error is that of sky and photons alone, as many catalogues
            have it; elsewhere it includes the floor.
        galex_shares: Shares of galaxies in AIS, MIS and DIS; the rest has no GALEX.
        galex_exposure_scatter: σ in dex of the exposure of GALEX about that of the layer.
        galex_no_fuv_share: Share of the galaxies with GALEX that have NUV alone (the FUV detector failed in 2009).
        error_scatter_galaxy, error_scatter_band: σ of the natural logarithm of stated over true error, common to a
            galaxy and of each band.
        outlier_share, outlier_fraction: Share of galaxies with wrong fluxes, and the fraction of their bands.
        outlier_sigmas: How wrong, in σ, log-uniform between the two; one in three is too low. Not stated.
        zero_point_scatter: σ in mag of the zero point of each band; not stated.
        calibration_scatter: σ of the half-normal rms, in mag, of a smooth distortion over wavelength; not stated.
        calibration_orders: Highest order of the cosines in ln λ of that distortion.
        extinction_mean: Mean E(B−V) of the Milky Way, in mag, of an exponential distribution. It has been corrected
            for; what is left is an error, not stated.
        extinction_scatter: σ of the relative error of E(B−V) (16 %; Schlegel, Finkbeiner & Davis 1998).
        extinction_uncorrected_share: Share of galaxies that have not been corrected.
        extinction_law, extinction_rv: Law (a name in ``extinction.LAWS``) and R_V.
        galex_aperture_scatter, galex_colour_scatter: σ in mag of GALEX against the other bands, common to FUV and NUV
            (apertures; PSF of 4.2 and 5.3 arcsec) and of FUV against NUV; not stated.
        gappy_share, gappy_fraction: Share of galaxies that lack random bands, and the largest fraction lacking.
        run_share, run_bands: Share of galaxies of imaging that lack a contiguous run of bands (a filter tray that has
            not been observed), and the least and greatest length.
        broad_missing_share, broad_only_share: Shares of galaxies of imaging without uJPAS, gSDSS, rSDSS and iSDSS, and
            with none but these (besides GALEX).
        window_share, windows: Share of galaxies seen by a spectrograph, and its ranges in Å: only bands inside are
            observed.
        window_galex_share: Share of those that have GALEX as well, by ``galex_shares``.
        window_depth_gain: Spectra are deeper than the imaging by a random 0 to this many mag.
        spectrum_scatter: rms in mag, in a median spectrum, of a smooth error of the flux calibration: cosines in ln λ
            whose amplitude falls as one over their order. Not stated, like all that follows.
        spectrum_orders: Highest order of those cosines.
        spectrum_tail: σ of the natural logarithm, from galaxy to galaxy, of the size of this error and the next two;
            at most four times the median.
        refraction_scatter: σ in mag, in a median spectrum, of slit losses by atmospheric refraction at 3800 Å against
            5500 Å; of the linear and of the quadratic term.
        red_end_scatter: σ in mag, in a median spectrum, of the error at 9500 Å against 7000 Å (second order, sky).
        fringe_scatter: σ in mag of the independent error of each band at 9500 Å; falls to none at 7000 Å.
        aperture_slope: σ in mag per octave of the colour of the aperture against that of the galaxy.
        telluric_scatter: σ of the relative error of the correction for the absorption by O₂; twice that for H₂O.
        telluric_uncorrected_share: Share of spectra that have not been corrected for it.
    """

    depth_offset: float = 0.0
    depth_scatter_galaxy: float = 0.25
    depth_scatter_tray: float = 0.15
    depth_scatter_band: float = 0.1
    tray_bands: int = 14
    floor_range: tuple[float, float] = (0.005, 0.03)
    fixed_floor: float | None = None
    floor_unstated_share: float = 0.15
    galex_shares: tuple[float, float, float] = (0.3, 0.3, 0.1)
    galex_exposure_scatter: float = 0.2
    galex_no_fuv_share: float = 0.1
    error_scatter_galaxy: float = 0.15
    error_scatter_band: float = 0.1
    outlier_share: float = 0.1
    outlier_fraction: float = 0.03
    outlier_sigmas: tuple[float, float] = (5.0, 50.0)
    zero_point_scatter: float = 0.01
    calibration_scatter: float = 0.02
    calibration_orders: int = 4
    extinction_mean: float = 0.03
    extinction_scatter: float = 0.16
    extinction_uncorrected_share: float = 0.15
    extinction_law: str = "F99"
    extinction_rv: float = 3.1
    galex_aperture_scatter: float = 0.1
    galex_colour_scatter: float = 0.03
    gappy_share: float = 0.2
    gappy_fraction: float = 0.15
    run_share: float = 0.1
    run_bands: tuple[int, int] = (3, 28)
    broad_missing_share: float = 0.05
    broad_only_share: float = 0.03
    window_share: float = 0.15
    windows: tuple[tuple[float, float], ...] = WINDOWS
    window_galex_share: float = 0.5
    window_depth_gain: float = 2.5
    spectrum_scatter: float = 0.035
    spectrum_orders: int = 8
    spectrum_tail: float = 0.6
    refraction_scatter: float = 0.05
    red_end_scatter: float = 0.04
    fringe_scatter: float = 0.02
    aperture_slope: float = 0.03
    telluric_scatter: float = 0.1
    telluric_uncorrected_share: float = 0.15

    def __post_init__(self) -> None:
        for f in fields(self):  # lists, as JSON has them, become tuples
            if isinstance(value := getattr(self, f.name), list):
                object.__setattr__(self, f.name, tuple(tuple(x) if isinstance(x, list) else x for x in value))
        _check_numbers(self)
        _check_ranges(self)
        _check_shares(self)
        check_law(self.extinction_law, self.extinction_rv)

    @classmethod
    def recorded(cls, record: Mapping[str, Any]) -> NoiseSettings:
        """Settings from the record of an earlier version: an effect that it does not name was not there.

        Raises:
            ValueError: A name that is not known, a value that is refused.
        """
        if unknown := sorted(set(record) - {f.name for f in fields(cls)}):
            raise ValueError(f"recorded noise names {', '.join(unknown)}, unknown here; read it with a later version")
        return cls(**{**_ABSENT, **record})

    @classmethod
    def survey(cls) -> NoiseSettings:
        """The training default: everything varies from galaxy to galaxy."""
        return cls()

    @classmethod
    def nominal(cls) -> NoiseSettings:
        """The plain assumed depths, GALEX MIS, floor 0.02, every band observed, no other error."""
        return cls(fixed_floor=0.02, galex_shares=(0.0, 1.0, 0.0), **_ABSENT)


def _check_numbers(s: NoiseSettings) -> None:
    """Every σ, share and count: a finite number of the right kind, not negative."""
    for f in fields(s):
        name, value = f.name, getattr(s, f.name)
        if f.type == "int":
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} {value!r}: must be a whole number of at least 1")
        elif f.type == "float" or (f.type == "float | None" and value is not None):
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{name} {value!r}: must be a finite number")
            if value < 0 and name != "depth_offset":
                raise ValueError(f"{name} {value}: must not be negative")
            if value > 1 and name.endswith(("_share", "_fraction")):
                raise ValueError(f"{name} {value}: must be within 0 and 1")


def _check_ranges(s: NoiseSettings) -> None:
    for name in ("floor_range", "outlier_sigmas", "run_bands"):
        value = getattr(s, name)
        if len(value) != 2 or not 0 < value[0] <= value[1] < math.inf:
            raise ValueError(f"{name} {value}: must be two positive numbers that increase")
    if any(type(n) is not int for n in s.run_bands):
        raise ValueError(f"run_bands {s.run_bands}: must be whole numbers of bands")
    if not s.windows or any(len(w) != 2 or not 0 < w[0] < w[1] for w in s.windows):
        raise ValueError(f"windows {s.windows}: must be pairs of wavelengths in Å that increase, at least one")


def _check_shares(s: NoiseSettings) -> None:
    if len(s.galex_shares) != 3 or min(s.galex_shares) < 0 or sum(s.galex_shares) > 1 + 1e-9:
        raise ValueError(f"galex_shares {s.galex_shares}: must be three, not negative, nor sum to more than 1")
    if s.broad_missing_share + s.broad_only_share > 1:
        raise ValueError(
            f"broad_missing_share {s.broad_missing_share} and broad_only_share {s.broad_only_share}: must not sum to "
            "more than 1"
        )


__all__ = ["NoiseSettings"]
