"""Spectra in, a photometric table out: synthetic fluxes, the redshift and the line widths of the spectra."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.table import MaskedColumn, QTable
from astropy.utils.masked import Masked

from ..physics.filters import FilterSet
from ..physics.photometry import SyntheticPhotometry, synthesize
from ..physics.spectra import Spectrum, read_spectrum
from ..variables_galaxy import LINES

AB_ZERO_NJY = 31.4  # AB magnitude of 1 nJy
# Facts of the files that become columns, where a file has them.
FACT_COLUMNS = {"plate": int, "mjd": int, "fiberid": int, "targetid": int, "zwarning": int, "class": str}
# Measured on the spectra: at Hα of young populations this continuum is up to 25 % below that beside the line.
WIDTHS_ARE = (
    "ew_*_spec: equivalent widths of the SDSS pipeline (SPZLINE) divided by 1 + z, emission positive, relative to its"
    " stellar continuum under the line, which stellar absorption lowers."
)
ACKNOWLEDGEMENTS = {
    "sdss": (
        "Spectra: Sloan Digital Sky Survey. Funding for SDSS has been provided by the Alfred P. Sloan Foundation, the"
        " Participating Institutions, the National Science Foundation and the U.S. Department of Energy Office of"
        " Science; www.sdss.org."
    ),
    "desi": (
        "Spectra: Dark Energy Spectroscopic Instrument (DESI), supported by the Director, Office of Science, Office of"
        " High Energy Physics of the U.S. Department of Energy; data.desi.lbl.gov/doc/acknowledgments."
    ),
}


def photometry_table(
    paths: str | Path | Iterable[str | Path],
    filters: FilterSet | None = None,
    redshift: float | None = None,
    error_floor: float = 0.02,
    scale_to: tuple[str, float] | None = None,
    *,
    index: int | None = None,
    air: bool = False,
    redrock: str | Path | None = None,
) -> QTable:
    """Synthetic photometry of every spectrum in the files, one row each.

    Args:
        paths: Files that :func:`hf_galaxy.physics.spectra.read_spectrum` reads.
        filters: The bands; the embedded J-PAS and GALEX set if not given.
        redshift: Redshift of all spectra, in place of those of the files.
        error_floor: Relative error added in quadrature to every flux, for the calibration of spectra.
        scale_to: (band, AB magnitude) that every spectrum is scaled to; needed for relative fluxes.
        index, air, redrock: As for ``read_spectrum``.

    Returns:
        Columns ``id``, facts of the files, ``redshift_spec``, ``<band>`` and ``<band>_err`` in nJy for the bands that
        any spectrum covers (masked in rows that do not), and ``ew_<line>_spec`` with ``_err`` in Å, rest frame, where
        the files have them. ``meta["comments"]`` says what was done and whom to acknowledge.

    Raises:
        ValueError: A file that cannot be read, no band covered at all, a relative flux without ``scale_to``, a
            ``scale_to`` band that a spectrum does not cover, an ``error_floor`` outside 0 to 1.
    """
    filters = filters or FilterSet.embedded()
    if not 0 <= error_floor < 1:
        raise ValueError(f"error floor {error_floor} is not within 0 and 1; it is relative, 0.02 is 2 %")
    if scale_to is not None and scale_to[0] not in filters:
        raise ValueError(f"no filter named {scale_to[0]!r} to scale to; there are {', '.join(filters.names)}")
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    spectra = [s for p in paths for s in read_spectrum(p, redshift, index, air=air, redrock=redrock)]
    if not spectra:
        raise ValueError("no spectrum was given; name at least one file")
    photometry = [_scaled(s, synthesize(s, filters), filters, scale_to) for s in spectra]
    table = QTable({"id": [_identifier(s) for s in spectra]})
    _add_facts(table, spectra)
    redshifts = np.array([np.nan if s.redshift is None else s.redshift for s in spectra])
    table["redshift_spec"] = MaskedColumn(redshifts, mask=np.isnan(redshifts))
    _add_fluxes(table, filters.names, photometry, error_floor, paths)
    _add_widths(table, spectra)
    table.meta["comments"] = _comments(spectra, error_floor, scale_to)
    return table


def _identifier(spectrum: Spectrum) -> str:
    target = spectrum.facts.get("targetid")
    return Path(spectrum.name.split("[")[0]).stem if target is None else str(target)


def _scaled(
    spectrum: Spectrum, phot: SyntheticPhotometry, filters: FilterSet, scale_to: tuple[str, float] | None
) -> SyntheticPhotometry:
    """The photometry at the magnitude asked for."""
    if scale_to is None:
        if spectrum.relative:
            raise ValueError(
                f"{spectrum.name}: the flux is relative (its median is far above any galaxy in erg/s/cm²/Å);"
                " give a band and an AB magnitude to scale it to"
            )
        return phot
    band, magnitude = scale_to
    flux = phot.flux[filters.names.index(band)]
    if not flux > 0:
        state = "is not covered" if np.isnan(flux) else f"has a flux of {flux:.3g} nJy, not positive"
        seen = ", ".join(name for name, ok in zip(filters.names, phot.covered, strict=True) if ok)
        raise ValueError(f"{spectrum.name}: {band}, to scale to, {state}; choose one of {seen or 'no band'}")
    factor = 10 ** (0.4 * (AB_ZERO_NJY - magnitude)) / flux
    return phot._replace(flux=phot.flux * factor, error=phot.error * factor)


def _add_facts(table: QTable, spectra: list[Spectrum]) -> None:
    for name, kind in FACT_COLUMNS.items():
        mask = np.array([name not in s.facts for s in spectra])
        if not mask.all():
            values = [kind(s.facts.get(name, kind())) for s in spectra]
            table[name] = MaskedColumn(values, mask=mask) if mask.any() else values
    table["signal_to_noise"] = [round(s.signal_to_noise, 2) for s in spectra]


def _add_fluxes(table: QTable, names, photometry: list[SyntheticPhotometry], error_floor: float, paths: list) -> None:
    flux, error = (np.stack([getattr(p, key) for p in photometry]) for key in ("flux", "error"))
    error = np.hypot(error, error_floor * flux)
    covered = np.stack([p.covered for p in photometry])
    if not covered.any():
        raise ValueError(f"{paths[0]}: no band is covered by any spectrum; are the wavelengths in Å?")
    for i in np.nonzero(covered.any(axis=0))[0]:
        table[names[i]] = _masked(flux[:, i], ~covered[:, i], u.nJy)
        table[f"{names[i]}_err"] = _masked(error[:, i], ~covered[:, i], u.nJy)


def _add_widths(table: QTable, spectra: list[Spectrum]) -> None:
    for line in LINES:
        pairs = np.array([s.widths.get(line, (np.nan, np.nan)) for s in spectra])
        if np.isfinite(pairs).any():
            mask = np.isnan(pairs[:, 0])
            table[f"ew_{line}_spec"] = _masked(pairs[:, 0], mask, u.AA)
            table[f"ew_{line}_spec_err"] = _masked(pairs[:, 1], mask, u.AA)


def _masked(values: np.ndarray, mask: np.ndarray, unit: u.Unit) -> u.Quantity:
    """A quantity to seven digits, masked only where there is something to mask."""
    quantity = u.Quantity([float(f"{value:.7g}") for value in values], unit)
    return Masked(quantity, mask=mask) if mask.any() else quantity


def _comments(spectra: list[Spectrum], error_floor: float, scale_to: tuple[str, float] | None) -> list[str]:
    lines = [f"Synthetic AB photometry of spectra; relative error of {error_floor:g} added in quadrature."]
    if scale_to is not None:
        lines.append(f"Every spectrum is scaled to {scale_to[0]} = {scale_to[1]:g} AB mag.")
    if any(s.facts.get("errors") == "estimated" for s in spectra):
        lines.append("Errors of spectra without any were estimated from their local scatter.")
    if any(s.widths for s in spectra):
        lines.append(WIDTHS_ARE)
    sources = {s.source for s in spectra}
    return lines + [text for source, text in ACKNOWLEDGEMENTS.items() if source in sources]
