"""The figures of one assessment for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

COLUMNS = ("sigma", "of prior", "CRPS", "CRPS std", "NLL", "PIT dev.", "68 %")


def summary(metrics: Mapping[str, Any], targets: Mapping[str, float] | None = None) -> str:
    """Tables of redshift by magnitude and of every property, and a few lines on joint draws.

    Args:
        metrics: Of an ``Assessment``.
        targets: σ_NMAD of the redshift wanted, by magnitude bin.
    """
    lines = list(_redshift(metrics["redshift"], targets or {})) if "redshift" in metrics else []
    lines += ["", f"{'property':20s} " + " ".join(f"{column:>9}" for column in COLUMNS) + "  verdict"]
    for name, row in metrics["properties"].items():
        numbers = [_number(row[key], "9.3g") for key in ("sigma_nmad", "prior_sigma_nmad", "crps")]
        numbers += [_number(row[key], "9.3f") for key in ("crps_coordinate", "nll")]
        numbers += [_number(row[key], "9.2%") for key in ("pit_deviation", "coverage_68")]
        lines.append(f"{name:20s} {' '.join(numbers)}  {row['verdict']}")
    lines.append(f"mean NLL of the {len(metrics['properties'])} properties: {metrics['mean_nll']:.3f}")
    lines += list(_joint(metrics["joint"])) if "joint" in metrics else []
    if "joint_skipped" in metrics:
        lines.append(f"no joint draws: {metrics['joint_skipped']}")
    return "\n".join(lines)


def _redshift(metrics: Mapping[str, Any], targets: Mapping[str, float]) -> Iterator[str]:
    wanted = "target" if targets else ""
    yield f"{'i':>8} {'n':>6} {'sigma_NMAD':>10} {wanted:>7} {'bias':>8} {'>0.03':>7} {'>0.15':>7}"
    for name, row in [*metrics["by_i"].items(), ("all", metrics["all"])]:
        if row["n"]:
            yield (
                f"{name:>8} {row['n']:6d} {row['sigma_nmad']:10.4f} {targets.get(name, ''):>7} {row['bias']:+8.4f}"
                f" {row['outliers_003']:7.2%} {row['outliers_015']:7.2%}"
            )


def _joint(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"\njoint of {', '.join(metrics['properties'])} ({metrics['galaxies']} galaxies): TARP deviation "
        f"{metrics['tarp_deviation']:.2%} ({metrics['tarp_verdict']})"
    )
    wrong = [f"{name} {one['verdict']}" for name, one in metrics["sbc"].items() if one["verdict"] != "calibrated"]
    yield f"ranks of truths among draws: {'; '.join(wrong) or 'uniform, and of projections too'}"
    pairs = metrics.get("correlation", {})
    missed = [name for name, one in pairs.items() if not one["lower"] <= one["observed"] <= one["upper"]]
    if pairs:
        yield f"correlations of residuals outside 99 % of what joint draws say: {'; '.join(missed) or 'none'}"
    if "balmer" in metrics:
        shares = ", ".join(f"{name} {_number(share, '.2%')}" for name, share in metrics["balmer"].items())
        yield f"Hα/Hβ more than 5 % below case B: {shares}"
    if "bpt" in metrics:
        bpt = metrics["bpt"]
        yield (
            f"class of the lines right: {bpt['accuracy']:.1%}; Brier score {bpt['brier']:.3f}, "
            f"{bpt['expected_brier']:.3f} if calibrated, {bpt['brier_of_frequencies']:.3f} from frequencies"
        )


def _number(value: float | None, form: str) -> str:
    return "-".rjust(int(form.split(".")[0] or 1)) if value is None else format(value, form)


__all__ = ["summary"]
