"""Value-added catalogues of other people as labels in our units, each with its own conventions: one file a family."""

from hf_galaxy.data.value_added.galex import GalexFluxes, GalexTable, read_galex
from hf_galaxy.data.value_added.reading import read_labels
from hf_galaxy.data.value_added.tables import LabelReport, Labels, LabelTable, merge

__all__ = ["GalexFluxes", "GalexTable", "LabelReport", "LabelTable", "Labels", "merge", "read_galex", "read_labels"]
