"""How much of a learnt calibration the known redshifts bear out.

Zero points that make the photometry of a survey likelier need not make its redshifts better: what the model has wrong
about galaxies, or about which of them a survey takes, looks like zero points too. Some galaxies with redshifts are
therefore held back, their labels never learnt from, and the calibration is multiplied with the factor between 0 and 1
under which their redshifts are likeliest given their photometry. At 0 the model answers as it did before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...configuration_galaxy import SPECIAL_TOKENS
from ...coordinates_galaxy import Coordinates
from ...data.galaxies import GalaxyTable
from ...variables_galaxy import PROPERTIES
from ..seeds import seed_of
from ..sources import GalaxySource
from .calibrated_model import CalibratedModel

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
FEWEST, MOST = 10, 200  # galaxies held back: fewer say nothing, more are better learnt from
REDSHIFT = PROPERTIES.index("redshift")


@dataclass(frozen=True)
class HeldBack:
    """Galaxies of the survey whose redshifts are known, and are not learnt from.

    Attributes:
        table: The galaxies.
    """

    table: GalaxyTable

    def blank(self, rows: GalaxyTable) -> GalaxyTable:
        """Rows without the labels of those that are held back; a redshift to its last bit says which they are."""
        mine = rows.noisy & torch.isin(rows.properties[:, REDSHIFT], self.table.properties[:, REDSHIFT])
        if not bool(mine.any()):
            return rows
        return replace(rows, properties=rows.properties.masked_fill(mine.unsqueeze(-1), torch.nan))

    @torch.inference_mode()
    def log_probs(self, calibrated: CalibratedModel, survey: int) -> dict[float, float]:
        """Mean log density of the redshifts given the photometry, in nats, by the strength of the calibration."""
        device = next(calibrated.parameters()).device
        inputs = self._inputs(calibrated, survey, device)
        training, found = calibrated.training, {}
        calibrated.eval()
        for strength in STRENGTHS:
            with calibrated.at(strength):
                output = calibrated(of_survey=torch.ones(len(self.table), dtype=torch.bool, device=device), **inputs)
            found[strength] = float(output.log_prob.double().mean())
        calibrated.train(training)
        return found

    def _inputs(self, calibrated: CalibratedModel, survey: int, device: torch.device) -> dict[str, Tensor]:
        """All photometry and the survey shown, the redshift asked with the error that it has."""
        variables, table = calibrated.variables, self.table.with_errors()
        names = [v.name for v in variables]
        bands = [i for i, v in enumerate(variables) if v.kind == "flux"][: table.flux.shape[1]]
        shown = Coordinates([variables[i] for i in bands], torch.float32)
        asked = Coordinates([variables[names.index("redshift")]], torch.float32)
        n, z = len(table), table.properties[:, [REDSHIFT]].float()
        seen = torch.isfinite(table.flux) & torch.isfinite(table.flux_error)
        values = torch.where(seen, shown.forward(table.flux.float()), 0.0)
        errors = torch.where(seen, shown.error(table.flux_error.float()), 0.0)
        token, one = names.index("survey"), torch.ones(n, 1)
        ids = torch.tensor([*bands, token]) + len(SPECIAL_TOKENS)
        inputs = {
            "input_ids": ids.expand(n, -1),
            "values": torch.cat([values, survey * one], 1),
            "errors": torch.cat([errors, 0 * one], 1),
            "attention_mask": torch.cat([seen, one.bool()], 1).long(),
            "query_ids": torch.full((n, 1), names.index("redshift") + len(SPECIAL_TOKENS)),
            "query_errors": asked.error(table.property_error[:, [REDSHIFT]].float()).nan_to_num(0.0),
            "labels": asked.forward(z),
        }
        return {name: tensor.to(device) for name, tensor in inputs.items()}


def hold_back(table: GalaxyTable, share: float, seed: int) -> HeldBack | None:
    """A share of the galaxies with redshifts; None if that is too few to say anything."""
    known = torch.isfinite(table.properties[:, REDSHIFT]).nonzero()[:, 0]
    count = min(int(share * len(known)), MOST)
    if count < FEWEST:
        return None
    order = torch.randperm(len(known), generator=torch.Generator().manual_seed(seed_of(seed, "held back")))
    return HeldBack(table[known[order[:count]].sort().values])


class BlankedSource:
    """A source without the labels of galaxies that are held back."""

    def __init__(self, source: GalaxySource, held: HeldBack) -> None:
        self.source, self.held = source, held

    def rows(self, step: int, unit: int) -> GalaxyTable:
        """The galaxies of this unit."""
        return self.held.blank(self.source.rows(step, unit).with_errors())


__all__ = ["STRENGTHS", "BlankedSource", "HeldBack", "hold_back"]
