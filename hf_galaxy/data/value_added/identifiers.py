"""What names a galaxy in a catalogue: DESI target, SDSS plate-mjd-fiber, SDSS specObjID, position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

if TYPE_CHECKING:
    from hf_galaxy.data.value_added.opening import Columns

KINDS = ("targetid", "plate-mjd-fiber", "specobjid")
TARGETID = ("TARGETID", "target_id", "DESI_TARGETID")
PLATE, FIBER = ("PLATE", "PLATEID"), ("FIBER", "FIBERID", "FIBER_ID")
RA = ("RA", "RAJ2000", "RA_ICRS", "ALPHA_J2000", "TARGET_RA", "RAdeg", "_RAJ2000", "PLUG_RA")
DEC = ("DEC", "DECL", "DEJ2000", "DE_ICRS", "DELTA_J2000", "TARGET_DEC", "DEdeg", "_DEJ2000", "PLUG_DEC")


def keys_of(columns: Columns) -> dict[str, np.ndarray]:
    """The ids that a table holds, by kind, as they stand in it."""
    found: dict[str, np.ndarray] = {}
    if target := columns.first(*TARGETID):
        found["targetid"] = columns.raw(target)
    plate, fiber = columns.first(*PLATE), columns.first(*FIBER)
    if plate and fiber and "MJD" in columns:
        parts = np.stack([columns.number(name) for name in (plate, "MJD", fiber)], axis=1)  # small: exact as floats
        found["plate-mjd-fiber"] = np.where(np.isfinite(parts), parts, -1).astype(np.int64)
    if "SPECOBJID" in columns:
        found["specobjid"] = columns.raw("SPECOBJID")
    return found


def positions_of(columns: Columns) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(n,) right ascension and declination in deg of a table, NaN where they are no position; ``None`` without.

    Raises:
        ValueError: They are in another unit than degrees.
    """
    names = columns.first(*RA), columns.first(*DEC)
    if None in names:
        return None, None
    for name in names:
        if columns.unit(name).lower() not in ("", "deg", "degree", "degrees"):
            raise ValueError(f"{columns.source}: column {name} is in {columns.unit(name)!r}; deg is needed: convert it")
    ra, dec = (columns.number(name) for name in names)
    bad = ~((ra >= 0) & (ra <= 360) & (np.abs(dec) <= 90))
    return np.where(bad, np.nan, ra), np.where(bad, np.nan, dec)


def id_codes(ids: Any, kind: str) -> np.ndarray:
    """Ids as (n,) uint64 that compare exactly; 0 is no id (negative ids, blanks, masked).

    Args:
        ids: (n,) integers or digits in strings; of ``plate-mjd-fiber`` (n, 3) integers, or ``"266-51602-1"``.
        kind: One of KINDS.

    Raises:
        ValueError: Floats (64-bit ids lose their last digits in them), a text that is no id, or an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"key {kind!r} is not one of {', '.join(KINDS)}")
    masked = np.ma.getmaskarray(np.ma.asanyarray(ids))
    values = np.ma.getdata(ids) if np.ma.isMaskedArray(ids) else np.asarray(ids)
    if values.dtype.kind == "f" and kind == "plate-mjd-fiber" and np.isfinite(values).all():
        values = values.astype(np.int64)  # five digits, exact in any float
    if values.dtype.kind in "SUO":
        return _codes_of_texts(values, masked, kind)
    if values.dtype.kind not in "iu" and values.size:
        raise ValueError(f"{kind} is held as {values.dtype}, which loses the last digits; read it as 64-bit integers")
    if kind == "plate-mjd-fiber":
        if values.ndim != 2 or values.shape[1] != 3:
            raise ValueError(f"plate-mjd-fiber has the shape {values.shape}; (n, 3) is needed")
        values, bad = values.astype(np.int64), masked.any(1) | (values < 0).any(1)
        codes = (values[:, 0] * 100_000 + values[:, 1]) * 100_000 + values[:, 2]
    else:
        codes, bad = values, masked | (values < 0)
    return np.where(bad, 0, codes).astype(np.uint64)


def _codes_of_texts(values: np.ndarray, masked: np.ndarray, kind: str) -> np.ndarray:
    codes = np.zeros(len(values), dtype=np.uint64)
    for i, value in enumerate(values.tolist()):
        text = (value.decode() if isinstance(value, bytes) else "" if value is None else str(value)).strip()
        if text[:2] in ("b'", 'b"'):  # bytes that became a text: "b' 461628614023079936'" in MultimodalUniverse/sdss
            text = text[2:-1].strip()
        parts = text.split("-") if kind == "plate-mjd-fiber" else [text.removeprefix("-")]
        if masked[i] or not text or text.startswith("-"):
            continue
        if not all(part.isdigit() for part in parts) or len(parts) != (3 if kind == "plate-mjd-fiber" else 1):
            raise ValueError(f"{kind} {text!r} (row {i}) is not an id; digits are needed")
        numbers = [int(part) for part in parts]
        codes[i] = (numbers[0] * 100_000 + numbers[1]) * 100_000 + numbers[2] if len(parts) == 3 else numbers[0]
    return codes


def match_ids(wanted: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(m,) rows of ``known`` (unique codes) that hold the ``wanted`` codes; -1 where none does."""
    if len(known) == 0:
        return np.full(len(wanted), -1)
    ordered = bool((known[:-1] <= known[1:]).all())  # as tables are by their own key
    order = np.arange(len(known)) if ordered else np.argsort(known, kind="stable")
    place = np.searchsorted(known if ordered else known[order], wanted)
    rows = order[np.minimum(place, len(known) - 1)]
    return np.where((known[rows] == wanted) & (wanted > 0), rows, -1)


class SkyIndex:
    """Positions (n,) in deg, ICRS, NaN unknown, to be matched many times: the tree is built once."""

    def __init__(self, ra: np.ndarray, dec: np.ndarray) -> None:
        self._rows = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
        self._sky = SkyCoord(ra[self._rows] * u.deg, dec[self._rows] * u.deg)

    def match(self, ra: np.ndarray, dec: np.ndarray, radius: float) -> np.ndarray:
        """(m,) nearest row within ``radius`` arcsec; -1 where none is, or a position is unknown (NaN)."""
        found = np.full(len(ra), -1)
        asked = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
        if len(asked) == 0 or len(self._rows) == 0:
            return found
        near, separation, _ = SkyCoord(ra[asked] * u.deg, dec[asked] * u.deg).match_to_catalog_sky(self._sky)
        close = separation <= radius * u.arcsec
        found[asked[close]] = self._rows[near[close]]
        return found


def match_positions(
    ra: np.ndarray, dec: np.ndarray, known_ra: np.ndarray, known_dec: np.ndarray, radius: float
) -> np.ndarray:
    """(m,) nearest row within ``radius`` arcsec; -1 where none is, or a position is unknown (NaN). Degrees, ICRS."""
    return SkyIndex(known_ra, known_dec).match(ra, dec, radius)


def asked_positions(said: str, ra: Any, dec: Any, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """(m,) deg of a question; masked is NaN.

    Raises:
        ValueError: They have different lengths, or the radius is not positive.
    """
    ra, dec = (np.atleast_1d(np.ma.filled(np.ma.asanyarray(x, dtype=np.float64), np.nan)) for x in (ra, dec))
    if ra.shape != dec.shape or ra.ndim != 1:
        raise ValueError(f"{said}: ra has the shape {ra.shape} and dec {dec.shape}; (m,) of both is needed")
    if not radius > 0:
        raise ValueError(f"{said}: radius {radius} arcsec is not positive")
    return ra, dec


__all__ = [
    "KINDS",
    "SkyIndex",
    "asked_positions",
    "id_codes",
    "keys_of",
    "match_ids",
    "match_positions",
    "positions_of",
]
