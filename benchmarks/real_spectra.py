"""Real spectra, as J-PAS would see them, through the model: SDSS galaxies, and FORS2 galaxies scaled to r = 20.5.

    HF_GALAXY_REAL_DATA=FOLDER python benchmarks/real_spectra.py

Nothing of these spectra was in the training. FORS2 fluxes are relative, so each spectrum is scaled to a typical
magnitude; their errors are estimated from the scatter of the pixels. Known redshifts are never evidence.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import QTable, Table
from fors2 import FORS2_REDSHIFTS, FORS2_SCALE, fors2_table, plain
from harness import REAL_DATA, machine_facts, model_facts, parser, real_data
from scipy.stats import spearmanr

from hf_galaxy import GalaxyPosterior
from hf_galaxy.data.spectra_table import photometry_table
from hf_galaxy.evaluation.calibration import interval_coverage
from hf_galaxy.evaluation.photoz import photoz_statistics, scaled_error
from hf_galaxy.evaluation.report import assemble_report, write_report

LEVELS = [0.025, 0.16, 0.5, 0.84, 0.975]
ASKED = ("redshift", "ew_halpha", "log_mstar", "log_sfr")
# What a trial model reached on the same FORS2 spectra (scaled to i = 20.5), and what is wanted.
TRIAL = {"sigma_nmad": 0.035, "outliers_015": 0.11, "coverage_68": 0.57}
WANTED = {"sigma_nmad": 0.02, "outliers_015": 0.05}


def main(argv: list[str] | None = None) -> None:
    arguments = parser(__doc__.splitlines()[0], "real_spectra.json")
    arguments.add_argument("--error-floor", type=float, default=0.02, help="relative error added to every flux")
    given = arguments.parse_args(argv)
    folders = {name: real_data(f"{name}_spectra") for name in ("sdss", "fors2")}
    if None in folders.values():
        return
    galaxy = GalaxyPosterior.from_pretrained(given.model)
    sdss = photometry_table(sorted(folders["sdss"].glob("spec-*.fits")), error_floor=given.error_floor)
    fors2, refused = fors2_table(sorted(folders["fors2"].glob("SPEC*.txt")), given.error_floor)
    answers = {"sdss": ask(galaxy, sdss, ASKED), "fors2": ask(galaxy, fors2, ("redshift",))}
    metrics = {
        "sdss": sdss_metrics(sdss, answers["sdss"]),
        "fors2": {**photoz_metrics(fors2, answers["fors2"]["redshift"]), "trial": TRIAL, "wanted": WANTED},
    }
    data = {
        "sdss": f"{len(sdss)} SDSS spectra",
        "fors2": f"{len(fors2)} FORS2 spectra with {FORS2_REDSHIFTS[0]} < z < {FORS2_REDSHIFTS[1]}",
        "fors2_scaled_to": f"{FORS2_SCALE[0]} = {FORS2_SCALE[1]} AB",
        "fors2_refused": refused,
        "error_floor": given.error_floor,
        "folder": f"${REAL_DATA}",
    }
    report = assemble_report(
        model=model_facts(galaxy, given.model), data=data, machine=machine_facts(), metrics=metrics
    )
    print_report(report)
    write_report(given.out, report)
    draw(given.out, sdss, fors2, answers, metrics)


def ask(galaxy: Any, table: QTable, names: Sequence[str]) -> dict[str, np.ndarray]:
    """(n, n_level) quantiles of each property, of one reading of the evidence."""
    quantiles = galaxy.condition(table).quantiles_of(names, LEVELS)
    return {name: quantiles[:, i] for i, name in enumerate(names)}


def photoz_metrics(table: QTable, quantiles: np.ndarray) -> dict[str, Any]:
    z = plain(table["redshift_spec"])
    return {
        **photoz_statistics(quantiles[:, 2], z)._asdict(),
        "coverage_68": interval_coverage(quantiles[:, 1], quantiles[:, 3], z),
        "coverage_95": interval_coverage(quantiles[:, 0], quantiles[:, 4], z),
        "median_abs_scaled_error": float(np.median(np.abs(scaled_error(quantiles[:, 2], z)))),
        "median_half_width_68": float(np.median(0.5 * (quantiles[:, 3] - quantiles[:, 1]))),
    }


def sdss_metrics(table: QTable, answers: dict[str, np.ndarray]) -> dict[str, Any]:
    z, width = plain(table["redshift_spec"]), plain(table["ew_halpha_spec"])
    delta = scaled_error(answers["redshift"][:, 2], z)
    good = plain(table["signal_to_noise"]) > 10
    worst = int(np.argmax(np.abs(delta)))
    measured = np.isfinite(width)
    return {
        **photoz_metrics(table, answers["redshift"]),
        "worst": {"id": str(table["id"][worst]), "scaled_error": float(delta[worst])},
        "good_beyond_015": int(np.sum(np.abs(delta[good]) > 0.15)),
        "good": int(good.sum()),
        "spearman_ew_halpha": float(spearmanr(answers["ew_halpha"][measured, 2], width[measured]).statistic),
        "galaxies": sdss_rows(table, answers, delta),
    }


def sdss_rows(table: QTable, answers: dict[str, np.ndarray], delta: np.ndarray) -> list[dict[str, Any]]:
    """One dictionary a galaxy."""
    kind = table["class"] if "class" in table.colnames else ["GALAXY"] * len(table)
    rows = []
    for i in range(len(table)):
        row = {"id": str(table["id"][i]), "class": str(kind[i]), "redshift_spec": plain(table["redshift_spec"])[i]}
        row["ew_halpha_spec"] = plain(table["ew_halpha_spec"])[i]
        row |= {name: dict(zip(("p16", "p50", "p84"), q[i, 1:4], strict=True)) for name, q in answers.items()}
        rows.append({**row, "scaled_error": delta[i]})
    return rows


def print_report(report: dict[str, Any]) -> None:
    sdss, fors2 = report["metrics"]["sdss"], report["metrics"]["fors2"]
    table = Table(
        {
            "id": [row["id"] for row in sdss["galaxies"]],
            "class": [row["class"] for row in sdss["galaxies"]],
            "z_spec": [row["redshift_spec"] for row in sdss["galaxies"]],
            **{f"z_{p}": [row["redshift"][p] for row in sdss["galaxies"]] for p in ("p16", "p50", "p84")},
            "EW(Ha)": [row["ew_halpha_spec"] for row in sdss["galaxies"]],
            "EW_p50": [row["ew_halpha"]["p50"] for row in sdss["galaxies"]],
            "logM_p50": [row["log_mstar"]["p50"] for row in sdss["galaxies"]],
        }
    )
    for name in table.colnames[2:]:
        table[name].format = ".1f" if name.startswith("EW") else ".2f" if name.startswith("logM") else ".4f"
    table.pprint(max_lines=-1, max_width=-1)
    print(
        f"SDSS: median |dz|/(1+z) {sdss['median_abs_scaled_error']:.4f}, worst {sdss['worst']['scaled_error']:+.4f}"
        f" ({sdss['worst']['id']}), {sdss['good_beyond_015']} of {sdss['good']} with S/N > 10 beyond 0.15,"
        f" rank correlation of EW(Ha) {sdss['spearman_ew_halpha']:.3f}"
    )
    print(
        f"FORS2 at {report['data']['fors2_scaled_to']}: n {fors2['n']}, sigma_NMAD {fors2['sigma_nmad']:.4f}"
        f" (trial {TRIAL['sigma_nmad']}, wanted {WANTED['sigma_nmad']}), beyond 0.03 {fors2['outliers_003']:.1%},"
        f" beyond 0.15 {fors2['outliers_015']:.1%} (trial {TRIAL['outliers_015']:.0%}, wanted"
        f" {WANTED['outliers_015']:.0%}), inside 68 % {fors2['coverage_68']:.1%} (trial {TRIAL['coverage_68']:.0%});"
        f" {len(report['data']['fors2_refused'])} refused"
    )


def draw(out: Path, sdss: QTable, fors2: QTable, answers: dict[str, Any], metrics: dict[str, Any]) -> None:
    """Photometric against spectroscopic redshift of both samples, and EW(Hα), as PNG beside the result."""
    from hf_galaxy.evaluation.photoz import PhotozStatistics
    from hf_galaxy.plotting.calibration import plot_photoz, plot_recovery
    from hf_galaxy.plotting.style import PAGE_WIDTH, new_figure, save_figure

    figure, axes = new_figure(2, 3, width=PAGE_WIDTH, height=3.7, height_ratios=[2.6, 1])
    for column, (name, table) in enumerate((("sdss", sdss), ("fors2", fors2))):
        quantiles = answers[name]["redshift"]
        plot_photoz(
            axes[0, column],
            plain(table["redshift_spec"]),
            quantiles[:, 2],
            interval=(quantiles[:, 1], quantiles[:, 3]),
            statistics=PhotozStatistics(*[metrics[name][field] for field in PhotozStatistics._fields]),
            residual_ax=axes[1, column],
            truth_label=r"$z_\mathrm{spec}$",
        )
        axes[0, column].set_title({"sdss": "SDSS", "fors2": f"FORS2, $r = {FORS2_SCALE[1]}$"}[name])
    for ax in axes[:, 2]:
        ax.remove()
    wide = figure.add_subplot(axes[0, 2].get_gridspec()[:, 2])
    width, quantiles = plain(sdss["ew_halpha_spec"]), answers["sdss"]["ew_halpha"]
    there = np.isfinite(width)
    plot_recovery(
        wide,
        width[there],
        quantiles[there, 2],
        interval=(quantiles[there, 1], quantiles[there, 3]),
        label="ew_halpha",
        scale="asinh",
        truth_label="SDSS",
        note=rf"$\rho = {metrics['sdss']['spearman_ew_halpha']:.2f}$",
    )
    wide.set_box_aspect(1)
    wide.set_anchor("N")
    save_figure(figure, out.with_suffix(".png"))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"real_spectra.py: {error}")
