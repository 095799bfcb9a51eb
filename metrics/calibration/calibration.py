"""Calibration metric for the `evaluate` library; the arithmetic is that of ``hf_galaxy.evaluation.calibration``."""

import datasets
import evaluate
import numpy as np

from hf_galaxy.evaluation import calibration

_DESCRIPTION = """\
Calibration of one-dimensional posteriors: greatest deviation of the probability integral transform (PIT) from uniform,
coverage of the central 68 % and 95 % intervals, continuous ranked probability score (CRPS), and a verdict.
"""
_KWARGS = """\
Args:
    predictions: for each object a list of posterior draws, or of quantiles if levels are given.
    references: true values.
    levels: levels of the quantiles, increasing numbers between 0 and 1; None if predictions are draws.
Returns:
    n, pit_deviation, coverage_68, coverage_95, crps, verdict.
Examples:
    >>> import evaluate
    >>> metric = evaluate.load("metrics/calibration")  # doctest: +SKIP
    >>> metric.compute(predictions=[[0.1, 0.2, 0.3]], references=[0.2])  # doctest: +SKIP
"""
_CITATION = """\
@article{gneiting2007, journal={Journal of the Royal Statistical Society B}, volume={69}, pages={243--268}, year={2007},
  title={Probabilistic forecasts, calibration and sharpness}}
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS)
class Calibration(evaluate.Metric):
    """PIT, coverage and CRPS of posteriors given as draws or quantiles."""

    def _info(self):
        number = datasets.Value("float64")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS,
            features=datasets.Features({"predictions": datasets.Sequence(number), "references": number}),
        )

    def _compute(self, predictions, references, levels=None):
        values, truth = np.asarray(predictions, dtype=float), np.asarray(references, dtype=float)
        if levels is None:
            pit, crps = calibration.pit_from_samples(values, truth), calibration.crps_from_samples(values, truth)
        else:
            pit = calibration.pit_from_quantiles(values, levels, truth)
            crps = calibration.crps_from_quantiles(values, levels, truth)
        test = calibration.calibration_test(pit)
        coverage = calibration.central_coverage(pit, [0.68, 0.95]).observed
        return {
            "n": test.n,
            "pit_deviation": test.deviation,
            "coverage_68": float(coverage[0]),
            "coverage_95": float(coverage[1]),
            "crps": float(np.mean(crps)),
            "verdict": test.verdict,
        }
