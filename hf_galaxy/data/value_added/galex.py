"""GALEX photometry of galaxies: detected, looked at and not seen, or never looked at.

Tables told by their columns, of each band FUV and NUV, the first that is there:

=================================== ===================================================================
``fuv_flux, fuv_fluxerr``           µJy, of the merged catalogue at MAST
``FUV_FLUX_AUTO, FUV_FLUXERR_AUTO`` counts/s of the pipeline's source extractor (upper case, ``*-xd-mcat.fits``, the
                                    GALEX-SDSS sample of kcorrect), zero points 18.82 and 20.08 (CDS II/312)
``FUVmag, e_FUVmag``                AB magnitudes: CDS II/335 (GUVcat_AIS), II/312
``FUV_MAG, FUV_MAGERR``             AB magnitudes: GUVcat and GCAT (GASC, GMSC) at MAST
=================================== ===================================================================

A header that has a unit decides instead. Blank, ±99, -999 and a flux of 0 with an error of 0 are no detection. Of a row
that holds the other band alone, the band is *undetected* where its exposure time is positive, or where the layer is
known: 0 ± σ of that depth. Without either it is unobserved (NaN), and so is a galaxy without a row, unless the caller
says that GALEX looked there (``observed`` of ``lookup``).

Fluxes are not corrected for the dust of the Milky Way by the surveys; ``deredden`` does, where the table has E(B-V).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hf_galaxy.data.flux_units import NJY_AT_MAGNITUDE_ZERO, RELATIVE_ERROR_PER_MAG, flux_scale
from hf_galaxy.data.value_added.draft import SENTINELS
from hf_galaxy.data.value_added.identifiers import SkyIndex, asked_positions, id_codes, keys_of, match_ids, positions_of
from hf_galaxy.data.value_added.opening import Columns, listed, open_tables
from hf_galaxy.data.value_added.tables import LabelReport
from hf_galaxy.variables_galaxy import BROAD_BANDS

BANDS = ("FUV", "NUV")
NEEDS = "FUVmag, e_FUVmag, … or fuv_flux, fuv_fluxerr, … or FUV_FLUX_AUTO, FUV_FLUXERR_AUTO, … and RA, DEC or ids"
RADIUS_ARCSEC = 3.5  # Bianchi et al. (2011) match SDSS within 3 arcsec; the image is 4.2 to 5.3 arcsec wide
ZERO_POINT = (18.82, 20.08)  # AB magnitude of one count/s, CDS II/312
CALIBRATION = (0.05, 0.03)  # mag, Morrissey et al. (2007, ApJS 173, 682); in quadrature
EXTINCTION = (8.06, 7.95)  # A / E(B-V), Bianchi (2011)
# AB magnitude of 5 σ and the exposure in s that is typical of it; CDS II/312, Morrissey et al. (2007)
DEPTH = {"AIS": (19.9, 20.8, 100.0), "MIS": (22.6, 22.7, 1500.0), "DIS": (24.8, 24.4, 30000.0)}
LAYERS = {"1": "AIS", "2": "MIS", "3": "DIS", "A": "AIS", "M": "MIS", "D": "DIS", "NGS": "MIS", "GII": "MIS"}
DETECTION = 5.0
FORMS = (  # value, error, and what it is without a unit in the header
    ("{b}_FLUX", "{b}_FLUXERR", "uJy"),
    ("{b}_FLUX_AUTO", "{b}_FLUXERR_AUTO", "counts"),
    ("{b}mag", "e_{b}mag", "mag(AB)"),
    ("{b}_MAG", "{b}_MAGERR", "mag(AB)"),
)
EXPOSURE = ("{b}_EXPTIME", "{b}_exp", "{s}exp")
LAYER = ("UV_SURVEY", "SURVEY", "LAYER", "IMGSURVEY")
REDDENING = ("E(B-V)", "E_BV", "E_B_V_", "EBV")


@dataclass(frozen=True, eq=False)
class GalexFluxes:
    """FUV and NUV of m galaxies that were asked for.

    Attributes:
        flux, error: (m, 2) nJy; NaN in both is unobserved; a flux of 0 with its error is undetected.
        matched: (m,) the galaxy has a row in the table.
        detected: (m, 2) the band has a measurement.
    """

    flux: np.ndarray
    error: np.ndarray
    matched: np.ndarray
    detected: np.ndarray


@dataclass(frozen=True, eq=False)
class GalexTable:
    """FUV and NUV of n sources.

    Attributes:
        source: What was read.
        keys: Kind to (n,) codes of ``id_codes``, where the table is matched to spectra already.
        ra, dec: (n,) deg; NaN is unknown.
        flux, error, detected: (n, 2), as in ``GalexFluxes``.
        report: What was read, and what was not.
    """

    source: str
    keys: Mapping[str, np.ndarray]
    ra: np.ndarray
    dec: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    detected: np.ndarray
    report: LabelReport

    def __len__(self) -> int:
        return len(self.ra)

    def lookup(
        self,
        ids: Any = None,
        *,
        by: str | None = None,
        ra: Any = None,
        dec: Any = None,
        radius: float = RADIUS_ARCSEC,
        observed: Any = None,
        layer: str = "AIS",
    ) -> GalexFluxes:
        """Fluxes of m galaxies, in the order asked.

        Args:
            ids: (m,) ids as ``id_codes`` takes them, of the kind ``by`` (the only one of the table by default).
            by: Kind of the ids.
            ra, dec: (m,) deg, instead of ids: the nearest source within ``radius``.
            radius: arcsec.
            observed: (m,) bool: GALEX looked at the galaxy. Where it did and there is no source, both bands are 0 ± σ
                of ``layer``; without it, and where it is False, they are NaN.
            layer: AIS, MIS or DIS, for ``observed``.

        Raises:
            ValueError: Neither ids nor positions, or both, or of a kind that the table does not have; ``observed`` of
                another length; an unknown layer.
        """
        if (ids is None) == (ra is None) or (ra is None) != (dec is None):
            raise ValueError(f"{self.source}: give ids, or ra and dec")
        if layer not in DEPTH:
            raise ValueError(f"layer {layer!r} is not one of {', '.join(DEPTH)}")
        if ids is not None:
            by = by or (next(iter(self.keys)) if len(self.keys) == 1 else None)
            if by not in self.keys:
                raise ValueError(f"{self.source}: ids of kind {by}; it has {', '.join(self.keys) or 'positions alone'}")
            rows = match_ids(id_codes(ids, by), self.keys[by])
        else:
            rows = self._sky.match(*asked_positions(self.source, ra, dec, radius), radius)
        return self._rows(rows, observed, layer)

    @cached_property
    def _sky(self) -> SkyIndex:
        return SkyIndex(self.ra, self.dec)

    def _rows(self, rows: np.ndarray, observed: Any, layer: str) -> GalexFluxes:
        matched = rows >= 0
        flux, error = np.full((len(rows), 2), np.nan), np.full((len(rows), 2), np.nan)
        detected = np.zeros((len(rows), 2), dtype=bool)
        flux[matched], error[matched] = self.flux[rows[matched]], self.error[rows[matched]]
        detected[matched] = self.detected[rows[matched]]
        if observed is not None:
            looked = np.asarray(observed)
            if looked.shape != matched.shape or looked.dtype.kind != "b":
                raise ValueError(
                    f"{self.source}: observed is {looked.dtype} {looked.shape}; bool {matched.shape} needed"
                )
            empty = looked & ~matched
            flux[empty], error[empty] = 0.0, depth_error(layer)
        return GalexFluxes(flux, error, matched, detected)


def depth_error(layer: str) -> np.ndarray:
    """(2,) standard deviations in nJy of FUV and NUV fluxes at the depth of a layer."""
    return NJY_AT_MAGNITUDE_ZERO * 10 ** (-0.4 * np.array(DEPTH[layer][:2])) / DETECTION


def exposure_error(band: int, seconds: np.ndarray) -> np.ndarray:
    """(n,) nJy: the depth at an exposure time, between (and beyond) the layers linear in the logarithms."""
    log_time = np.log10([DEPTH[layer][2] for layer in DEPTH])
    log_error = np.log10([depth_error(layer)[band] for layer in DEPTH])
    x = np.log10(seconds)
    shallow = log_error[0] + (x - log_time[0]) * (log_error[1] - log_error[0]) / (log_time[1] - log_time[0])
    deep = log_error[1] + (x - log_time[1]) * (log_error[2] - log_error[1]) / (log_time[2] - log_time[1])
    return 10 ** np.where(x < log_time[1], shallow, deep)


def read_galex(source: Any, layer: str | None = None, deredden: bool = False) -> GalexTable:
    """GALEX photometry of a table.

    Args:
        source: A path, or what ``data.table_io.as_table`` takes.
        layer: AIS, MIS or DIS: the depth of bands that are blank in a row, where the table says neither the layer nor
            the exposure of each.
        deredden: Correct for the dust of the Milky Way, by the column E(B-V) of the table.

    Raises:
        ValueError: The columns are not those of GALEX, of another unit, or without ids and positions.
    """
    if layer is not None and layer not in DEPTH:
        raise ValueError(f"layer {layer!r} is not one of {', '.join(DEPTH)}")
    with open_tables(source) as tables:
        table = next((t for t in tables.values() if band_forms(t)), None)
        if table is None:
            seen = "; ".join(listed(t.names) for t in tables.values())
            raise ValueError(f"{source if isinstance(source, str) else 'table'}: not GALEX: {NEEDS} (seen: {seen})")
        return _read(table, layer, deredden)


def band_forms(table: Columns) -> dict[str, tuple[str, str, str]]:
    """Of each band that is there its value, its error, and its unit where the header says none."""
    found = {}
    for band in BANDS:
        named = [(v.format(b=band), e.format(b=band), unit) for v, e, unit in FORMS]
        form = next(((v, e, unit) for v, e, unit in named if v in table and e in table), None)
        if form is not None:
            found[band] = form
    return found


def _read(table: Columns, layer: str | None, deredden: bool) -> GalexTable:
    n = table.rows
    keys = {kind: id_codes(ids, kind) for kind, ids in keys_of(table).items()}
    ra, dec = positions_of(table)
    if ra is None and not keys:
        raise ValueError(f"{table.source}: neither RA and DEC nor ids of spectra; one of them is needed")
    for kind, codes in keys.items():
        unique, counts = np.unique(codes[codes > 0], return_counts=True)
        if (counts > 1).any():
            raise ValueError(
                f"{table.source}: {kind} {unique[counts > 1][0]} stands in several rows; keep the best one"
            )
    flux, error = np.full((n, 2), np.nan), np.full((n, 2), np.nan)
    unknown: dict[str, dict[str, int]] = {}
    columns: dict[str, str] = {}
    for band, form in band_forms(table).items():
        i = BANDS.index(band)
        flux[:, i], error[:, i] = read_band(table, band, *form, plausible=True)
        columns[band] = form[0]
    detected = np.isfinite(flux)
    reddening = _reddening(table) if deredden else np.zeros(n)
    depth = _depths(table, layer)
    for i, name in enumerate(BANDS):
        if name not in columns:  # a table of one band says nothing of the other
            continue
        seen = ~detected[:, i] & np.isfinite(depth[:, i])
        blank = ~detected[:, i] & ~seen
        flux[seen, i], error[seen, i] = 0.0, depth[seen, i]
        brighter = 10 ** (0.4 * EXTINCTION[i] * reddening)
        flux[:, i], error[:, i] = flux[:, i] * brighter, error[:, i] * brighter
        unknown[columns[name]] = {"undetected, 0 within its depth": int(seen.sum()), "blank": int(blank.sum())}
    nowhere = np.full(n, np.nan)
    report = LabelReport(n, {}, unknown, columns)
    place = (nowhere, nowhere) if ra is None else (ra, dec)
    return GalexTable(table.source, keys, *place, flux, error, detected, report)


def read_band(
    table: Columns, band: str, value: str, error: str, unit: str, plausible: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) nJy and its error, calibration included; NaN without a detection.

    Args:
        table: The rows.
        band: FUV or NUV.
        value, error, unit: As ``band_forms`` gives them.
        plausible: Look whether the median is that of galaxies.

    Raises:
        ValueError: The unit is none of a flux, or the fluxes are those of no galaxies.
    """
    i = BANDS.index(band)
    x, sigma = table.number(value), table.number(error)
    good = np.isfinite(x) & np.isfinite(sigma) & (sigma > 0) & ~np.isin(x, SENTINELS) & ~np.isin(sigma, SENTINELS)
    x, sigma = np.where(good, x, np.nan), np.where(good, sigma, np.nan)
    seen = table.unit(value) or unit
    if seen.lower() in ("counts", "count/s", "ct/s", "counts/s", "counts/sec", "ct s-1", "count s-1", "adu/s"):
        factor = NJY_AT_MAGNITUDE_ZERO * 10 ** (-0.4 * ZERO_POINT[i])
        flux, spread = factor * x, factor * sigma
    else:
        try:
            scale = flux_scale(seen, BROAD_BANDS[BANDS[i]][0])
        except ValueError as problem:
            raise ValueError(f"{table.source}: column {value}: {problem}") from None
        flux = scale.flux(x)
        spread = scale.error(flux, sigma)
    if plausible and good.sum() > 10 and not 1.0 < np.median(np.abs(flux[good])) < 1e8:
        raise ValueError(
            f"{table.source}: column {value} in {seen} is {np.median(flux[good]):.3g} nJy in the median, which no "
            "sample of galaxies is; what is its unit?"
        )
    return flux, np.hypot(spread, RELATIVE_ERROR_PER_MAG * CALIBRATION[i] * flux)


def _depths(table: Columns, layer: str | None) -> np.ndarray:
    """(n, 2) nJy: σ of each row in each band, by its exposure, its layer, or that of the caller; NaN is unknown."""
    depth = np.full((table.rows, 2), np.nan)
    for i, band in enumerate(BANDS):
        if exposure := table.first(*(name.format(b=band, s=band[0]) for name in EXPOSURE)):
            seconds = table.number(exposure)
            seconds = np.where(seconds > 0, seconds, np.nan)
            depth[:, i] = exposure_error(i, seconds)
        elif column := table.first(*LAYER):
            said = [text.upper().removesuffix(".0") for text in table.text(column).tolist()]
            layers = [LAYERS.get(text, text) for text in said]
            depth[:, i] = [depth_error(each)[i] if each in DEPTH else np.nan for each in layers]
        elif layer is not None:
            depth[:, i] = depth_error(layer)[i]
    return depth


def _reddening(table: Columns) -> np.ndarray:
    column = table.first(*REDDENING)
    if column is None:
        raise ValueError(f"{table.source}: no column {' or '.join(REDDENING)}; it is needed to deredden")
    values = table.number(column)
    bad = ~((values >= 0) & (values < 5))
    if bad.any():
        raise ValueError(f"{table.source}: {column} of row {int(bad.argmax())} is {values[bad][0]}; 0 to 5 is needed")
    return values


__all__ = [
    "BANDS",
    "DEPTH",
    "GalexFluxes",
    "GalexTable",
    "band_forms",
    "depth_error",
    "exposure_error",
    "read_band",
    "read_galex",
]
