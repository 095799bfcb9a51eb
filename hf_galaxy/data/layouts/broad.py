"""Broad bands of SDSS and of the Legacy Surveys that stand for ours.

Their g, r and i are other filters than those of the OAJ. ``offset`` is the mean of ours minus theirs, ``floor`` the
standard deviation about it, of 630 galaxies: the spectra of the atlas of Brown et al. (2014, ApJS 212, 18) at redshifts
from 0 to 0.8 that reach from 3500 to 10500 Å. Of the Legacy Surveys, north (BASS) and south (DECam) taken together.
Their u, z and infrared bands are no variables of the model, and are not read. What both surveys publish still has the
dust of the Milky Way before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .where import INVERSE_VARIANCE, SIGMA, Where

# (offset, floor) in mag
SDSS = {"gSDSS": (-0.063, 0.041), "rSDSS": (-0.041, 0.042), "iSDSS": (-0.046, 0.032)}
LEGACY = {"gSDSS": (0.012, 0.023), "rSDSS": (0.081, 0.044), "iSDSS": (0.049, 0.041)}
_FORMS = (  # survey, value, error, form, unit, from theirs to ours; {b} is g, r or i
    ("SDSS", "cmodelmag_{b}", "cmodelmagerr_{b}", SIGMA, "mag(AB)", SDSS),
    ("SDSS", "modelmag_{b}", "modelmagerr_{b}", SIGMA, "mag(AB)", SDSS),
    ("SDSS", "petromag_{b}", "petromagerr_{b}", SIGMA, "mag(AB)", SDSS),
    ("SDSS", "cmodelflux_{b}", "cmodelfluxivar_{b}", INVERSE_VARIANCE, "nmgy", SDSS),
    ("SDSS", "modelflux_{b}", "modelfluxivar_{b}", INVERSE_VARIANCE, "nmgy", SDSS),
    ("Legacy Surveys", "flux_{b}", "flux_ivar_{b}", INVERSE_VARIANCE, "nmgy", LEGACY),
)


@dataclass(frozen=True)
class BroadBands:
    """What was found.

    Attributes:
        label: For the log.
        where: Band to its columns.
    """

    label: str
    where: dict[str, Where]


def find_broad(names: Sequence[str], taken: Sequence[str]) -> BroadBands | None:
    """Columns of the first form of which any band is there and not read from other columns."""
    spelled = {name.lower(): name for name in names}
    for survey, value, error, form, unit, system in _FORMS:
        where = {}
        for band, (offset, floor) in system.items():
            v, e = (spelled.get(x.format(b=band[0])) for x in (value, error))
            if v and e and band not in taken:
                where[band] = Where(v, e, form, default=unit, offset=offset, floor=floor)
        if where:
            shifts = ", ".join(f"{w.value} {w.offset:+.3f} ± {w.floor:.3f} mag as {b}" for b, w in where.items())
            return BroadBands(f"{survey} {shifts}", where)
    return None


__all__ = ["BroadBands", "find_broad"]
