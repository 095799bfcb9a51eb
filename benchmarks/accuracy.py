"""Accuracy and calibration of the posteriors on simulated galaxies held out from training, at the assumed depths.

    python benchmarks/accuracy.py --data FOLDER_OF_PARQUET   (without --data the galaxies are simulated on the spot)

Every galaxy is observed once with a fixed seed, in two ways: *nominal*, the plain assumed depths and a perfect
calibration, and *as trained*, with the errors of calibration, depths and missing bands that the model has learned to
expect. Accuracy is read from the first. Calibration is owed in the second: a model that expects errors of calibration
must call itself less certain than a perfect survey would let it be. Point estimates are posterior medians.

The measuring is that of ``hf-galaxy evaluate``; what is added here is what was wanted.
"""

from __future__ import annotations

import sys

from harness import model_facts, parser

from hf_galaxy import GalaxyPosterior
from hf_galaxy.assessment.held_out import held_out
from hf_galaxy.assessment.output import check_extras, evaluate
from hf_galaxy.assessment.run import AssessmentSettings, noise_kinds
from hf_galaxy.evaluation.report import write_report

TARGETS = {"11-20": 0.003, "20-21": 0.006, "21-22": 0.015}  # sigma_NMAD to reach
NAMES = {"nominal": "nominal", "survey": "as_trained"}
KINDS = {name: kind for kind, name in NAMES.items()}


def main(argv: list[str] | None = None) -> None:
    arguments = parser(__doc__.splitlines()[0], "accuracy.json")
    arguments.add_argument(
        "--data", help="Parquet folder or Hub id of held-out galaxies; its split 'test' if it has one"
    )
    arguments.add_argument("--n", type=int, default=20_000, help="galaxies")
    arguments.add_argument("--noise", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    arguments.add_argument("--noise-seed", type=int, default=1, help="of the noise, and of the draws")
    arguments.add_argument("--joint", type=int, default=2000, help="galaxies for the joint draws")
    arguments.add_argument("--draws", type=int, default=100, help="joint draws of each")
    given = arguments.parse_args(argv)
    check_extras(given.joint, pages=True)
    galaxy = GalaxyPosterior.from_pretrained(given.model)
    galaxies = held_out(given.data, given.n, given.noise_seed, galaxy.variables)
    report = evaluate(
        galaxy,
        galaxies,
        noise_kinds(galaxies, [KINDS[name] for name in given.noise]),
        AssessmentSettings(seed=given.noise_seed, joint=given.joint, draws=given.draws),
        model=model_facts(galaxy, given.model),
        stem=f"{given.out.parent / given.out.stem}_",
        formats=("png",),
        names=NAMES,
        targets=TARGETS,
        tell=print,
    )
    for metrics in report["metrics"].values():
        for name, row in metrics["redshift"]["by_i"].items():
            row["target_sigma_nmad"] = TARGETS.get(name)
    report["data"]["noise_seed"] = given.noise_seed
    write_report(given.out, report)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"accuracy.py: {error}")
