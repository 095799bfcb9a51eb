"""Real galaxies seen in narrow and broad bands: synthesised from real spectra, and the photometry that goes with them.

SDSS and FORS2 spectra have redshifts. The nearby galaxies of Kinney, Calzetti and others have none in their files and
are taken as nearer than z = 0.03. Of the atlas of Brown et al. (2014) only what was measured is used: the optical
spectrum and the photometry, never the model in between.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.photometry import synthesize
from hf_galaxy.physics.spectra import Spectrum
from hf_galaxy.physics.spectra.reader import read_spectrum
from hf_galaxy.physics.spectra.text import local_noise

from .galex_sdss import GALEX_EXTINCTION

NARROW = tuple(name for name in FilterSet.embedded() if name.startswith("J0"))
UV = ("FUV", "NUV")
SDSS = tuple("ugriz")
LARGEST_ERROR = 0.3  # mag of a band beyond which it says nothing
SDSS_EXTINCTION = dict(zip(SDSS, (5.155, 3.793, 2.751, 2.086, 1.479), strict=True))  # A / E(B-V): Stoughton et al. 2002
# the atlas gives 0.05 mag to u, g, r, i, z of all galaxies, a floor for its fits; colours of ellipticals scatter less
SDSS_ERROR = 0.02
NEARBY = 0.01  # redshift given to galaxies without one
MEASURED = 1.0  # code of the optical spectrum in the atlas
ACTIVE = (
    "ic3639", "ngc1275", "ngc262", "ngc3393", "ngc5135", "ngc5506", "ngc5643", "ngc6221", "ngc7130", "ngc7496",
)  # fmt: skip
LINERS = ("ngc1052", "ngc3351", "ngc5128")


class BandGalaxies(NamedTuple):
    """Galaxies in bands.

    Attributes:
        id: (n,) names.
        redshift: (n,).
        bands: (b,) names of the bands; u, g, r, i, z are those of SDSS.
        magnitude: (n, b) AB with any zero; NaN where not measured.
        error: (n, b) mag.
        kind: (n,) class, empty where none is known.
        absolute: (n,) absolute magnitude in g, NaN where there is none.
        refused: Reasons why others were left out, by name.
    """

    id: np.ndarray
    redshift: np.ndarray
    bands: tuple[str, ...]
    magnitude: np.ndarray
    error: np.ndarray
    kind: np.ndarray
    absolute: np.ndarray
    refused: dict[str, str]


Wanted = Callable[[Path], bool]


def always(path: Path) -> bool:
    """Every file is read."""
    return True


def read_sdss(folder: Path, wanted: Wanted = always) -> BandGalaxies:
    """SDSS and BOSS spectra of galaxies; the one that the pipeline calls a quasar (a Seyfert 2) is marked."""

    def rows(path: Path) -> tuple[Spectrum, str]:
        spectrum = read_spectrum(path)[0]
        return spectrum, f"{spectrum.facts.get('class', '')} {spectrum.facts.get('subclass', '')}".strip()

    return _synthesised(filter(wanted, sorted(folder.glob("spec-*.fits"))), rows, NARROW, (0.0, 1.0))


def read_fors2(folder: Path, wanted: Wanted = always) -> BandGalaxies:
    """FORS2 spectra with 0.05 < z < 1."""
    files = filter(wanted, sorted(folder.glob("SPEC*.txt")))
    return _synthesised(files, lambda path: (read_spectrum(path)[0], ""), NARROW, (0.05, 1.0))


def read_kinney(folder: Path, wanted: Wanted = always) -> BandGalaxies:
    """IUE and ground-based spectra in one aperture: FUV, NUV and the narrow bands they cover."""
    from astropy.io import fits

    def rows(path: Path) -> tuple[Spectrum, str]:
        with fits.open(path) as hdus:
            header, flux = hdus[0].header, np.asarray(hdus[0].data, dtype=float)
        wave = header["CRVAL1"] + header["CD1_1"] * np.arange(len(flux))
        masked = flux <= 0  # runs of zeros where nothing was observed; IUE noise dips below zero too
        noise = local_noise(flux, masked)
        kind = "Seyfert" if path.stem in ACTIVE else "LINER" if path.stem in LINERS else ""
        return Spectrum(wave, flux, np.where(masked, 0.0, noise**-2.0), NEARBY, path.stem), kind

    files = filter(wanted, sorted((folder / "individual").glob("*.fits")))
    return _synthesised(files, rows, (*UV, *NARROW), (0.0, 1.0))


def read_brown(folder: Path, wanted: Wanted = always) -> BandGalaxies:
    """The atlas: narrow bands inside the optical spectrum, GALEX and SDSS photometry without Galactic extinction."""
    from astropy.io import fits

    def rows(path: Path) -> tuple[Spectrum, str]:
        table = np.loadtxt(path)
        table = table[np.abs(table[:, 3] - MEASURED) < 0.5]
        flux, wave = table[:, 1], table[:, 2]
        noise = local_noise(flux, flux <= 0)
        ivar = np.where(flux > 0, noise**-2.0, 0.0)
        return Spectrum(wave, flux, ivar, float(wave[0] / table[0, 0] - 1), path.stem.removesuffix("_spec")), ""

    files = filter(wanted, sorted((folder / "spectra").glob("*_spec.dat")))
    made = _synthesised(files, rows, NARROW, (-0.01, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names like [3.6] are not what FITS recommends
        seen, facts = (fits.getdata(folder / "photometry" / f"table{i}.fits") for i in (3, 1))
        place = {str(name).strip().replace(" ", "_"): i for i, name in enumerate(seen["Name"])}
        rows_of = np.array([place[name] for name in made.id])
        seen, facts = seen[rows_of], facts[rows_of]
    columns = [(name, f"{name}mag" if name in SDSS else name) for name in (*UV, *SDSS)]
    extinction = {**GALEX_EXTINCTION, **SDSS_EXTINCTION}
    magnitude = np.stack([seen[column] - extinction[name] * facts["E(B-V)"] for name, column in columns], 1)
    error = np.stack([seen[f"e_{column}"] for _, column in columns], 1)
    magnitude = np.where(error > 0, magnitude, np.nan)  # 0 is not measured
    error = np.where(np.isin([name for name, _ in columns], SDSS), error.clip(max=SDSS_ERROR), error)
    # the spectrum has its own zero: it is laid on g, which it covers
    offset = np.nanmean(made.magnitude[:, [NARROW.index(b) for b in ("J0450", "J0480", "J0510")]], 1) - magnitude[:, 3]
    return made._replace(
        bands=(*UV, *SDSS, *made.bands),
        magnitude=np.concatenate([magnitude, made.magnitude - offset[:, None]], 1),
        error=np.concatenate([error, made.error], 1),
        kind=np.array([str(kind).strip() for kind in facts["Class"]]),
        absolute=np.asarray(facts["gMag"], dtype=float),
    )


def _synthesised(
    paths: Iterable[Path],
    rows: Callable[[Path], tuple[Spectrum, str]],
    bands: Sequence[str],
    redshifts: tuple[float, float],
) -> BandGalaxies:
    """Photometry of spectra in bands; errors of bands are those of pixels, added as if independent."""
    filters = FilterSet.embedded().subset(bands)
    kept, refused = [], {}
    for path in paths:
        try:
            spectrum, kind = rows(path)
        except ValueError as problem:
            refused[path.stem] = str(problem).removeprefix(f"{path}: ")
            continue
        if spectrum.redshift is None or not redshifts[0] < spectrum.redshift < redshifts[1]:
            refused[path.stem] = f"redshift {spectrum.redshift} outside {redshifts[0]}-{redshifts[1]}"
            continue
        seen = synthesize(spectrum, filters)
        with np.errstate(invalid="ignore", divide="ignore"):
            error = 1.0857 * seen.error / seen.flux
            good = seen.covered & (seen.flux > 0) & (error < LARGEST_ERROR)
            magnitude = np.where(good, 31.4 - 2.5 * np.log10(seen.flux), np.nan)
        if good.sum() < 10:
            refused[path.stem] = f"{int(good.sum())} bands with an error below {LARGEST_ERROR} mag"
            continue
        name = path.stem.removesuffix("_spec")
        kept.append((name, spectrum.redshift, magnitude, np.where(good, error, np.nan), kind))
    names, z, magnitude, error, kind = (np.array(column) for column in zip(*kept, strict=True))
    return BandGalaxies(names, z, tuple(bands), magnitude, error, kind, np.full(len(z), np.nan), refused)
