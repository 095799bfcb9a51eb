"""The SPARCL archive of NOIRLab through its client: spectra by id, or by a query."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hf_galaxy.data.spectra_sources.reading import Piece, Reading, cut, identifier, one_line
from hf_galaxy.physics.spectra.sparcl import FIELDS, sparcl_spectrum

SERVER = "https://astrosparcl.datalab.noirlab.edu"
CHUNK = 100  # records of one request: 100 kB each
ATTEMPTS, WAIT = 4, 5.0  # tries of a request, and seconds before the second; then twice as long
FLUX_UNIT = "1e-17 erg cm-2 s-1 AA-1"
READ_TIMEOUT = 600.0  # s


@dataclass(frozen=True)
class SparclIds:
    """Spectra with these sparcl_ids.

    Attributes:
        ids: UUIDs.
        server: Address.
    """

    ids: tuple[str, ...]
    server: str = SERVER

    def pieces(self, size: int) -> list[Piece]:
        """In the order given; an id that is given twice is asked for once.

        Raises:
            ValueError: No id.
        """
        if not self.ids:
            raise ValueError("SPARCL: no id was given")
        seen: set[str] = set()
        twice = [(i, "duplicate id in the list") for i in self.ids if i in seen or seen.add(i)]
        return cut(list(dict.fromkeys(self.ids)), size, twice)

    def read(self, piece: Piece) -> Iterator[Reading]:
        yield from read_records(self.server, piece.items)

    def facts(self) -> dict[str, Any]:
        return {"kind": "sparcl", "ids": len(self.ids), "server": self.server}


@dataclass(frozen=True)
class SparclQuery:
    """Galaxies of the archive within limits.

    Attributes:
        data_releases: Such as ``("SDSS-DR17", "DESI-DR1")``.
        redshifts: Lowest and highest redshift.
        limit: Most spectra.
        server: Address.
    """

    data_releases: tuple[str, ...]
    redshifts: tuple[float, float]
    limit: int = 1000
    server: str = SERVER

    def pieces(self, size: int) -> list[Piece]:
        """Sorted by id.

        Raises:
            ValueError: The archive is out of reach, or has nothing within the limits.
        """
        constraints = {
            "spectype": ["GALAXY"],
            "redshift_warning": [0],
            "specprimary": [True],
            "redshift": list(self.redshifts),
            "data_release": list(self.data_releases),
        }
        client = _client(self.server)
        found = _ask(lambda: client.find(["sparcl_id"], constraints=constraints, limit=self.limit, sort="sparcl_id"))
        if not found.ids:
            raise ValueError(
                f"{self.server}: no galaxy of {', '.join(self.data_releases)} at redshift {self.redshifts}"
            )
        return cut(sorted(found.ids), size)

    def read(self, piece: Piece) -> Iterator[Reading]:
        yield from read_records(self.server, piece.items)

    def facts(self) -> dict[str, Any]:
        return {
            "kind": "sparcl",
            "data_releases": list(self.data_releases),
            "redshifts": list(self.redshifts),
            "limit": self.limit,
            "server": self.server,
        }


def read_records(server: str, ids: Sequence[str]) -> Iterator[Reading]:
    """Spectra of these sparcl_ids, in their order; those that the archive does not have come with a reason."""
    client = _client(server)
    for start in range(0, len(ids), CHUNK):
        asked = list(ids[start : start + CHUNK])
        got = _ask(lambda asked=asked: client.retrieve(asked, include=list(FIELDS), limit=len(asked)))
        check_units(got.hdr)
        records = {str(record["sparcl_id"]): record for record in got.records}
        for name in asked:
            yield _reading(name, records.get(name))


def check_units(header: dict) -> None:
    """Refuse an archive that counts flux in another unit than the one the records are read with.

    Raises:
        ValueError: It does.
    """
    for release, units in (header.get("UNITS") or {}).items():
        unit = units.get("flux") if isinstance(units, dict) else None
        if unit and unit.replace(" ", "") != FLUX_UNIT.replace(" ", ""):
            raise ValueError(f"SPARCL: flux of {release} is in {unit!r}; {FLUX_UNIT} is needed")


def _reading(name: str, record: Any) -> Reading:
    if record is None:
        return Reading(name, None, "the archive has no spectrum of this id")
    try:
        spectrum = sparcl_spectrum(record)
    except (ValueError, TypeError, KeyError) as error:
        return Reading(name, None, one_line(error))
    return Reading(identifier(spectrum), spectrum)


def _client(server: str) -> Any:
    try:
        from sparcl.client import SparclClient
    except ImportError:
        raise ValueError(
            'spectra of SPARCL need its client; install it with: pip install "hf-galaxy[sparcl]"'
        ) from None
    return _ask(lambda: SparclClient(url=server, announcement=False, connect_timeout=3.1, read_timeout=READ_TIMEOUT))


def _ask(request: Any) -> Any:
    """The answer of the archive, asked again after a passing fault.

    Raises:
        ValueError: It does not answer, or with an error.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(WAIT * 2 ** (attempt - 1))
        try:
            return request()
        except Exception as error:  # the client raises exceptions of its own, of requests, and plain ones
            last = error
    raise ValueError(f"SPARCL did not answer after {ATTEMPTS} attempts: {one_line(last)}; try again later") from None


__all__ = ["SparclIds", "SparclQuery", "check_units", "read_records"]
