"""Our model as a peer: trained from nothing on the peers' galaxies, and as shipped."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from astropy.table import Table

from benchmarks.comparison.answers import COMPARED, LEVELS, Answers, Contender, Floats, Observe
from benchmarks.comparison.catalogue import coordinate
from hf_galaxy import GalaxyPosterior
from hf_galaxy.data.catalogues import Catalogue, CatalogueReport
from hf_galaxy.data.features import galaxy_table
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.noise import Observation
from hf_galaxy.training.building import build
from hf_galaxy.training.checkpoint import latest, read_counters
from hf_galaxy.training.settings import TrainSettings
from hf_galaxy.variables_galaxy import BANDS, SURVEYS

VALID_ROWS = 256  # of the training galaxies; train.py wants some, nothing here depends on them


class Ours(Contender):
    """Our model, asked for all properties at once.

    Args:
        seen: Galaxies that a new model sees in training, epochs counted; ``None`` is the shipped checkpoint.
        size: Preset of a new model.
        batch: Galaxies a step.
        folder: Where training keeps its states, so that a killed run goes on; else a temporary one.
        passes: Over the training galaxies, for the name.
    """

    def __init__(
        self, seen: int | None, size: str = "tiny", batch: int = 128, folder: Path | None = None, passes: int = 1
    ) -> None:
        name = "hf_galaxy, shipped" if seen is None else "hf_galaxy, same galaxies"
        name += f", {passes} passes" if passes > 1 else ""
        super().__init__(name, {"note": "one network for all, any context, all answers from one reading"})
        self.seen, self.size, self.batch, self.folder = seen, size, batch, folder

    def fit(self, train: GalaxyTable, observe: Observe, seed: int) -> None:
        """As ``train.py`` does with its defaults; the shipped checkpoint is loaded."""
        if self.seen is None:
            self.galaxy = GalaxyPosterior.from_pretrained()
        else:
            with tempfile.TemporaryDirectory() as temporary:
                self.galaxy = self._train(train, self.folder or Path(temporary), seed)
        training = self.galaxy.model.config.training or {}
        parameters = sum(p.numel() for p in self.galaxy.model.parameters())
        self.facts |= {"parameters": parameters, "seen": training.get("galaxies_seen")}
        if training.get("settings", {}).get("init_from"):
            self.facts["note"] += "; its training went on from an earlier one, whose galaxies are not counted here"

    def _train(self, train: GalaxyTable, folder: Path, seed: int) -> GalaxyPosterior:
        out, data, valid = folder / "model", folder / "galaxies", folder / "valid"
        _write(train, data)
        _write(train[:VALID_ROWS], valid)
        before = latest(out)
        if before is not None:  # a run that was killed: only the rest of the galaxies is timed
            self.facts["timed"] = self.seen - read_counters(before)["step"] * self.batch
        settings = TrainSettings(
            size=self.size,
            data=str(data),
            valid_data=str(valid),
            valid_rows=VALID_ROWS,
            out=str(out),
            resume=before is not None,
            galaxies=self.seen,
            batch_size=self.batch,
            seed=seed,
            tracker="none",
            num_threads=1,
        )
        if build(settings).run().stopped:
            raise ValueError("training was stopped; run again to go on from where it stands")
        return GalaxyPosterior.from_pretrained(str(out))

    def predict(self, observation: Observation) -> Answers:
        """Quantiles of the mixture of every property."""
        catalogue = _catalogue(observation)
        start = time.perf_counter()
        posterior = self.galaxy.condition(catalogue)
        quantiles = posterior.quantiles_of(COMPARED, LEVELS)
        seconds = time.perf_counter() - start
        by_name = {name: np.maximum.accumulate(quantiles[:, i], axis=1) for i, name in enumerate(COMPARED)}

        def log_prob(truth: dict[str, Floats]) -> dict[str, Floats]:
            return self._log_density(posterior, truth)

        return Answers(COMPARED, by_name, {n: q[:, len(LEVELS) // 2] for n, q in by_name.items()}, log_prob, seconds)

    def _log_density(self, posterior: GalaxyPosterior, truth: dict[str, Floats]) -> dict[str, Floats]:
        """Log density of every property by itself in nats of its token coordinate, from one reading of the evidence."""
        t = torch.as_tensor(np.stack([coordinate(name, truth[name]) for name in COMPARED], axis=1)).float()
        found = posterior.ask(COMPARED, lambda rows, density: density.log_prob(t[rows]))
        return {name: found[:, i].double().numpy() for i, name in enumerate(COMPARED)}


def _catalogue(observation: Observation) -> Catalogue:
    flux, error = (x.double().numpy() for x in (observation.flux, observation.error))
    return Catalogue(flux, error, BANDS, CatalogueReport(), Table({"row": np.arange(len(flux))}))


def _write(table: GalaxyTable, folder: Path) -> None:
    """Galaxies as a folder that ``train.py`` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.parquet")):
        return
    survey = np.array(SURVEYS)[table.survey.numpy()]
    rows = galaxy_table(np.arange(len(table)), table.flux.numpy(), table.properties.numpy(), survey)
    part = folder / "galaxies.part"
    pq.write_table(rows, part)
    part.rename(folder / "train-00000-of-00001.parquet")


__all__ = ["Ours"]
