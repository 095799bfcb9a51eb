"""The table of variables: everything that a galaxy token can be about.

A variable ``x`` (physical units) becomes a dimensionless *token coordinate* ``t`` in two steps::

    y = x / softening                  dimensionless
    t = (g(y) - center) / scale        g in {y, arcsinh(y), log(1 + y)}, with g'(0) = 1 for all three

so that one number, the *token error* ``e = sigma / (softening * scale)``, describes a Gaussian error ``sigma`` at
``y = 0``, and ``e * g'(y)`` the same error at ``y``. arcsinh (Lupton et al. 1999, AJ 118, 1406) lets negative and
undetected fluxes pass; the softening of every band is the same, so that differences of coordinates of well detected
bands are logarithms of colours.

Conventions: fluxes are AB flux densities in nJy (AB magnitude = 31.4 - 2.5 log10 f); wavelengths are in Å, pivot
wavelengths of the total throughput; equivalent widths are in the rest frame, positive in emission; line fluxes are
observed and attenuated.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields

FLUX_SOFTENING_NJY = 1000.0
FLUX_SCALE = 1.25

TRANSFORMS = ("linear", "asinh", "log1p")
KINDS = ("flux", "property", "category")


@dataclass(frozen=True)
class Variable:
    """One thing that can be known or asked about a galaxy.

    Attributes:
        name: Name, as in every table and record.
        kind: ``"flux"`` (a photometric band), ``"property"`` or ``"category"``.
        unit: Unit of the physical value, as astropy writes it ("" is dimensionless).
        transform: ``g`` of the module docstring.
        softening: Divisor of the physical value, in ``unit``.
        center, scale: Standardisation of ``g``.
        lower, upper: Hard limits of the physical value, or ``None``.
        shifted: Whether the coordinate moves one to one with the brightness of the galaxy (fluxes, line fluxes).
        pivot: Pivot wavelength of a band, or rest wavelength of a line, in Å; ``None`` for others.
        width: Full width at half maximum of a band in Å; ``None`` for others.
        patch: Bands of the same patch share one token of the encoder; ``None`` is a token of its own.
        categories: Names of the values of a category.
        description: One line for people.
    """

    name: str
    kind: str = "property"
    unit: str = ""
    transform: str = "linear"
    softening: float = 1.0
    center: float = 0.0
    scale: float = 1.0
    lower: float | None = None
    upper: float | None = None
    shifted: bool = False
    pivot: float | None = None
    width: float | None = None
    patch: int | None = None
    categories: tuple[str, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"variable {self.name!r}: kind {self.kind!r} is not one of {KINDS}")
        if self.transform not in TRANSFORMS:
            raise ValueError(f"variable {self.name!r}: transform {self.transform!r} is not one of {TRANSFORMS}")
        if not (self.softening > 0 and self.scale > 0):
            raise ValueError(f"variable {self.name!r}: softening and scale must be positive")
        if (self.kind == "category") != bool(self.categories):
            raise ValueError(
                f"variable {self.name!r}: categories belong to variables of kind 'category', and only to them"
            )
        object.__setattr__(self, "categories", tuple(self.categories))

    def to_dict(self) -> dict:
        """Plain JSON types; fields at their default are left out."""
        defaults = {f.name: f.default for f in fields(self)}
        given = {key: value for key, value in asdict(self).items() if value != defaults[key]}
        return {**given, "categories": list(self.categories)} if self.categories else given

    def forward(self, x: float) -> float:
        """Physical value to token coordinate."""
        y = x / self.softening
        g = math.asinh(y) if self.transform == "asinh" else math.log1p(y) if self.transform == "log1p" else y
        return (g - self.center) / self.scale

    def inverse(self, t: float) -> float:
        """Token coordinate to physical value."""
        g = t * self.scale + self.center
        y = math.sinh(g) if self.transform == "asinh" else math.expm1(g) if self.transform == "log1p" else g
        return y * self.softening


def band(name: str, pivot: float, width: float, patch: int | None = None) -> Variable:
    """The variable of a photometric band, by its pivot wavelength and width in Å."""
    return Variable(
        name,
        kind="flux",
        unit="nJy",
        transform="asinh",
        softening=FLUX_SOFTENING_NJY,
        scale=FLUX_SCALE,
        shifted=True,
        pivot=pivot,
        width=width,
        patch=patch,
        description=f"AB flux density in {name}",
    )


# name: (pivot wavelength, full width at half maximum) in Å of the total throughput (filter, mirror, detector, air);
# measured on the curves "OAJ/JPAS" of the SVO Filter Profile Service.
NARROW_BANDS = {
    "J0378": (3796.7, 155.2), "J0390": (3904.4, 144.1), "J0400": (4007.1, 145.5), "J0410": (4116.2, 144.1),
    "J0420": (4209.9, 145.7), "J0430": (4310.8, 147.7), "J0440": (4408.6, 148.1), "J0450": (4515.1, 147.7),
    "J0460": (4608.9, 147.0), "J0470": (4705.0, 145.9), "J0480": (4808.6, 142.6), "J0490": (4906.8, 149.6),
    "J0500": (5005.8, 149.5), "J0510": (5102.2, 147.3), "J0520": (5208.4, 149.1), "J0530": (5304.0, 149.9),
    "J0540": (5397.3, 148.4), "J0550": (5502.1, 147.7), "J0560": (5604.6, 148.8), "J0570": (5710.2, 148.9),
    "J0580": (5811.7, 147.4), "J0590": (5920.2, 147.9), "J0600": (6010.3, 148.7), "J0610": (6117.7, 148.4),
    "J0620": (6209.2, 147.9), "J0630": (6312.9, 148.2), "J0640": (6410.7, 146.6), "J0650": (6507.6, 146.8),
    "J0660": (6607.6, 148.0), "J0670": (6713.1, 146.9), "J0680": (6810.9, 148.0), "J0690": (6916.2, 146.9),
    "J0700": (7008.6, 147.6), "J0710": (7121.9, 146.5), "J0720": (7212.1, 145.7), "J0730": (7312.2, 146.2),
    "J0740": (7416.1, 146.8), "J0750": (7501.8, 140.4), "J0760": (7599.5, 143.7), "J0770": (7720.7, 142.1),
    "J0780": (7808.2, 141.4), "J0790": (7908.3, 141.1), "J0800": (8007.1, 139.5), "J0810": (8114.3, 141.8),
    "J0820": (8216.7, 140.3), "J0830": (8318.8, 147.3), "J0840": (8410.9, 146.7), "J0850": (8509.1, 145.1),
    "J0860": (8598.1, 146.6), "J0870": (8709.0, 146.5), "J0880": (8819.0, 146.4), "J0890": (8910.5, 146.8),
    "J0900": (9003.3, 146.1), "J0910": (9095.9, 145.4),
}  # fmt: skip
# GALEX: Morrissey et al. (2007, ApJS 173, 682) effective areas; the others as above.
BROAD_BANDS = {
    "FUV": (1535.1, 227.8), "NUV": (2300.8, 795.6), "uJAVA": (3545.2, 411.9), "uJPAS": (3696.3, 524.0),
    "J1007": (9590.5, 596.0), "gSDSS": (4768.0, 1471.8), "rSDSS": (6245.4, 1512.1), "iSDSS": (7656.2, 1483.6),
}  # fmt: skip
BANDS_PER_PATCH = 3

# name: (rest-frame vacuum wavelength in Å, of a blend its mean; what it is)
LINES = {
    "halpha": (6564.6, "Hα"),
    "hbeta": (4862.7, "Hβ"),
    "oiii_5007": (5008.2, "[OIII] 5007"),
    "nii_6584": (6585.3, "[NII] 6584"),
    "oii_3727": (3728.5, "[OII] 3726 + 3729"),
    "sii_6717_6731": (6725.5, "[SII] 6717 + 6731"),
}

SURVEYS = ("sim_survey", "sim_broad", "sdss", "desi", "minijpas", "jpas", "other")

BANDS = ("FUV", "NUV", "uJAVA", "uJPAS", *NARROW_BANDS, "J1007", "gSDSS", "rSDSS", "iSDSS")


def default_variables() -> tuple[Variable, ...]:
    """The variables of a J-PAS + GALEX galaxy: 62 bands, then the properties, then ``survey``."""
    patches = {name: i // BANDS_PER_PATCH for i, name in enumerate(NARROW_BANDS)}
    bands = [band(name, *(NARROW_BANDS | BROAD_BANDS)[name], patch=patches.get(name)) for name in BANDS]
    properties = [
        Variable("redshift", transform="log1p", center=0.3, scale=0.2, lower=0.0, description="redshift"),
        Variable("log_mstar", center=10.0, scale=1.0, description="log10 of the surviving stellar mass in M☉"),
        Variable(
            "log_zstar", center=-0.5, scale=0.6, description="log10 of the mass-weighted stellar metallicity in Z☉"
        ),
        Variable(
            "av", unit="mag", center=0.6, scale=0.6, lower=0.0, description="V-band extinction of the diffuse dust"
        ),
        Variable("log_age", center=9.5, scale=0.4, description="log10 of the mass-weighted stellar age in yr"),
        Variable(
            "log_sfr",
            center=0.0,
            scale=1.2,
            description="log10 of the star formation rate of the last 100 Myr in M☉/yr",
        ),
        Variable(
            "dn4000", center=1.4, scale=0.25, lower=0.0, description="4000 Å break, Balogh et al. (1999) definition"
        ),
    ]
    widths = [
        Variable(f"ew_{line}", unit="Angstrom", transform="asinh", softening=2.0, center=2.5, scale=1.7, pivot=wave,
                 description=f"rest-frame equivalent width of {label}, positive in emission")
        for line, (wave, label) in LINES.items()
    ]  # fmt: skip
    fluxes = [
        Variable(f"flux_{line}", unit="erg / (s cm2)", transform="asinh", softening=1e-17, scale=FLUX_SCALE,
                 shifted=True, pivot=wave, description=f"observed, attenuated flux of {label}")
        for line, (wave, label) in LINES.items()
    ]  # fmt: skip
    survey = Variable(
        "survey", kind="category", categories=SURVEYS, description="simulation or instrument that saw the galaxy"
    )
    return (*bands, *properties, *widths, *fluxes, survey)


PROPERTIES = tuple(v.name for v in default_variables() if v.kind == "property")

__all__ = [
    "BANDS",
    "BROAD_BANDS",
    "LINES",
    "NARROW_BANDS",
    "PROPERTIES",
    "SURVEYS",
    "Variable",
    "band",
    "default_variables",
]
