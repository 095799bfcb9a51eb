"""Observations of many spectra, their labels and their GALEX photometry as rows of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hf_galaxy.data.features import ObservedGalaxies
from hf_galaxy.data.observed_spectra.observing import LeftOutError, ObservedSpectrum, SpectrumObserver
from hf_galaxy.data.spectra_sources.reading import Reading, keys
from hf_galaxy.data.value_added import Labels, LabelTable, merge
from hf_galaxy.data.value_added.galex import BANDS as GALEX_BANDS
from hf_galaxy.data.value_added.galex import EXTINCTION, GalexTable
from hf_galaxy.physics.spectra import Spectrum
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

REDSHIFT = PROPERTIES.index("redshift")
FLUXES = np.array([name.startswith("flux_") for name in PROPERTIES])
LOGARITHMS = np.array([name in ("log_mstar", "log_sfr") for name in PROPERTIES])  # that grow with the light
GALEX = [BANDS.index(name) for name in GALEX_BANDS]
SURVEY = {"sdss": "sdss", "desi": "desi"}


@dataclass(frozen=True, eq=False)
class _Galaxy:
    """One galaxy on its way: what it is called, its spectrum and what was made of it."""

    id: str
    spectrum: Spectrum
    observed: ObservedSpectrum


def observe_readings(
    readings: Iterable[Reading],
    observer: SpectrumObserver,
    labels: Sequence[LabelTable] = (),
    galex: GalexTable | None = None,
    taken: set[str] | None = None,
) -> tuple[ObservedGalaxies, list[tuple[str, str]]]:
    """Rows of spectra, and (id, reason) of those left out.

    Args:
        readings: What a source gave.
        observer: Makes the fluxes.
        labels: Catalogues in the order of preference; what the spectrum itself says comes before them all.
        galex: UV fluxes of draw 0. Taken only where the spectrum was scaled to images, since GALEX sees whole galaxies.
        taken: Ids of rows made before, which are added to; a spectrum of such an id is left out.
    """
    taken = set() if taken is None else taken
    galaxies: list[_Galaxy] = []
    skipped: list[tuple[str, str]] = []
    for reading in readings:
        if reading.spectrum is None:
            skipped.append((reading.id, reading.reason))
        elif reading.id in taken:
            skipped.append((reading.id, "duplicate id: the spectrum before it is kept"))
        else:
            names = (reading.id, *keys(reading.spectrum).values())
            try:
                galaxies.append(_Galaxy(reading.id, reading.spectrum, observer(reading.spectrum, names)))
                taken.add(reading.id)
            except LeftOutError as error:
                skipped.append((reading.id, str(error)))
    known = _labels(galaxies, labels)
    uv = None if galex is None or not galaxies else _galex(galaxies, galex)
    return _rows(galaxies, known, uv), skipped


def _positions(galaxies: Sequence[_Galaxy]) -> tuple[np.ndarray, np.ndarray]:
    ra, dec = (np.array([g.spectrum.facts.get(key, np.nan) for g in galaxies], dtype=float) for key in ("ra", "dec"))
    return ra, dec


def _asked(galaxies: Sequence[_Galaxy], kinds: Iterable[str]) -> tuple[str, list[str]] | None:
    """The first kind of id that any galaxy has, and the ids ("" for none)."""
    for kind in kinds:
        ids = [keys(g.spectrum).get(kind, "") for g in galaxies]
        if any(ids):
            return kind, ids
    return None


def _labels(galaxies: Sequence[_Galaxy], tables: Sequence[LabelTable]) -> Labels:
    """What the spectra say, then what the catalogues do."""
    n, p = len(galaxies), len(PROPERTIES)
    own = [
        np.stack([getattr(g.observed, k) for g in galaxies]) if n else np.zeros((0, p))
        for k in ("properties", "errors")
    ]
    nothing = np.zeros((n, p), dtype=bool)  # of these the fibre has been corrected already
    source = np.array([_own_source(g) for g in galaxies], dtype=object)
    found = [Labels(*own, np.ones(n, dtype=bool), nothing, source, np.zeros(n, dtype=bool))]
    for table in tables if n else ():
        asked = _asked(galaxies, [table.key, *table.keys]) if table.keys else None
        if asked is not None and asked[0] in table.keys:
            found.append(table.lookup(asked[1], by=asked[0]))
        else:
            ra, dec = _positions(galaxies)
            found.append(table.lookup(ra=ra, dec=dec))
    return merge(found)


def _own_source(galaxy: _Galaxy) -> str:
    lines = ["spzline"] if galaxy.spectrum.widths else []
    return ",".join([galaxy.spectrum.source, *galaxy.observed.done, *lines])


def _galex(galaxies: Sequence[_Galaxy], table: GalexTable) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) fluxes and errors in nJy; NaN where the light of the spectrum is not that of the whole galaxy."""
    asked = _asked(galaxies, table.keys)
    if asked is not None:
        found = table.lookup(asked[1], by=asked[0])
    else:
        ra, dec = _positions(galaxies)
        found = table.lookup(ra=ra, dec=dec)
    whole = np.array([g.observed.fibre_factor is not None for g in galaxies])[:, None]
    brighter = 10 ** (0.4 * np.outer([g.observed.ebv for g in galaxies], EXTINCTION))
    return np.where(whole, found.flux * brighter, np.nan), np.where(whole, found.error * brighter, np.nan)


def _whole_galaxy(galaxy: _Galaxy, values: np.ndarray, errors: np.ndarray, fibre: np.ndarray) -> None:
    """Labels of the light in the fibre become those of the galaxy, in place, where the loss is known.

    Where it is not, the photometry is that of the fibre, and mass and rate of the whole galaxy are none of its own.
    """
    factor = galaxy.observed.fibre_factor
    if factor is None:
        values[LOGARITHMS & ~fibre] = errors[LOGARITHMS & ~fibre] = np.nan
        return
    values[fibre & FLUXES] *= factor
    errors[fibre & FLUXES] *= factor
    values[fibre & LOGARITHMS] += np.log10(factor)


def _rows(galaxies: Sequence[_Galaxy], known: Labels, uv: tuple[np.ndarray, np.ndarray] | None) -> ObservedGalaxies:
    columns: dict[str, list] = {name: [] for name in ObservedGalaxies.__dataclass_fields__}
    for i, galaxy in enumerate(galaxies):
        values, errors = known.properties[i].copy(), known.errors[i].copy()
        _whole_galaxy(galaxy, values, errors, known.fibre[i])
        source = known.source[i] + (",redshift-conflict" if known.conflict[i] else "")
        for row in galaxy.observed.rows:
            flux, error = row.photometry.flux.copy(), row.photometry.error.copy()
            seen_by_galex = uv is not None and row.draw == 0 and np.isfinite(uv[0][i]).any()
            if seen_by_galex:
                flux[GALEX], error[GALEX] = uv[0][i], uv[1][i]
            label, sigma = values.copy(), errors.copy()
            stretch = (1 + row.redshift) / (1 + values[REDSHIFT])
            label[REDSHIFT], sigma[REDSHIFT] = row.redshift, errors[REDSHIFT] * stretch
            label[FLUXES], sigma[FLUXES] = label[FLUXES] * row.dimming, sigma[FLUXES] * row.dimming
            made = {
                "id": galaxy.id,
                "draw": row.draw,
                "ra": galaxy.spectrum.facts.get("ra", np.nan),
                "dec": galaxy.spectrum.facts.get("dec", np.nan),
                "flux": flux,
                "flux_error": error,
                "extrapolated": row.photometry.extrapolated,
                "properties": label,
                "property_error": sigma,
                "survey": SURVEY.get(galaxy.spectrum.source, "other"),
                "noisy": False,
                "source": source + (",galex" if seen_by_galex else "") + (",moved" if row.draw else ""),
            }
            for name, value in made.items():
                columns[name].append(value)
    return ObservedGalaxies(**{name: _column(name, values) for name, values in columns.items()})


def _column(name: str, values: list) -> np.ndarray:
    """A column of the right kind and shape, also without rows."""
    wide = {"flux": len(BANDS), "flux_error": len(BANDS), "extrapolated": len(BANDS)}
    wide |= {"properties": len(PROPERTIES), "property_error": len(PROPERTIES)}
    kinds = {"id": object, "survey": object, "source": object, "draw": np.int32, "extrapolated": bool, "noisy": bool}
    array = np.array(values, dtype=kinds.get(name, np.float64))
    return array.reshape(-1, wide[name]) if name in wide else array


__all__ = ["observe_readings"]
