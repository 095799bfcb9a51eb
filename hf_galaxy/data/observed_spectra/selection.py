"""Which spectra are used, and what images say of their galaxies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hf_galaxy.data.observed_spectra.settings import SpectraSettings
from hf_galaxy.physics.spectra import Spectrum

GALAXY = "GALAXY"
FEWEST_PIXELS = 100
MOST_REDDENED = 10.0  # E(B-V), mag


@dataclass(frozen=True)
class Imaging:
    """Fluxes of a whole galaxy.

    Attributes:
        flux: nJy by band: g, r, i, z.
        system: Whose bands they are, of ``fibre_loss.SYSTEMS``.
        ebv: E(B-V) of the SFD map, if known.
    """

    flux: Mapping[str, float]
    system: str
    ebv: float | None = None


def reason_against(spectrum: Spectrum, settings: SpectraSettings) -> str | None:
    """Why a spectrum is left out, from what its file says; None if it is not."""
    z, facts = spectrum.redshift, spectrum.facts
    if spectrum.good.sum() < FEWEST_PIXELS:
        return f"{spectrum.good.sum()} good pixels of {spectrum.good.size}; {FEWEST_PIXELS} are needed"
    if z is None or not np.isfinite(z):
        return "no redshift"
    if facts.get("zwarning", 0) != 0:
        return f"ZWARNING {facts['zwarning']}"
    kind = str(facts.get("class", GALAXY)).upper()
    if kind != GALAXY and not settings.any_class:
        return f"class {facts['class']}, not {GALAXY}"
    if not settings.redshift_min <= z <= settings.redshift_max:
        return f"redshift {z:.4f} outside of {settings.redshift_min:g} to {settings.redshift_max:g}"
    if not spectrum.signal_to_noise >= settings.signal_to_noise_min:
        return f"signal-to-noise ratio {spectrum.signal_to_noise:.2f} below {settings.signal_to_noise_min:g}"
    if spectrum.relative and settings.scale_to is None:
        size = np.median(np.abs(spectrum.flux[spectrum.good]))
        return f"flux is not in erg/s/cm²/Å (median {size:.3g}); if it is relative, give a band to scale it to"
    return None


def imaging_of(spectrum: Spectrum, table: Mapping[str, Imaging] | None, names: tuple[str, ...]) -> Imaging | None:
    """What the table given says of the galaxy (by any of its names), else what its file does."""
    for name in names if table is not None else ():
        if name in table:
            return table[name]
    flux, ebv = spectrum.facts.get("imaging", {}), spectrum.facts.get("ebv")
    if ebv is not None and not 0 <= ebv < MOST_REDDENED:  # a sentinel
        ebv = None
    if not flux and ebv is None:
        return None
    return Imaging(flux, spectrum.facts.get("imaging_system", "sdss"), ebv)


__all__ = ["GALAXY", "Imaging", "imaging_of", "reason_against"]
