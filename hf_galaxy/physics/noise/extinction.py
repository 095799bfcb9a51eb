"""Extinction by the dust of the Milky Way in each band, from the laws of the package ``dust_extinction``."""

from __future__ import annotations

import astropy.units as u
import numpy as np

from ..filters import FilterSet

# Laws that reach from the GALEX bands to the infrared, and the range of R_V that each holds for.
LAWS = {"CCM89": (2.0, 6.0), "F99": (2.0, 6.0), "F19": (2.0, 6.0), "G23": (2.3, 5.6)}


def band_extinction(filters: FilterSet, law: str = "F99", rv: float = 3.1) -> np.ndarray:
    """A/E(B−V) of each band (n_band,), in mag, for little dust and a source of constant f_ν.

    The mean over the band is one over photons, ∫ (A/E) T / λ dλ / ∫ T / λ dλ. E(B−V) is the true colour excess;
    the maps of Schlegel, Finkbeiner & Davis (1998) are 14 % higher (Schlafly & Finkbeiner 2011, ApJ 737, 103).

    Args:
        filters: The bands.
        law: "CCM89" (Cardelli et al. 1989), "F99" (Fitzpatrick 1999), "F19" (Fitzpatrick et al. 2019) or "G23"
            (Gordon et al. 2023, ApJ 950, 86).
        rv: R_V = A(V)/E(B−V).

    Raises:
        ValueError: A law that is not known, an R_V beyond it, a band beyond its wavelengths.
    """
    check_law(law, rv)
    from dust_extinction import parameter_averages  # a second of importing, for this function alone

    model = getattr(parameter_averages, law)(Rv=rv)
    low, high = 1e4 / model.x_range[1], 1e4 / model.x_range[0]  # Å
    curves = [curve.fine() for curve in filters.values()]
    for name, (wave, _) in zip(filters.names, curves, strict=True):
        if wave[0] < low or wave[-1] > high:
            raise ValueError(
                f"band {name} reaches from {wave[0]:.0f} to {wave[-1]:.0f} Å; the law {law} holds from {low:.0f} to "
                f"{high:.0f} Å; choose another one of {', '.join(LAWS)}"
            )
    ratio = rv * model(np.concatenate([wave for wave, _ in curves]) * u.AA)
    parts = np.split(ratio, np.cumsum([len(wave) for wave, _ in curves])[:-1])
    photons = [trans / wave for wave, trans in curves]
    return np.array(
        [
            np.trapezoid(weight * part, wave) / np.trapezoid(weight, wave)
            for (wave, _), weight, part in zip(curves, photons, parts, strict=True)
        ]
    )


def check_law(law: str, rv: float) -> None:
    """Refuse a law that is not known and an R_V that it does not hold for.

    Raises:
        ValueError: Either.
    """
    if law not in LAWS:
        raise ValueError(f"extinction law {law!r} is not known; there are {', '.join(LAWS)}")
    low, high = LAWS[law]
    if not low <= rv <= high:
        raise ValueError(f"R_V {rv} is beyond {low} to {high}, where the law {law} holds")


__all__ = ["LAWS", "band_extinction", "check_law"]
