"""Calibration metric for the `evaluate` library; the arithmetic is that of ``hf_galaxy.evaluation``."""

import datasets
import evaluate
import numpy as np

from hf_galaxy.evaluation import calibration
from hf_galaxy.evaluation.joint import tarp_ranks

_DESCRIPTION = """\
Calibration of posteriors. One property: greatest deviation of the probability integral transform (PIT) from uniform,
coverage of the central 68 % and 95 % intervals and of quantiles, continuous ranked probability score (CRPS), and a
verdict. Joint draws of several properties: the same of joint coverage by TARP, and the CRPS of each property.
"""
_KWARGS = """\
Args:
    predictions: for each object a list of posterior draws, or of quantiles if levels are given; for a joint posterior a
        list of draws, each a list of the values of all properties.
    references: true values; for a joint posterior, for each object a list of them.
    levels: levels of the quantiles, increasing numbers between 0 and 1; None if predictions are draws.
    log_prob: log density of each posterior at the truth, if known; its negative mean is returned as nll.
    seed: of the reference points of TARP.
Returns:
    n, verdict, and of one property: pit_deviation, coverage_68, coverage_95, quantile_coverage, crps;
    of several: tarp_deviation, tarp_p_value, crps as a list; and nll with log_prob.
Examples:
    >>> import evaluate
    >>> metric = evaluate.load("metrics/calibration")  # doctest: +SKIP
    >>> metric.compute(predictions=[[0.1, 0.2, 0.3]], references=[0.2])  # doctest: +SKIP
    >>> metric.compute(predictions=[[[0.1, 9.8], [0.2, 10.1]]], references=[[0.2, 10.0]])  # doctest: +SKIP
"""
_CITATION = """\
@article{gneiting2007, journal={Journal of the Royal Statistical Society B}, volume={69}, pages={243--268}, year={2007},
  title={Probabilistic forecasts, calibration and sharpness}}
@inproceedings{lemos2023, title={Sampling-Based Accuracy Testing of Posterior Estimators for General Inference},
  booktitle={ICML}, year={2023}}
"""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS)
class Calibration(evaluate.Metric):
    """PIT, coverage and CRPS of posteriors given as draws or quantiles; joint coverage of joint draws."""

    def _info(self):
        number = datasets.Value("float64")
        one, several = datasets.Sequence(number), datasets.Sequence(datasets.Sequence(number))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS,
            features=[
                datasets.Features({"predictions": one, "references": number}),
                datasets.Features({"predictions": several, "references": one}),
            ],
        )

    def _compute(self, predictions, references, levels=None, log_prob=None, seed=0):
        values, truth = np.asarray(predictions, dtype=float), np.asarray(references, dtype=float)
        if values.ndim == 3 and levels is not None:
            raise ValueError("levels belong to quantiles of one property; a joint posterior is given by draws")
        found = _joint(values, truth, seed) if values.ndim == 3 else _marginal(values, truth, levels)
        if log_prob is not None:
            found["nll"] = -float(np.mean(np.asarray(log_prob, dtype=float)))
        return found


def _marginal(values, truth, levels):
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
        "quantile_coverage": calibration.quantile_coverage(pit, QUANTILES).observed.tolist(),
        "crps": float(np.mean(crps)),
        "verdict": test.verdict,
    }


def _joint(samples, truth, seed):
    """Distances are in units of the scatter of the truths; reference points are truths of other objects."""
    scale = truth.std(axis=0)
    scale[scale == 0] = 1.0
    reference = np.random.default_rng(seed).permutation(truth)
    test = calibration.calibration_test(tarp_ranks(samples / scale, truth / scale, reference / scale))
    crps = [float(np.mean(calibration.crps_from_samples(samples[..., i], truth[:, i]))) for i in range(truth.shape[1])]
    return {
        "n": test.n,
        "tarp_deviation": test.deviation,
        "tarp_p_value": test.p_value,
        "crps": crps,
        "verdict": test.verdict,
    }
