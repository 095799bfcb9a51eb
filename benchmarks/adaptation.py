"""Adaptation to a survey: from its photometry alone, and with a few redshifts; simulated with truth, and real.

    python -m benchmarks.adaptation                                  (some ten minutes on two cores)
    HF_GALAXY_REAL_DATA=FOLDER python -m benchmarks.adaptation       (with the FORS2 galaxies)

(a) A simulated survey with other dust, depths, zero points and error estimates than the model learnt from. Before,
after adaptation without redshifts, with 200, and with all labels (the ceiling); redshifts of other galaxies of the
survey, the zero points against their truth, and simulated galaxies as they were before, which must not suffer.
(b) FORS2 galaxies, in three folds: adapted to two thirds, tested on the third that was not seen. Settings were chosen
on a simulated survey of another seed (1); nothing was chosen on these.
"""

from __future__ import annotations

import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.adapting.measuring import Redshifts, improvement, measured, print_row, redshifts
from benchmarks.adapting.real_survey import FOLDS, folds, fors2
from benchmarks.adapting.running import SURVEY, adapt
from benchmarks.adapting.simulated_survey import SimulatedSurvey, facts, simulate, simulated_survey, write_survey
from benchmarks.harness import REAL_DATA, machine_facts, model_facts, parser, real_data
from hf_galaxy import GalaxyPosterior
from hf_galaxy.checkpoints import SHIPPED
from hf_galaxy.data.features import galaxy_table
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.physics.settings import SimulationSettings
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, SURVEYS

# What the survey knows of its galaxies: (name, number of redshifts, all labels).
VARIANTS = (("photometry", 0, False), ("redshifts", 200, False), ("ceiling", 0, True))
REAL_REDSHIFTS = 40
REAL_ADAPTATION = {"weights": "none"}
REAL = {"steps": 150, "batch_size": 64}  # few galaxies: few steps
SEED_OF_REPLAY, SEED_OF_OLD = 31, 32


def main(argv: Sequence[str] | None = None) -> None:
    made = parser(__doc__.splitlines()[0], "adaptation.json")
    made.add_argument("--n", type=int, default=6000, help="galaxies of the simulated survey to adapt to")
    made.add_argument("--n-test", type=int, default=3000, help="others of it, and as many simulated as before")
    made.add_argument("--n-replay", type=int, default=16_000, help="simulated galaxies against forgetting")
    made.add_argument("--steps", type=int, default=300, help="steps of 128 galaxies, half of them replay")
    made.add_argument("--seed", type=int, default=2, help="of the survey: its galaxies, zero points and errors")
    made.add_argument("--replay", help="folder of simulated galaxies to replay, instead of simulating some")
    given = made.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        report = run(given, Path(folder))
    write_report(given.out, report)
    from benchmarks.adapting.figure import draw

    draw(given.out.with_suffix(".png"), report["metrics"])


def run(given: Namespace, folder: Path) -> dict[str, Any]:
    """Everything that is measured."""
    base = given.model or str(SHIPPED)
    galaxy = GalaxyPosterior.from_pretrained(given.model)
    replay = Path(given.replay) if given.replay else write_simulated(folder / "replay", SEED_OF_REPLAY, given.n_replay)
    metrics = {"simulated": simulated(given, base, galaxy, replay, folder)}
    data = {
        "survey": {**facts(), "seed": given.seed, "galaxies": given.n, "tested": given.n_test},
        "replay": replay.name,
        "steps": given.steps,
        "real": "left out",
    }
    if (spectra := real_data("fors2_spectra")) is not None:
        metrics["real"] = real(base, galaxy, replay, folder, spectra)
        data["real"] = f"{metrics['real']['before']['n']} FORS2 galaxies of ${REAL_DATA}, {FOLDS} folds"
    return assemble_report(model=model_facts(galaxy, given.model), data=data, machine=machine_facts(), metrics=metrics)


def write_simulated(folder: Path, seed: int, n: int) -> Path:
    """Galaxies like those that the model learnt from, as Parquet."""
    import pyarrow.parquet as pq

    table = simulate(SimulationSettings(), seed, n)
    survey = np.array(SURVEYS)[table.survey.numpy()]
    folder.mkdir(parents=True)
    rows = galaxy_table(np.arange(n), table.flux.numpy(), table.properties.numpy(), survey)
    pq.write_table(rows, folder / "train-00000-of-00001.parquet")
    return folder


# Simulated ----------------------------------------------------------------------------------------------------------


def simulated(given: Namespace, base: str, galaxy: GalaxyPosterior, replay: Path, folder: Path) -> dict[str, Any]:
    """The simulated survey: before, and after each kind of adaptation."""
    survey = simulated_survey(given.n + given.n_test, given.seed)
    train, test = survey.rows(slice(given.n)), survey.rows(slice(given.n, None))
    old = simulate(SimulationSettings(), SEED_OF_OLD, given.n_test)
    before, before_old = of_survey(galaxy, test, None), of_old(galaxy, old)
    found: dict[str, Any] = {"before": {"survey": measured(before), "old": measured(before_old)}}
    show("before", found["before"])
    truth = {"survey": measured(of_survey(told_the_truth(base, survey), test, SURVEYS[0]))}
    found["true calibration, weights as before"] = truth
    show("true calibration, weights as before", truth)
    found["pit"] = {"before": before.pit}
    for name, count, labels in VARIANTS:
        began = time.perf_counter()
        data = write_survey(train, folder / f"survey_{name}", count, labels)
        adapted = adapt(base, data, replay, folder / name, steps=given.steps)
        seconds = time.perf_counter() - began
        after, after_old = of_survey(adapted, test, SURVEY), of_old(adapted, old)
        found[name] = {
            "survey": measured(after),
            "old": measured(after_old),
            "change": improvement(before, after),
            "forgetting": improvement(before_old, after_old),
            "calibration": calibration(adapted, survey),
            "seconds": seconds,
        }
        found["pit"][name] = after.pit
        show(f"{name} ({count} redshifts)" if count else name, found[name])
    found["zero_points"] = {"bands": list(BANDS), "truth": survey.zero_point, "ln_ratio": survey.log_ratio}
    return found


def of_survey(galaxy: GalaxyPosterior, survey: SimulatedSurvey, told: str | None) -> Redshifts:
    return redshifts(galaxy, survey.flux, survey.flux_error, true_redshift(survey.galaxies), told)


def of_old(galaxy: GalaxyPosterior, galaxies: GalaxyTable) -> Redshifts:
    """Simulated galaxies with the noise of the training; the model is told nothing of where they are from."""
    seen = NoiseModel(NoiseSettings.survey(), BANDS).observe(galaxies.flux, torch.Generator().manual_seed(SEED_OF_OLD))
    return redshifts(galaxy, seen.flux, seen.error, true_redshift(galaxies))


def true_redshift(galaxies: GalaxyTable) -> NDArray[np.float64]:
    return galaxies.properties[:, PROPERTIES.index("redshift")].double().numpy()


def told_the_truth(base: str, survey: SimulatedSurvey) -> GalaxyPosterior:
    """The model as it is, with the true zero points and error ratios under the name of the first survey."""
    galaxy = GalaxyPosterior.from_pretrained(base)
    zero_points = dict(zip(BANDS, survey.zero_point.tolist(), strict=True))
    ratio = dict(zip(BANDS, np.exp(survey.log_ratio).tolist(), strict=True))
    galaxy.model.config.calibration = {SURVEYS[0]: {"zero_points": zero_points, "error_scale": ratio}}
    return galaxy


def calibration(galaxy: GalaxyPosterior, survey: SimulatedSurvey) -> dict[str, Any]:
    """What was learnt of the photometry, and how far it is from the truth: rms in mag, means taken off, and in ln."""
    learnt = galaxy.model.config.calibration[SURVEY]
    zero = np.array([learnt["zero_points"].get(band, np.nan) for band in BANDS])
    ratio = np.log([learnt["error_scale"].get(band, np.nan) for band in BANDS])
    galex = np.isin(BANDS, ("FUV", "NUV"))

    def rms(x: NDArray, rows: NDArray) -> float:
        return float(np.nanstd(x[rows]))

    return {
        "zero_points": zero,
        "ln_ratio": ratio,
        "rms_true": rms(survey.zero_point, ~galex),
        "rms_left": rms(zero - survey.zero_point, ~galex),
        "rms_left_band_to_band": float(np.nanstd(np.diff((zero - survey.zero_point)[~galex]) / np.sqrt(2))),
        "rms_true_galex": rms(survey.zero_point, galex),
        "rms_left_galex": rms(zero - survey.zero_point, galex),
        "ln_ratio_true": float(np.mean(survey.log_ratio)),
        "ln_ratio_found": float(np.nanmean(ratio)),
        "ln_ratio_rms_left": float(np.sqrt(np.nanmean((ratio - survey.log_ratio) ** 2))),
    }


def show(name: str, found: dict[str, Any]) -> None:
    print_row(name, found["survey"])
    if "old" in found:
        print_row("    simulated as before", found["old"])
    if "calibration" in found:
        c = found["calibration"]
        print(
            f"    zero points: rms {c['rms_true']:.4f} mag, {c['rms_left']:.4f} left"
            f" ({c['rms_left_band_to_band']:.4f} from band to band); ln error ratio {c['ln_ratio_true']:+.3f},"
            f" found {c['ln_ratio_found']:+.3f}; {found['seconds']:.0f} s"
        )
    sys.stdout.flush()


# Real ---------------------------------------------------------------------------------------------------------------


def real(base: str, galaxy: GalaxyPosterior, replay: Path, folder: Path, spectra: Path) -> dict[str, Any]:
    """The FORS2 galaxies, each tested by the model that did not see it."""
    survey = fors2(spectra)
    parts: dict[str, list[Redshifts]] = {"before": [], "photometry": [], "redshifts": []}
    zero_points = []
    for fold, (train, test) in enumerate(folds(len(survey), seed=0)):
        tested = survey.flux[test], survey.flux_error[test], survey.redshift[test]
        parts["before"].append(redshifts(galaxy, *tested))
        for name, count in (("photometry", 0), ("redshifts", REAL_REDSHIFTS)):
            data = survey.write(train, folder / f"real_{name}_{fold}", count)
            out = folder / f"real_{name}_{fold}_model"
            adapted = adapt(base, data, replay, out, adaptation=REAL_ADAPTATION, seed=fold, **REAL)
            parts[name].append(redshifts(adapted, *tested, SURVEY))
            if not count:
                zero_points.append(adapted.model.config.calibration[SURVEY]["zero_points"])
    whole = {name: Redshifts.join(of) for name, of in parts.items()}
    found: dict[str, Any] = {name: measured(of) for name, of in whole.items()}
    found |= {f"change_{name}": improvement(whole["before"], whole[name]) for name in ("photometry", "redshifts")}
    found |= {"refused": survey.refused, "redshifts_of_each_fold": REAL_REDSHIFTS}
    found["zero_points"] = {b: [z[b] for z in zero_points if b in z] for b in BANDS if b in zero_points[0]}
    for name in parts:
        print_row(f"FORS2, {name}", found[name])
    for name in ("photometry", "redshifts"):
        change = found[f"change_{name}"]
        listed = ", ".join(f"{k} {v[0]:+.4f} ({v[1]:+.4f} to {v[2]:+.4f})" for k, v in change.items())
        print(f"    {name} against before, 95 %: {listed}")
    return found


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"benchmarks.adaptation: {error}")
