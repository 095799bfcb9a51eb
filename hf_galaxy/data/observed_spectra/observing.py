"""One spectrum to its fluxes in our bands, as it was observed and as it would be at other redshifts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hf_galaxy.data.observed_spectra.selection import Imaging, imaging_of, reason_against
from hf_galaxy.data.observed_spectra.settings import SpectraSettings
from hf_galaxy.physics import fibre_loss
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.galactic_extinction import deredden
from hf_galaxy.physics.redshifting import dimming, draw_redshift, move, row_generator
from hf_galaxy.physics.spectra import Spectrum
from hf_galaxy.physics.spectral_extension import ExtendedPhotometry, ExtendedSpectrum, as_observed, extend
from hf_galaxy.physics.spectral_indices import dn4000
from hf_galaxy.physics.template_fit import TemplateFit, template_library
from hf_galaxy.variables_galaxy import BANDS, LINES, PROPERTIES

AB_ZERO_NJY = 31.4
REDSHIFT_ERROR = 1e-4  # of 1 + z, where the file says none: 30 km/s
FAINTEST = 30.0  # mag; fainter spectra are in another unit
FRAME_GAIN = 0.5  # the fit at redshift 0 must be twice as good to show a wrong frame
FRAME_BAD = 2.0  # and that at the redshift of the file bad
LINE_WAVELENGTHS = {name: wave for name, (wave, _) in LINES.items()}


class LeftOutError(ValueError):
    """A spectrum is not used; the message is the reason."""


@dataclass(frozen=True, eq=False)
class Observation:
    """One row.

    Attributes:
        draw: 0 as observed, 1, 2, … moved to another redshift.
        redshift: Of this draw.
        photometry: Fluxes and errors in nJy, order of BANDS.
        dimming: Line fluxes of this draw over those of draw 0.
    """

    draw: int
    redshift: float
    photometry: ExtendedPhotometry
    dimming: float = 1.0


@dataclass(frozen=True, eq=False)
class ObservedSpectrum:
    """All rows of one spectrum, and what was measured on it.

    Attributes:
        rows: Draws.
        properties, errors: (P,) of draw 0; NaN is unknown.
        fibre_factor: Light of the whole galaxy over that of the fibre, mean over the spectrum; None if unknown.
        ebv: E(B-V) that was taken out; 0 if none was.
        done: What was done to it, for the column ``source``.
    """

    rows: list[Observation]
    properties: np.ndarray
    errors: np.ndarray
    fibre_factor: float | None
    ebv: float
    done: list[str] = field(default_factory=list)


class SpectrumObserver:
    """Makes observations of spectra.

    Args:
        settings: What to do.
        filters: All of BANDS; the embedded set if not given.
        imaging: What images say, by id; what the files say if not given.

    Raises:
        MissingGridsError: Templates are asked for, and the stellar grids are not installed.
    """

    def __init__(
        self,
        settings: SpectraSettings,
        filters: FilterSet | None = None,
        imaging: Mapping[str, Imaging] | None = None,
    ) -> None:
        self.settings, self.imaging = settings, imaging
        self.filters = (filters or FilterSet.embedded()).subset(BANDS)
        self.library = template_library() if settings.extrapolate else None

    def __call__(self, spectrum: Spectrum, names: tuple[str, ...]) -> ObservedSpectrum:
        """Rows of a spectrum; ``names`` are the ids it is known by, the first is that of the rows.

        Raises:
            LeftOutError: It is not used.
        """
        if reason := reason_against(spectrum, self.settings):
            raise LeftOutError(reason)
        done: list[str] = []
        spectrum, factor, ebv = self._whole_light(spectrum, imaging_of(spectrum, self.imaging, names), done)
        fit = self._fit(spectrum)
        extended = as_observed(spectrum) if fit is None else extend(spectrum, fit)
        spectrum, extended, photometry = self._photometry(spectrum, extended)
        rows = [Observation(0, spectrum.redshift, photometry)]
        if spectrum.signal_to_noise >= self.settings.draw_signal_to_noise:
            rows += self._draws(spectrum, extended, photometry, names[0])
        done += ["templates"] if photometry.extrapolated.any() else []
        return ObservedSpectrum(rows, *_measured(spectrum, self.settings), factor, ebv, done)

    def _whole_light(
        self, spectrum: Spectrum, imaging: Imaging | None, done: list[str]
    ) -> tuple[Spectrum, float | None, float]:
        """The spectrum of the whole galaxy without the dust of ours, the mean factor of the fibre, and E(B-V)."""
        if imaging is None:
            return spectrum, None, 0.0
        middle = None
        try:
            factor = fibre_loss.fibre_factor(spectrum, imaging.flux, imaging.system, self.settings.fibre_loss)
        except fibre_loss.WrongImagingError as error:
            raise LeftOutError(str(error)) from None
        if factor is not None:
            spectrum = fibre_loss.scale(spectrum, factor, LINE_WAVELENGTHS)
            middle = float(np.exp(np.log(factor).mean()))
            done.append("fibre-corrected")
        if imaging.ebv is None or not self.settings.galactic_dust:
            return spectrum, middle, 0.0
        done.append("dust-corrected")
        return deredden(spectrum, imaging.ebv, LINE_WAVELENGTHS), middle, imaging.ebv

    def _fit(self, spectrum: Spectrum) -> TemplateFit | None:
        """The template of the galaxy; None if it is not of use.

        Raises:
            LeftOutError: The wavelengths are not those of a galaxy at this redshift, or it is no galaxy.
        """
        s = self.settings
        fit = None if self.library is None else self.library.fit(spectrum)
        if fit is None:
            return None
        z = spectrum.redshift
        if s.check_frame and z > 0.01 and fit.chi2 > FRAME_BAD:
            rest = self.library.fit(spectrum, 0.0)
            if rest is not None and rest.chi2 < FRAME_GAIN * fit.chi2:
                raise LeftOutError(
                    f"templates fit redshift 0 (χ² {rest.chi2:.2g}) better than {z:.4f} (χ² {fit.chi2:.2g}): the"
                    " wavelengths are in the rest frame, or the redshift is another's"
                )
        if fit.chi2 <= s.worst_fit:
            return fit
        if "class" not in spectrum.facts and not s.any_class and spectrum.source != "text":
            raise LeftOutError(f"no class is given, and templates of galaxies do not fit (χ² {fit.chi2:.2g})")
        return None

    def _photometry(
        self, spectrum: Spectrum, extended: ExtendedSpectrum
    ) -> tuple[Spectrum, ExtendedSpectrum, ExtendedPhotometry]:
        """Fluxes of draw 0; the spectra at the magnitude asked for.

        Raises:
            LeftOutError: Too few bands, the wrong unit, a band to scale to that is not measured.
        """
        found = extended.photometry(self.filters)
        measured = np.isfinite(found.flux) & ~found.extrapolated
        if measured.sum() < self.settings.fewest_bands:
            low, high = extended.limits
            raise LeftOutError(
                f"measures {measured.sum()} bands between {low:.6g} and {high:.6g}, fewer than"
                f" {self.settings.fewest_bands}; wavelengths must be in Å"
            )
        if self.settings.scale_to is not None:
            band, magnitude = self.settings.scale_to
            now = found.flux[BANDS.index(band)]
            if not now > 0:
                raise LeftOutError(f"{band}, to scale to, {'is not covered' if np.isnan(now) else 'is not positive'}")
            factor = 10 ** (0.4 * (AB_ZERO_NJY - magnitude)) / now
            spectrum = fibre_loss.scale(spectrum, np.full(spectrum.flux.shape, factor), LINE_WAVELENGTHS)
            extended = extended.scaled(1.0, factor)
            found = found._replace(flux=found.flux * factor, error=found.error * factor)
        if not _magnitude(found) < FAINTEST:
            raise LeftOutError(f"of magnitude {_magnitude(found):.1f}: its flux is not in erg/s/cm²/Å")
        return spectrum, extended, self._with_floor(found)

    def _with_floor(self, found: ExtendedPhotometry) -> ExtendedPhotometry:
        return found._replace(error=np.hypot(found.error, self.settings.calibration_floor * np.abs(found.flux)))

    def _draws(
        self, spectrum: Spectrum, extended: ExtendedSpectrum, found: ExtendedPhotometry, name: str
    ) -> list[Observation]:
        s, rows = self.settings, []
        for draw in range(1, s.redshift_draws + 1):
            new = draw_redshift(
                row_generator(s.seed, name, draw),
                extended.limits,
                spectrum.redshift,
                self.filters,
                (s.draw_redshift_min, s.draw_redshift_max),
                s.draw_fewest_bands,
                _magnitude(found),
                (s.draw_brightest, s.draw_faintest),
            )
            if new is None:
                break
            moved = move(extended, spectrum.redshift, new).photometry(self.filters)
            rows.append(Observation(draw, new, self._with_floor(moved), dimming(spectrum.redshift, new)))
        return rows


def _magnitude(found: ExtendedPhotometry) -> float:
    """Median AB magnitude of the measured bands; infinite if they are not positive."""
    median = np.median(found.flux[np.isfinite(found.flux) & ~found.extrapolated])
    return AB_ZERO_NJY - 2.5 * float(np.log10(median)) if median > 0 else float("inf")


def _measured(spectrum: Spectrum, settings: SpectraSettings) -> tuple[np.ndarray, np.ndarray]:
    """Properties (P,) and errors (P,) that the spectrum and its file say."""
    known: dict[str, tuple[float, float]] = {}
    z = spectrum.redshift
    error = spectrum.facts.get("z_err", np.nan)  # the pipelines write -1 and the like where they have none
    known["redshift"] = (z, error if 0 < error < 1 else REDSHIFT_ERROR * (1 + z))
    if (pair := dn4000(spectrum)) is not None:
        # both sides are within 250 Å, where the calibration errs mostly alike
        known["dn4000"] = (pair[0], float(np.hypot(pair[1], settings.calibration_floor / 2 * pair[0])))
    known |= {f"ew_{name}": pair for name, pair in spectrum.widths.items()}
    if not spectrum.relative or settings.scale_to is not None:
        known |= {f"flux_{name}": pair for name, pair in spectrum.line_fluxes.items()}
    known = {name: pair for name, pair in known.items() if np.isfinite(pair).all() and pair[1] >= 0}
    properties, errors = (np.array([known.get(name, (np.nan, np.nan))[i] for name in PROPERTIES]) for i in (0, 1))
    return properties, errors


__all__ = ["LeftOutError", "Observation", "ObservedSpectrum", "SpectrumObserver"]
