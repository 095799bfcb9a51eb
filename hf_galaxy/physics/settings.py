"""The settings of a simulation: what galaxies there are, and through which filters they are seen.

All are frozen, JSON-able (``dataclasses.asdict``) and stored with every data set and in the configuration of every
model, because the simulated prior is part of every posterior. Groups may be given as dicts, as JSON has them.

Sources of the defaults: star formation and mass, Renzini & Peng (2015, ApJ 801, L29); continuity prior, Leja et al.
(2019, ApJ 876, 3); Dirichlet prior, Leja et al. (2017, ApJ 837, 170); stellar metallicity, Gallazzi et al. (2005,
MNRAS 362, 41); gas, Tremonti et al. (2004, ApJ 613, 898); slope and bump of the dust, Salim et al. (2018, ApJ 859,
11); dust of young stars, Garn & Best (2010, MNRAS 409, 421); LINER-like lines of retired galaxies, Cid Fernandes et
al. (2011, MNRAS 413, 1687); velocity dispersions, Bernardi et al. (2003, AJ 125, 1849).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from difflib import get_close_matches

POPULATIONS = ("survey", "broad", "mixed")


def _shares(group: object, names: tuple[str, ...]) -> None:
    values = [getattr(group, name) for name in names]
    if min(values) < 0 or sum(values) <= 0:
        listed = ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
        raise ValueError(f"{type(group).__name__}: shares {listed} must not be negative and not all zero")


def _positive(group: object, *names: str) -> None:
    for name in names:
        if not getattr(group, name) >= 0:
            raise ValueError(f"{type(group).__name__}: {name} {getattr(group, name)} must not be negative")


def _fractions(group: object, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(group, name) <= 1:
            raise ValueError(f"{type(group).__name__}: {name} {getattr(group, name)} is outside [0, 1]")


@dataclass(frozen=True)
class BroadShares:
    """Components of the population ``broad`` and their shares.

    Attributes:
        nearby: Near us (z < 0.25), half of them early types: a volume-limited draw hardly holds them.
        passive: Massive passive galaxies over 0.05 < z < 0.75.
        flat: Flat in redshift, mass, dust, metallicity, with strong bursts.
        low: The same at log-uniform low redshift.
    """

    nearby: float = 0.30
    passive: float = 0.20
    flat: float = 0.38
    low: float = 0.12

    def __post_init__(self) -> None:
        _shares(self, ("nearby", "passive", "flat", "low"))


@dataclass(frozen=True)
class HistorySettings:
    """Histories of star formation.

    Attributes:
        delayed, continuity, dirichlet: Shares of the families.
        continuity_scale: Student-t scale in dex of the steps between bins, for galaxies that follow relations.
        continuity_scale_broad: The same for those that do not.
        dirichlet_bins: Bins of equal time of the Dirichlet family (concentration 1).
        on_sequence: Share of star-forming galaxies, among those that follow relations, whose star formation of the
            last few 100 Myr is brought to the main sequence.
        sequence_offset: Added to log SFR of the main sequence, dex.
        sequence_scatter: Scatter in dex about it.
        green: Share of star-forming galaxies that are leaving it, by up to two dex.
        burstiness: Scatter in dex of the last 10 Myr over the last 100 Myr, at 10^9 M☉; half of that at 10^11.
        truncated, truncated_passive: Share of histories that fall at one time, of forming and passive galaxies.
        bursting, bursting_passive, bursting_broad: Share with one burst.
    """

    delayed: float = 0.50
    continuity: float = 0.30
    dirichlet: float = 0.20
    continuity_scale: float = 0.15
    continuity_scale_broad: float = 0.35
    dirichlet_bins: int = 10
    on_sequence: float = 0.9
    sequence_offset: float = 0.03
    sequence_scatter: float = 0.25
    green: float = 0.10
    burstiness: float = 0.1
    truncated: float = 0.08
    truncated_passive: float = 0.3
    bursting: float = 0.10
    bursting_passive: float = 0.10
    bursting_broad: float = 0.6

    def __post_init__(self) -> None:
        _shares(self, ("delayed", "continuity", "dirichlet"))
        _fractions(self, "on_sequence", "green", "truncated", "truncated_passive")
        _fractions(self, "bursting", "bursting_passive", "bursting_broad")
        _positive(self, "continuity_scale", "continuity_scale_broad", "sequence_scatter", "burstiness")
        if not 2 <= self.dirichlet_bins <= 30:
            raise ValueError(f"HistorySettings: dirichlet_bins {self.dirichlet_bins} is outside [2, 30]")


@dataclass(frozen=True)
class MetalSettings:
    """Metallicities about their relations with mass; galaxies that follow none are flat over the grid.

    Attributes:
        offset, offset_passive: Added to log Z of the stars, dex.
        scatter, scatter_passive: Scatter of log Z of the stars of forming and passive galaxies, dex.
        poor: Largest share of metal-poor stars, uniform from 0: without them old populations are too red in g - r and
            too blue in r - i (Maraston et al. 2009, MNRAS 394, L107).
        poor_offset: log Z of the metal-poor stars relative to the others, dex.
        gas_scatter, gas_scatter_broad: Scatter of the gas, dex.
        log_u, log_u_slope: Ionisation parameter at solar gas, and its slope with log Z of the gas.
        log_u_scatter: Scatter of the ionisation parameter about its relation with the gas metallicity, dex.
    """

    offset: float = -0.12
    offset_passive: float = 0.03
    scatter: float = 0.20
    scatter_passive: float = 0.08
    poor: float = 0.08
    poor_offset: float = -1.3
    gas_scatter: float = 0.10
    gas_scatter_broad: float = 0.4
    log_u: float = -3.35
    log_u_slope: float = -0.85
    log_u_scatter: float = 0.15

    def __post_init__(self) -> None:
        _fractions(self, "poor")
        _positive(self, "scatter", "scatter_passive", "gas_scatter", "gas_scatter_broad", "log_u_scatter")


@dataclass(frozen=True)
class DustSettings:
    """Two components: diffuse dust in front of all stars, and more in front of young stars and their nebulae.

    Attributes:
        av: A_V of forming galaxies of 10^8 and 10^11 M☉, mag, linear in log mass between.
        av_scatter: Its scatter, mag.
        av_passive, av_passive_dusty: Widths of the half-normal A_V of passive galaxies, clear and dusty.
        dusty: Share of passive galaxies that are dusty.
        av_max: Largest A_V.
        birth_cloud, birth_cloud_scatter: A_V of young over old stars.
        slope, slope_scatter: Power δ on Calzetti's law at A_V = 1; the law steepens by ``slope_depth`` a decade of A_V.
        slope_depth: See ``slope``.
        bump_scatter: Width of the half-normal strength of the 2175 Å bump (the Milky Way has 3).
    """

    av: tuple[float, float] = (0.05, 0.7)
    av_scatter: float = 0.25
    av_passive: float = 0.10
    av_passive_dusty: float = 0.4
    dusty: float = 0.1
    av_max: float = 3.5
    birth_cloud: float = 2.4
    birth_cloud_scatter: float = 0.5
    slope: float = -0.2
    slope_depth: float = 0.3
    slope_scatter: float = 0.3
    bump_scatter: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "av", tuple(self.av))
        _positive(self, "av_scatter", "av_passive", "av_passive_dusty", "birth_cloud_scatter", "slope_scatter")
        _fractions(self, "dusty")
        if not (len(self.av) == 2 and min(self.av) >= 0 and 0 < self.av_max <= 10):
            raise ValueError(
                f"DustSettings: av {self.av} must be two numbers, not negative, av_max {self.av_max} in (0, 10]"
            )


@dataclass(frozen=True)
class NebulaSettings:
    """Emission of gas that young stars ionise, relative to the grid, whose gas takes every ionising photon.

    Photoionisation codes and calibrations differ by 0.1 to 0.3 dex in lines of metals (Kewley & Ellison 2008, ApJ 681,
    1183); the offsets bring the ratios to those of galaxies of the DESI bright survey.

    Attributes:
        ionising: Share of the Lyman continuum that ionises gas; dust takes the rest (Inoue 2001, AJ 122, 1788).
        ionising_free: The same of galaxies that follow no relation: the strongest lines need all of it.
        ionising_scatter: Its scatter in dex.
        nii, oiii, oii, sii: Added to log flux of the lines of N⁺, O⁺⁺, O⁺ and S⁺, dex.
        species: Factor on the scatter of the species (``nebular.SPECIES_SCATTER``).
    """

    ionising: float = 0.55
    ionising_free: float = 0.85
    ionising_scatter: float = 0.10
    nii: float = -0.20
    oiii: float = -0.18
    oii: float = -0.12
    sii: float = -0.35
    species: float = 0.5

    def __post_init__(self) -> None:
        _fractions(self, "ionising", "ionising_free")
        _positive(self, "ionising_scatter", "species")


@dataclass(frozen=True)
class NucleusSettings:
    """Gas that something else than young stars ionises: LINER-like in retired galaxies, Seyfert 2 in some.

    Attributes:
        seyfert, seyfert_massive: Share of Seyfert nuclei below and above 10^10 M☉.
        seyfert_ew, seyfert_ew_scatter: log10 EW(Hα) in Å of Seyfert nuclei over the old stars, and its scatter.
        liner_ew, liner_ew_scatter: The same of LINER-like gas.
        absent, absent_passive: Share of forming and passive galaxies with hardly any such gas.
    """

    seyfert: float = 0.05
    seyfert_massive: float = 0.10
    seyfert_ew: float = 0.8
    seyfert_ew_scatter: float = 0.45
    liner_ew: float = -0.15
    liner_ew_scatter: float = 0.35
    absent: float = 0.10
    absent_passive: float = 0.35

    def __post_init__(self) -> None:
        _fractions(self, "seyfert", "seyfert_massive", "absent", "absent_passive")
        _positive(self, "seyfert_ew_scatter", "liner_ew_scatter")


@dataclass(frozen=True)
class SimulationSettings:
    """What is simulated.

    Attributes:
        population: ``survey`` (what a survey limited in i sees), ``broad`` (the tails), ``mixed`` (both).
        redshift_min, redshift_max: Limits of the redshift; the maximum is at most 1.5.
        i_min, i_max: Limits of the noiseless iSDSS magnitude (AB).
        log_mass_min, log_mass_max: Limits of log10 of the surviving mass in M☉.
        survey_fraction: Share of ``survey`` rows in ``mixed``.
        broad: Components of ``broad``.
        broad_scatter: Factor on the scatter of metals and dust about their relations, for galaxies of ``broad`` that
            follow relations: a model should have met what a survey holds rarely.
        histories, metals, dust, nebulae, nuclei: Priors of the parameters.
        dispersion_scatter: Scatter in dex of the velocity dispersion about its relation with mass; negative: no
            velocity dispersion at all.
        template_error: Relative error (rms, 4000-7000 Å) of the stellar templates, in the rest frame, drawn for every
            galaxy; 3 times that in the ultraviolet, twice beyond 7400 Å, where the grid is coarse. The idea is that
            of Brammer, van Dokkum & Coppi (2008, ApJ 686, 1503, section 2.4).
        filter_shift: σ in Å of the displacement of every filter, drawn for every galaxy and band.
        step: Pixel of the spectra in ln λ.

    Raises:
        ValueError: limits out of order or beyond what the simulation can do.
    """

    population: str = "mixed"
    redshift_min: float = 0.003
    redshift_max: float = 1.0
    i_min: float = 11.0
    i_max: float = 22.5
    log_mass_min: float = 6.5
    log_mass_max: float = 12.5
    survey_fraction: float = 0.4
    broad: BroadShares = field(default_factory=BroadShares)
    broad_scatter: float = 1.7
    histories: HistorySettings = field(default_factory=HistorySettings)
    metals: MetalSettings = field(default_factory=MetalSettings)
    dust: DustSettings = field(default_factory=DustSettings)
    nebulae: NebulaSettings = field(default_factory=NebulaSettings)
    nuclei: NucleusSettings = field(default_factory=NucleusSettings)
    dispersion_scatter: float = 0.12
    template_error: float = 0.02
    filter_shift: float = 2.5
    step: float = 4e-4

    def __post_init__(self) -> None:
        for name, kind in _GROUPS.items():
            object.__setattr__(self, name, _group(name, kind, getattr(self, name)))
        if self.population not in POPULATIONS:
            raise ValueError(f"population {self.population!r} is not one of {', '.join(POPULATIONS)}")
        if not 0.001 <= self.redshift_min < self.redshift_max <= 1.5:
            raise ValueError(
                f"redshift limits {self.redshift_min}, {self.redshift_max}: 0.001 <= min < max <= 1.5 is needed"
            )
        if not 5.0 <= self.i_min < self.i_max <= 30.0:
            raise ValueError(f"limits of i {self.i_min}, {self.i_max}: 5 <= i_min < i_max <= 30 is needed")
        if not 5.0 <= self.log_mass_min < self.log_mass_max <= 13.5:
            limits = f"{self.log_mass_min}, {self.log_mass_max}"
            raise ValueError(f"limits of log mass {limits}: 5 <= min < max <= 13.5 is needed")
        if not 0.0 <= self.survey_fraction <= 1.0:
            raise ValueError(f"survey_fraction {self.survey_fraction} is outside [0, 1]")
        if not 0.0 <= self.template_error <= 0.2:
            raise ValueError(f"template_error {self.template_error} is outside [0, 0.2]")
        if not 1.0 <= self.broad_scatter <= 5.0:
            raise ValueError(f"broad_scatter {self.broad_scatter} is outside [1, 5]")
        if not 0.0 <= self.filter_shift <= 10.0:
            raise ValueError(f"filter_shift {self.filter_shift} Å is outside [0, 10]")
        if not 5e-5 <= self.step <= 2e-3:
            raise ValueError(f"step {self.step} of ln wavelength is outside [5e-5, 2e-3]")


_GROUPS = {
    "broad": BroadShares,
    "histories": HistorySettings,
    "metals": MetalSettings,
    "dust": DustSettings,
    "nebulae": NebulaSettings,
    "nuclei": NucleusSettings,
}


def _group(name: str, kind: type, given: object) -> object:
    """An instance of a group from itself or from a dict."""
    if isinstance(given, kind):
        return given
    if not isinstance(given, dict):
        raise ValueError(f"{name} is {given!r}; a {kind.__name__} or a dict of its fields is needed")
    known = [f.name for f in fields(kind)]
    for key in given:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ValueError(f"{name} has no setting {key!r}; {hint}")
    return kind(**given)


__all__ = [
    "POPULATIONS",
    "BroadShares",
    "DustSettings",
    "HistorySettings",
    "MetalSettings",
    "NebulaSettings",
    "NucleusSettings",
    "SimulationSettings",
]
