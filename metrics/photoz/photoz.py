"""Photometric-redshift metric for the `evaluate` library; the arithmetic is that of ``hf_galaxy.evaluation.photoz``."""

import datasets
import evaluate

from hf_galaxy.evaluation.photoz import photoz_statistics

_DESCRIPTION = """\
Quality of photometric redshifts: sigma_NMAD, bias and outlier shares (beyond 0.03 and beyond 0.15) of
(z_phot - z_true) / (1 + z_true).
"""
_KWARGS = """\
Args:
    predictions: photometric redshifts.
    references: true (spectroscopic) redshifts.
Returns:
    n, sigma_nmad, bias, outliers_003, outliers_015.
Examples:
    >>> import evaluate
    >>> evaluate.load("metrics/photoz").compute(predictions=[0.31, 0.52], references=[0.30, 0.50])  # doctest: +SKIP
"""
_CITATION = """\
@article{hernan-caballero2021, journal={A&A}, volume={654}, pages={A101}, year={2021},
  title={The miniJPAS survey: Photometric redshift catalogue}}
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS)
class Photoz(evaluate.Metric):
    """Scatter, bias and outlier shares of redshift estimates."""

    def _info(self):
        number = datasets.Value("float64")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS,
            features=datasets.Features({"predictions": number, "references": number}),
        )

    def _compute(self, predictions, references):
        return photoz_statistics(predictions, references)._asdict()
