"""Where spectra come from by the thousand: folders of survey files, data sets of the Hub, the SPARCL archive."""

from hf_galaxy.data.spectra_sources.folders import DesiFolder, SdssFolder, TextFolder
from hf_galaxy.data.spectra_sources.multimodal import MultimodalUniverse
from hf_galaxy.data.spectra_sources.reading import Piece, Reading, SpectrumSource, identifier, keys
from hf_galaxy.data.spectra_sources.sparcl import SparclIds, SparclQuery

__all__ = [
    "DesiFolder",
    "MultimodalUniverse",
    "Piece",
    "Reading",
    "SdssFolder",
    "SparclIds",
    "SparclQuery",
    "SpectrumSource",
    "TextFolder",
    "identifier",
    "keys",
]
