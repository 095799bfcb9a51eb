"""Readers of spectra: SDSS ``spec-*.fits``, DESI coadds, text columns."""

from .reader import read_spectrum
from .spectrum import Spectrum, air_to_vacuum

__all__ = ["Spectrum", "air_to_vacuum", "read_spectrum"]
