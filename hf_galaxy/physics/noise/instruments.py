"""Facts about the instruments: depths, error floors, photons."""

from __future__ import annotations

from ..filters import FilterSet

# 5σ depths in AB magnitudes (3 arcsec). ASSUMED, like J-PAS, not published: jpas_bands.csv of the project's reference.
# GALEX is given by layer below.
DEPTHS = {
    "uJAVA": 22.6, "uJPAS": 23.0, "J0378": 22.22, "J0390": 22.31, "J0400": 22.4, "J0410": 22.45, "J0420": 22.48,
    "J0430": 22.52, "J0440": 22.56, "J0450": 22.6, "J0460": 22.6, "J0470": 22.6, "J0480": 22.6, "J0490": 22.6,
    "J0500": 22.6, "J0510": 22.6, "J0520": 22.6, "J0530": 22.6, "J0540": 22.6, "J0550": 22.6, "J0560": 22.59,
    "J0570": 22.58, "J0580": 22.57, "J0590": 22.56, "J0600": 22.55, "J0610": 22.54, "J0620": 22.53,
    "J0630": 22.52, "J0640": 22.51, "J0650": 22.5, "J0660": 22.48, "J0670": 22.46, "J0680": 22.44,
    "J0690": 22.42, "J0700": 22.4, "J0710": 22.35, "J0720": 22.32, "J0730": 22.28, "J0740": 22.23,
    "J0750": 22.2, "J0760": 22.16, "J0770": 22.11, "J0780": 22.08, "J0790": 22.04, "J0800": 22.0,
    "J0810": 21.95, "J0820": 21.91, "J0830": 21.87, "J0840": 21.84, "J0850": 21.8, "J0860": 21.75,
    "J0870": 21.7, "J0880": 21.64, "J0890": 21.59, "J0900": 21.55, "J0910": 21.5, "J1007": 21.5, "gSDSS": 23.7,
    "rSDSS": 23.4, "iSDSS": 23.0,
}  # fmt: skip
# GALEX layers: 5σ depth in FUV and NUV (AB; Morrissey et al. 2007; DIS from the GALEX documentation), exposure in s.
GALEX_LAYERS = {"AIS": (19.9, 20.8, 100.0), "MIS": (22.6, 22.7, 1500.0), "DIS": (24.8, 24.4, 30000.0)}
# Relative error floors in units of the floor of a narrow band (0.02 : 0.03 : 0.05).
FLOOR_RATIO = {"uJAVA": 1.5, "uJPAS": 1.5, "NUV": 1.5, "FUV": 2.5}

AB_ZERO_NJY = 31.4  # AB magnitude of 1 nJy
NJY = 1e-32  # erg/s/cm²/Hz
PLANCK = 6.62607015e-27  # erg s
JST_AREA, JST_EXPOSURE = 3.8e4, 480.0  # cm² net of JST/T250; s, 4 × 120 s (assumed for every band)
GALEX_AREA = 1963.0  # cm², 50 cm aperture
GALEX_PHOTON_WIDTH = {"FUV": 0.0095, "NUV": 0.027}  # ∫ T / λ dλ with the effective area over the aperture; rough

GALEX_BANDS = ("FUV", "NUV")
BROAD_BANDS = ("uJPAS", "gSDSS", "rSDSS", "iSDSS")  # observed apart from the 56 bands of the filter trays


def electrons_per_njy(name: str, filters: FilterSet, galex_exposure: float = 1500.0) -> float:
    """Photo-electrons of a galaxy of 1 nJy in the exposure; approximate (JST/T250, 4 × 120 s; GALEX, s)."""
    if name in GALEX_PHOTON_WIDTH:
        return NJY / PLANCK * GALEX_AREA * galex_exposure * GALEX_PHOTON_WIDTH[name]
    return NJY / PLANCK * JST_AREA * JST_EXPOSURE * filters[name].photon_width


__all__ = ["DEPTHS", "GALEX_LAYERS", "electrons_per_njy"]
