"""Folders of spectra as the surveys give them out."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from hf_galaxy.data.spectra_sources.reading import Piece, Reading, cut, identifier, keys, one_line
from hf_galaxy.physics.spectra import Spectrum, read_spectrum
from hf_galaxy.physics.spectra.desi import Redshift, is_desi, read_redshifts, read_row, redshift_file
from hf_galaxy.physics.spectra.reader import refusing_cut_files

SDSS_NAME = re.compile(r"spec-(\d+)-(\d+)-(\d+)\.fits(\.gz)?$")
DESI_NAME = re.compile(r"coadd-.+\.fits(\.gz)?$")
TEXT_SUFFIXES = (".txt", ".dat", ".ascii", ".spec")


@dataclass(frozen=True)
class SdssFolder:
    """``spec-PLATE-MJD-FIBER.fits`` anywhere under a folder; the id is plate-mjd-fiber, without leading zeros."""

    folder: str

    def pieces(self, size: int) -> list[Piece]:
        """In the order of plate, mjd and fibre; the same spectrum in two places is read once.

        Raises:
            ValueError: No such folder, or no such file in it.
        """
        found = [
            (tuple(map(int, m.groups()[:3])), str(p)) for p in _files(self.folder) if (m := SDSS_NAME.match(p.name))
        ]
        if not found:
            raise ValueError(f"{self.folder}: no spec-PLATE-MJD-FIBER.fits in it; name the folder of SDSS spectra")
        kept, skipped = _first_of_each([("-".join(map(str, key)), path) for key, path in sorted(found)])
        return cut(kept, size, skipped)

    def read(self, piece: Piece) -> Iterator[Reading]:
        for name, path in piece.items:
            reading = _read_file(name, path)
            said = keys(reading.spectrum).get("plate-mjd-fiber", name) if reading.spectrum is not None else name
            if said != name:  # labels are found by what the file says
                reading = Reading(name, None, f"{path}: its own table says {said}; give it its right name")
            yield reading

    def facts(self) -> dict[str, Any]:
        return {"kind": "sdss", "folder": self.folder}


@dataclass(frozen=True)
class TextFolder:
    """Columns of text (wavelength in Å, flux, error or mask) anywhere under a folder; the id is the stem of the file.

    Attributes:
        air: The wavelengths are those in air.
    """

    folder: str
    air: bool = False

    def pieces(self, size: int) -> list[Piece]:
        """In the order of names.

        Raises:
            ValueError: No such folder, or no such file in it.
        """
        files = [p for p in _files(self.folder) if p.suffix.lower() in TEXT_SUFFIXES]
        if not files:
            raise ValueError(f"{self.folder}: no file of {', '.join(TEXT_SUFFIXES)} in it")
        kept, skipped = _first_of_each(sorted((p.stem, str(p)) for p in files))
        return cut(kept, size, skipped)

    def read(self, piece: Piece) -> Iterator[Reading]:
        for name, path in piece.items:
            yield _read_file(name, path, air=self.air)

    def facts(self) -> dict[str, Any]:
        return {"kind": "text", "folder": self.folder, "air": self.air}


@dataclass(frozen=True)
class DesiFolder:
    """``coadd-*.fits`` anywhere under a folder (such as ``healpix/main/bright/…``); the id is the TARGETID.

    Attributes:
        redshifts: One file with the redshifts of all targets (zcatalog, fastspecfit); without it, the ``redrock-*`` or
            ``fastspec-*`` file beside each coadd.
    """

    folder: str
    redshifts: str | None = None

    def pieces(self, size: int) -> list[Piece]:
        """In the order of files and rows; a target is read where it is first.

        Raises:
            ValueError: No such folder, no coadd in it, a coadd that cannot be opened or is without redshifts.
        """
        files = [str(p) for p in _files(self.folder) if DESI_NAME.match(p.name)]
        if not files:
            raise ValueError(f"{self.folder}: no coadd-*.fits in it; name the folder of DESI coadds")
        for path in files:
            if self.redshifts is None and redshift_file(path) is None:
                raise ValueError(f"{path}: no redrock-* or fastspec-* file beside it; give a catalogue of redshifts")
        rows = [(str(target), (path, row)) for path in files for row, target in enumerate(_targets(path))]
        kept, skipped = _first_of_each(rows)
        return cut([place for _, place in kept], size, skipped)

    def read(self, piece: Piece) -> Iterator[Reading]:
        for path, group in groupby(piece.items, key=lambda item: item[0]):
            rows = [row for _, row in group]
            redshifts = _redshifts(self.redshifts or str(redshift_file(path)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AstropyUserWarning)
                with fits.open(path, memmap=False) as hdus:
                    for row in rows:
                        yield _read_target(hdus, path, row, redshifts)

    def facts(self) -> dict[str, Any]:
        return {"kind": "desi", "folder": self.folder, "redshifts": self.redshifts}


def _files(folder: str) -> list[Path]:
    if not Path(folder).is_dir():
        raise ValueError(f"{folder}: no such folder")
    return sorted(p for p in Path(folder).rglob("*") if p.is_file())


def _first_of_each(named: list[tuple[str, Any]]) -> tuple[list[tuple[str, Any]], list[tuple[str, str]]]:
    """The first item of every id, and (id, reason) for the others."""
    first: dict[str, Any] = {}
    skipped = []
    for name, item in named:
        if name in first:
            skipped.append((name, f"duplicate id: {_place(item)}, and {_place(first[name])} which is kept"))
        first.setdefault(name, item)
    return list(first.items()), skipped


def _place(item: Any) -> str:
    return item if isinstance(item, str) else f"{item[0]} row {item[1]}"


def _read_file(name: str, path: str, **options: Any) -> Reading:
    try:
        (spectrum,) = read_spectrum(path, **options)
    except (ValueError, OSError) as error:
        return Reading(name, None, one_line(error))
    return Reading(name, spectrum)


def _targets(path: str) -> np.ndarray:
    try:
        with refusing_cut_files(), fits.open(path) as hdus:
            if not len(hdus) or not is_desi(hdus):  # the length makes astropy read to the end
                raise KeyError("no FIBERMAP and arms")
            return np.array(hdus["FIBERMAP"].data["TARGETID"])
    except (OSError, KeyError, TypeError, AstropyUserWarning) as error:
        raise ValueError(f"{path}: not a DESI coadd ({one_line(error)}); download it again or remove it") from None


@lru_cache(maxsize=2)
def _redshifts(path: str) -> dict[int, Redshift]:
    return read_redshifts(Path(path))


def _read_target(hdus: fits.HDUList, path: str, row: int, redshifts: dict[int, Redshift]) -> Reading:
    name = str(hdus["FIBERMAP"].data["TARGETID"][row])
    try:
        spectrum: Spectrum = read_row(hdus, path, row, None, redshifts)
    except (ValueError, IndexError) as error:
        return Reading(name, None, one_line(error))
    if spectrum.facts.get("objtype", "TGT") != "TGT":
        return Reading(name, None, f"OBJTYPE {spectrum.facts['objtype']}: no target but sky or a fibre out of use")
    if spectrum.facts.get("fiberstatus", 0) != 0:
        return Reading(name, None, f"COADD_FIBERSTATUS {spectrum.facts['fiberstatus']}: the fibre had a fault")
    return Reading(identifier(spectrum), spectrum)


__all__ = ["DesiFolder", "SdssFolder", "TextFolder"]
