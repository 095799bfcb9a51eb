"""One table of the archive, with what belongs to it, to galaxies of the data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hf_galaxy.data.features import ObservedGalaxies
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

from .columns import Columns
from .filters import FilterOrder
from .photometry import TABLES, TOLERATED_FLAGS, Layout, read_photometry, to_bands
from .redshifts import Labels


@dataclass(frozen=True)
class Settings:
    """What decides which fluxes and which galaxies a data set holds.

    Attributes:
        survey: Name of SURVEYS.
        layout: One of ``photometry.LAYOUTS``; None finds out.
        aperture: Such as ``PSFCOR``; None takes the preferred one of those there.
        tolerated_flags, tolerated_mask: Bits of FLAGS and MASK_FLAGS that do not void a band.
        deredden: Correct for the dust of the Milky Way, as the model's training sets are. None does so where the
            extinction is given, True demands it, False leaves the fluxes as they were observed.
        max_star_probability: Leave out what is a star with a higher probability; None leaves out none.
        classes: Spectroscopic classes that stay; those without a class always do.
    """

    survey: str = "minijpas"
    layout: str | None = None
    aperture: str | None = None
    tolerated_flags: int = TOLERATED_FLAGS
    tolerated_mask: int = 0
    deredden: bool | None = None
    max_star_probability: float | None = None
    classes: tuple[str, ...] = ("GALAXY",)


@dataclass(frozen=True)
class Beside:
    """What other tables know of the n rows of a photometric table.

    Attributes:
        extinction: (n, F) mag, NaN is unknown; None is not to be corrected for.
        star: (n,) probability of being a star, or None.
        labels: Redshifts, or None.
        galex: (n, 2) fluxes and (n, 2) errors of FUV and NUV in nJy, or None.
        left_out: Row to the reason why it is left out before anything is read.
    """

    extinction: np.ndarray | None = None
    star: np.ndarray | None = None
    labels: Labels | None = None
    galex: tuple[np.ndarray, np.ndarray] | None = None
    left_out: Mapping[int, str] | None = None


def assemble(
    columns: Columns, order: FilterOrder, layout: Layout, settings: Settings, beside: Beside
) -> tuple[ObservedGalaxies, list[tuple[str, str]], Counter]:
    """Galaxies, (id, reason) of the rows that were left out, and reason to number of band values not observed.

    Raises:
        ValueError: The table cannot be read as the layout says.
    """
    ids = columns.ids()
    photometry = read_photometry(columns, order, layout, settings.tolerated_flags, settings.tolerated_mask)
    left_out = _left_out(ids, photometry.unusable, settings, beside)
    keep = np.array([row not in left_out for row in range(len(ids))], dtype=bool)
    flux, error = photometry.flux[keep], photometry.flux_error[keep]
    if beside.extinction is not None:
        clear = 10 ** (0.4 * beside.extinction[keep])
        flux, error = flux * clear, error * clear  # a band of unknown extinction is NaN: not observed
    flux, error = to_bands(flux, order), to_bands(error, order)
    for k, band in enumerate(("FUV", "NUV") if beside.galex is not None else ()):
        flux[:, BANDS.index(band)], error[:, BANDS.index(band)] = (x[keep, k] for x in beside.galex)
    ra, dec = columns.positions()
    skipped = [(ids[row] or f"{columns.source} row {row}", reason) for row, reason in sorted(left_out.items())]
    galaxies = _galaxies(
        np.array(ids, dtype=object)[keep], ra[keep], dec[keep], flux, error, layout, settings, beside, keep
    )
    return galaxies, skipped, photometry.voided


def _left_out(ids: list[str], unusable: Mapping[int, str], settings: Settings, beside: Beside) -> dict[int, str]:
    """Row to the first reason why it is left out."""
    reasons = {row: "no TILE_ID and NUMBER, nor id" for row, name in enumerate(ids) if not name}
    reasons = {**(beside.left_out or {}), **reasons}
    for row, reason in unusable.items():
        reasons.setdefault(row, reason)
    if beside.extinction is not None:
        for row in np.nonzero(~np.isfinite(beside.extinction).any(axis=1))[0].tolist():
            reasons.setdefault(row, "no extinction of the Milky Way is known for it")
    if settings.max_star_probability is not None and beside.star is not None:
        for row in np.nonzero(~(beside.star <= settings.max_star_probability))[0].tolist():
            p = beside.star[row]
            known = np.isfinite(p)
            reasons.setdefault(row, f"star with probability {p:.3g}" if known else "no probability of being a star")
    if beside.labels is not None:
        for row, kind in enumerate(beside.labels.kind):
            if kind and kind not in settings.classes:
                reasons.setdefault(row, f"spectroscopic class {kind}")
    return reasons


def _galaxies(
    ids: np.ndarray,
    ra: np.ndarray,
    dec: np.ndarray,
    flux: np.ndarray,
    error: np.ndarray,
    layout: Layout,
    settings: Settings,
    beside: Beside,
    keep: np.ndarray,
) -> ObservedGalaxies:
    n = len(ids)
    source = f"{settings.survey}.{TABLES[layout.kind]}.{layout.aperture.upper() or 'bands'}"
    source += ",as observed" if beside.extinction is None else ",dereddened"
    sources = np.full(n, source, dtype=object)
    properties, property_error = np.full((2, n, len(PROPERTIES)), np.nan)
    if beside.labels is not None:
        i = PROPERTIES.index("redshift")
        properties[:, i], property_error[:, i] = beside.labels.redshift[keep], beside.labels.error[keep]
        sources += np.array([f",{name}" if name else "" for name in beside.labels.source[keep]], dtype=object)
    if beside.galex is not None:
        seen = np.isfinite(flux[:, [BANDS.index("FUV"), BANDS.index("NUV")]]).any(axis=1)
        sources += np.where(seen, ",galex", "").astype(object)
    return ObservedGalaxies(
        id=ids,
        draw=np.zeros(n, dtype=np.int32),
        ra=ra,
        dec=dec,
        flux=flux,
        flux_error=error,
        extrapolated=np.zeros((n, len(BANDS)), dtype=bool),
        properties=properties,
        property_error=property_error,
        survey=np.full(n, settings.survey, dtype=object),
        noisy=np.ones(n, dtype=bool),
        source=sources,
    )


__all__ = ["Beside", "Settings", "assemble"]
