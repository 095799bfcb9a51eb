"""Spectra of real galaxies as observations in our bands, with labels."""

from hf_galaxy.data.observed_spectra.assembling import observe_readings
from hf_galaxy.data.observed_spectra.observing import Observation, SpectrumObserver
from hf_galaxy.data.observed_spectra.recipe import Recipe, spectra_parts
from hf_galaxy.data.observed_spectra.selection import Imaging, reason_against
from hf_galaxy.data.observed_spectra.settings import SpectraSettings

__all__ = [
    "Imaging",
    "Observation",
    "Recipe",
    "SpectraSettings",
    "SpectrumObserver",
    "observe_readings",
    "reason_against",
    "spectra_parts",
]
