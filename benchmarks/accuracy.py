"""Accuracy and calibration of the posteriors on simulated galaxies held out from training, at the assumed depths.

    python benchmarks/accuracy.py --data FOLDER_OF_PARQUET   (without --data the galaxies are simulated on the spot)

Every galaxy is observed once with a fixed seed, in two ways: *nominal*, the plain assumed depths and a perfect
calibration, and *as trained*, with the errors of calibration, depths and missing bands that the model has learned to
expect. Accuracy is read from the first. Calibration is owed in the second: a model that expects errors of calibration
must call itself less certain than a perfect survey would let it be. Point estimates are posterior medians.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from astropy.table import QTable
from harness import flux_table, machine_facts, model_facts, parser

from hf_galaxy import GalaxyPosterior
from hf_galaxy.coordinates_galaxy import Coordinates
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.evaluation.calibration import (
    calibration_test,
    central_coverage,
    crps_from_quantiles,
    interval_coverage,
    pit_deviation,
)
from hf_galaxy.evaluation.joint import tarp_ranks
from hf_galaxy.evaluation.photoz import photoz_by_bin, photoz_statistics, residual_statistics
from hf_galaxy.evaluation.report import assemble_report, to_plain, write_report
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, SURVEYS, default_variables

MAGNITUDE_EDGES = (11.0, 20.0, 21.0, 22.0, 22.5)  # in iSDSS, noiseless
TARGETS = {"11-20": 0.003, "20-21": 0.006, "21-22": 0.015}  # sigma_NMAD to reach
NOISE = {"nominal": NoiseSettings.nominal(), "as_trained": NoiseSettings.survey()}
SIMULATION_SEED = 20_261_122  # far from the seeds of training sets
_LOW = [0.01, 0.04, 0.1, 0.16, 0.22, 0.29, 0.36, 0.43]
LEVELS = np.array([*_LOW, 0.5, *(1 - np.array(_LOW[::-1]))])
ROWS_AT_ONCE = 512
VARIABLES = {variable.name: variable for variable in default_variables()}
JOINT = ("redshift", "log_mstar", "av", "log_sfr", "ew_halpha")
CASE_B = 2.86  # Hα/Hβ without dust; Osterbrock & Ferland (2006), 10,000 K
HIGHLIGHT = ("redshift", "log_mstar", "log_sfr", "ew_halpha")


def main(argv: list[str] | None = None) -> None:
    arguments = parser(__doc__.splitlines()[0], "accuracy.json")
    arguments.add_argument(
        "--data", help="Parquet folder or Hub id of held-out galaxies; its split 'test' if it has one"
    )
    arguments.add_argument("--n", type=int, default=20_000, help="galaxies")
    arguments.add_argument("--noise", nargs="+", choices=tuple(NOISE), default=tuple(NOISE))
    arguments.add_argument("--noise-seed", type=int, default=1)
    arguments.add_argument("--joint", type=int, default=1000, help="galaxies for the joint draws")
    arguments.add_argument("--draws", type=int, default=100, help="joint draws of each")
    given = arguments.parse_args(argv)
    galaxies = held_out(given.data, given.n)
    galaxy = GalaxyPosterior.from_pretrained(given.model)
    magnitude = i_magnitude(galaxies.flux)
    metrics = {noise: measure(galaxy, galaxies, magnitude, noise, given) for noise in given.noise}
    data = {
        "source": Path(given.data).name if given.data else f"simulated, seed {SIMULATION_SEED}",
        "galaxies": len(galaxies),
        "i": [float(magnitude.min()), float(magnitude.max())],
        "noise": {name: asdict(NOISE[name]) for name in given.noise},
        "noise_seed": given.noise_seed,
    }
    model = model_facts(galaxy, given.model)
    write_report(given.out, assemble_report(model=model, data=data, machine=machine_facts(), metrics=metrics))


def measure(
    galaxy: GalaxyPosterior, galaxies: GalaxyTable, magnitude: np.ndarray, noise: str, given: Any
) -> dict[str, Any]:
    """All figures of merit under one kind of noise, printed and drawn as well."""
    observed = observe(galaxies.flux, NOISE[noise], given.noise_seed)
    truth = dict(zip(PROPERTIES, galaxies.properties.double().numpy().T, strict=True))
    quantiles, pits, nll = ask(galaxy.condition(observed), galaxies.properties)
    z_phot = median(quantiles["redshift"])
    metrics = {
        "redshift": redshift_metrics(z_phot, truth["redshift"], magnitude),
        "properties": {
            name: property_metrics(name, quantiles[name], truth[name], pits[name], nll[name]) for name in PROPERTIES
        },
        "mean_nll": float(np.mean([np.mean(values) for values in nll.values()])),
        "by_survey": by_survey(z_phot, truth["redshift"], galaxies.survey.numpy()),
    }
    if given.joint:
        metrics["joint"] = joint_metrics(galaxy, observed, galaxies, given.joint, given.draws)
    print(f"== {len(galaxies)} galaxies, noise {noise.replace('_', ' ')}")
    print_metrics(to_plain(metrics))
    draw(given.out.with_name(f"{given.out.stem}_{noise}"), pits, quantiles, truth, metrics)
    return metrics


def held_out(path: str | None, n: int) -> GalaxyTable:
    """The first n galaxies of a stored set, or n simulated ones."""
    if path is not None:
        from hf_galaxy.data.galaxies import splits

        has_test = Path(path).is_dir() and "test" in splits(path)
        return GalaxyTable.load(path, "test" if has_test else None)[:n]
    from hf_galaxy.physics.simulate import SimulationSettings, Simulator

    rows = Simulator(SimulationSettings()).rows(SIMULATION_SEED, 0, n)
    return GalaxyTable(rows.flux, rows.properties, torch.tensor([SURVEYS.index(s) for s in rows.survey]))


def observe(flux: torch.Tensor, settings: NoiseSettings, seed: int) -> QTable:
    """A catalogue of what the survey would see."""
    seen = NoiseModel(settings, BANDS).observe(flux, torch.Generator().manual_seed(seed))
    return flux_table(seen.flux, seen.error)


def i_magnitude(flux: torch.Tensor) -> np.ndarray:
    return 31.4 - 2.5 * np.log10(flux[:, BANDS.index("iSDSS")].double().numpy())


@torch.inference_mode()
def ask(posterior: GalaxyPosterior, properties: torch.Tensor) -> tuple[dict[str, np.ndarray], ...]:
    """Quantiles in physical units (n, n_level), PIT (n,) and negative log-likelihood (n,) of every property.

    One reading of the evidence answers all, where the methods of the posterior read it for each. The likelihood is in
    nats of the token coordinate, so that it compares between properties.
    """
    coordinates = Coordinates([VARIABLES[name] for name in PROPERTIES], torch.float64)
    model, n = posterior.model, len(properties)
    tokens = torch.tensor(posterior.tokenizer.convert_tokens_to_ids(list(PROPERTIES)))
    truth = coordinates.forward(properties.double()).float()
    quantiles, pit, nll = [], [], []
    for start in range(0, n, ROWS_AT_ONCE):
        rows = slice(start, min(start + ROWS_AT_ONCE, n))
        context = model.encode(*posterior.evidence.tokens(rows))
        ids = tokens.expand(rows.stop - start, -1)
        exact = torch.zeros(ids.shape)
        density = model.density(model.answer(context, ids), ids, exact, context.reference)
        pit.append(density.cdf(truth[rows]).clamp(0, 1))
        nll.append(-density.log_prob(truth[rows]))
        levels = [density.quantile(torch.tensor(level)) for level in LEVELS.tolist()]
        quantiles.append(coordinates.inverse(torch.stack(levels, dim=1).double()))
    joined = (torch.cat(parts).double().numpy() for parts in (quantiles, pit, nll))
    return tuple({name: array[..., i] for i, name in enumerate(PROPERTIES)} for array in joined)


def median(quantiles: np.ndarray) -> np.ndarray:
    return at(quantiles, 0.5)


def at(quantiles: np.ndarray, level: float) -> np.ndarray:
    return quantiles[:, int(np.argmin(np.abs(LEVELS - level)))]


def redshift_metrics(z_phot: np.ndarray, z_true: np.ndarray, magnitude: np.ndarray) -> dict[str, Any]:
    bins = {}
    for one in photoz_by_bin(z_phot, z_true, magnitude, MAGNITUDE_EDGES):
        name = f"{one.lower:g}-{one.upper:g}"
        bins[name] = {**one.statistics._asdict(), "target_sigma_nmad": TARGETS.get(name)}
    return {"all": photoz_statistics(z_phot, z_true), "by_i": bins}


def property_metrics(
    name: str, quantiles: np.ndarray, truth: np.ndarray, pit: np.ndarray, nll: np.ndarray
) -> dict[str, Any]:
    """In the unit of the property; ``*_coordinate`` in its standardised coordinate, which tames wide ranges."""
    forward = np.vectorize(VARIABLES[name].forward)
    in_coordinate = residual_statistics(forward(median(quantiles)), forward(truth))
    test = calibration_test(pit)
    return {
        **residual_statistics(median(quantiles), truth)._asdict(),
        "crps": float(np.mean(crps_from_quantiles(quantiles, LEVELS, truth))),
        "sigma_nmad_coordinate": in_coordinate.sigma_nmad,
        "crps_coordinate": float(np.mean(crps_from_quantiles(forward(quantiles), LEVELS, forward(truth)))),
        "nll": float(np.mean(nll)),
        "pit_deviation": test.deviation,
        "verdict": test.verdict,
        "spread_score": test.spread_score,
        "coverage_68": interval_coverage(at(quantiles, 0.16), at(quantiles, 0.84), truth),
        "coverage_95": float(central_coverage(pit, [0.95]).observed[0]),
        "prior_sigma_nmad": residual_statistics(np.full_like(truth, np.median(truth)), truth).sigma_nmad,
    }


def by_survey(z_phot: np.ndarray, z_true: np.ndarray, survey: np.ndarray) -> dict[str, Any]:
    return {SURVEYS[i]: photoz_statistics(z_phot[survey == i], z_true[survey == i]) for i in np.unique(survey)}


def joint_metrics(galaxy: Any, observed: Any, galaxies: GalaxyTable, n: int, draws: int) -> dict[str, Any]:
    """Joint calibration (TARP), and the share of draws whose Balmer decrement no dust can make."""
    chosen = slice(0, min(n, len(galaxies)))
    posterior = galaxy.condition(observed[chosen])
    properties = galaxies.properties[chosen].double().numpy()
    truth = properties[:, [PROPERTIES.index(name) for name in JOINT]]
    drawn = posterior.sample(draws, list(JOINT), seed=0)
    samples = np.stack([np.asarray(drawn[name], dtype=float) for name in JOINT], axis=-1)
    truth, samples = (np.arcsinh(a / [1, 1, 1, 1, 2.0]) for a in (truth, samples))  # equivalent widths span decades
    scale = truth.std(axis=0)
    reference = np.random.default_rng(0).permutation(truth)
    rank = tarp_ranks(samples / scale, truth / scale, reference / scale)
    return {
        "properties": JOINT,
        "galaxies": len(truth),
        "draws": draws,
        "tarp_deviation": pit_deviation(rank),
        "tarp_verdict": calibration_test(rank).verdict,
        "balmer": balmer(posterior, properties, draws),
    }


def balmer(posterior: Any, properties: np.ndarray, draws: int) -> dict[str, float]:
    """Share of draws with Hα/Hβ below Case B, joint and with the pairing of the two lines broken; 5 % are allowed.

    Only where both lines are in emission by more than 1 Å in the draw: a ratio of two vanishing lines says nothing.
    """
    names = ["flux_halpha", "flux_hbeta", "ew_halpha", "ew_hbeta"]
    joint = posterior.sample(draws, names, seed=1)
    joint = {name: np.asarray(joint[name], dtype=float) for name in names}
    broken = {name: np.roll(joint[name], 1, axis=1) if "hbeta" in name else joint[name] for name in names}
    truth = {name: properties[:, [PROPERTIES.index(name)]] for name in names}

    def below(lines: dict[str, np.ndarray]) -> float:
        real = (lines["ew_halpha"] > 1) & (lines["ew_hbeta"] > 1)
        return float(np.mean(lines["flux_halpha"][real] < 0.95 * CASE_B * lines["flux_hbeta"][real]))

    return {"joint": below(joint), "independent": below(broken), "truth": below(truth)}


def print_metrics(metrics: dict[str, Any]) -> None:
    print(f"{'i':>8} {'n':>6} {'sigma_NMAD':>10} {'target':>7} {'bias':>8} {'>0.03':>7} {'>0.15':>7}")
    for name, row in [*metrics["redshift"]["by_i"].items(), ("all", metrics["redshift"]["all"])]:
        if row["n"]:
            target = row.get("target_sigma_nmad")
            print(
                f"{name:>8} {row['n']:6d} {row['sigma_nmad']:10.4f} {target or '':>7} {row['bias']:+8.4f}"
                f" {row['outliers_003']:7.2%} {row['outliers_015']:7.2%}"
            )
    columns = ("sigma", "of prior", "CRPS", "CRPS std", "NLL", "PIT dev.", "68 %")
    print(f"\n{'property':20s} " + " ".join(f"{column:>9}" for column in columns) + "  verdict")
    for name, row in metrics["properties"].items():
        numbers = [f"{row[key]:9.3g}" for key in ("sigma_nmad", "prior_sigma_nmad", "crps")]
        numbers += [f"{row[key]:9.3f}" for key in ("crps_coordinate", "nll")]
        numbers += [f"{row[key]:9.2%}" for key in ("pit_deviation", "coverage_68")]
        print(f"{name:20s} {' '.join(numbers)}  {row['verdict']}")
    print(f"mean NLL of the {len(metrics['properties'])} properties: {metrics['mean_nll']:.3f}")
    if "joint" in metrics:
        joint = metrics["joint"]
        print(f"\njoint of {', '.join(joint['properties'])}: TARP deviation {joint['tarp_deviation']:.2%}")
        shares = ", ".join(f"{name} {share:.2%}" for name, share in joint["balmer"].items())
        print(f"Hα/Hβ more than 5 % below Case B: {shares}")


def draw(stem: Path, pits: dict, quantiles: dict, truth: dict, metrics: dict) -> None:
    """The calibration page, coverage curves and the recovery of the main properties, as PNG beside the result."""
    from hf_galaxy.plotting.calibration import plot_coverage, plot_photoz, plot_pit, plot_recovery
    from hf_galaxy.plotting.style import PAGE_WIDTH, label_page, new_figure, save_figure

    rows = -(-(len(pits)) // 4)
    figure, axes = new_figure(rows, 4, width=PAGE_WIDTH, height=1.52 * rows, sharex=True, sharey=True)
    plot_pit(axes, pits)
    save_figure(label_page(figure, "probability integral transform", "density"), f"{stem}_pit.png")
    figure, axes = new_figure(1, 2, width=PAGE_WIDTH, height=3.3)
    for ax, difference in zip(axes[0], (False, True), strict=True):
        plot_coverage(ax, pits, highlight=HIGHLIGHT, difference=difference)
    save_figure(figure, f"{stem}_coverage.png")
    figure, axes = new_figure(2, 3, width=PAGE_WIDTH, height=3.6, height_ratios=[2.6, 1])
    plot_photoz(
        axes[0, 0],
        truth["redshift"],
        median(quantiles["redshift"]),
        statistics=metrics["redshift"]["all"],
        residual_ax=axes[1, 0],
    )
    grid = axes[0, 0].get_gridspec()
    for ax in axes[:, 1:].ravel():
        ax.remove()
    for column, name, scale in ((1, "log_mstar", "linear"), (2, "ew_halpha", "asinh")):
        ax = figure.add_subplot(grid[:, column])
        scatter, unit = metrics["properties"][name]["sigma_nmad"], "Å" if scale == "asinh" else "dex"
        note = rf"$\sigma_\mathrm{{NMAD}} = {scatter:.3g}$ {unit}"
        plot_recovery(ax, truth[name], median(quantiles[name]), label=name, scale=scale, note=note)
        ax.set_box_aspect(1)
        ax.set_anchor("N")
    save_figure(figure, f"{stem}_recovery.png")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"accuracy.py: {error}")
