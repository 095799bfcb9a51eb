"""Our model as a peer: trained from nothing on the peers' galaxies, and as shipped."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from benchmarks.comparison.answers import COMPARED, LEVELS, Answers, Contender, Floats, Observe
from benchmarks.comparison.catalogue import VARIABLES
from benchmarks.harness import flux_table
from hf_galaxy import GalaxyPosterior
from hf_galaxy.coordinates_galaxy import Coordinates
from hf_galaxy.data.features import galaxy_table
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.noise import Observation
from hf_galaxy.training.building import build
from hf_galaxy.training.settings import TrainSettings
from hf_galaxy.variables_galaxy import SURVEYS

ROWS_AT_ONCE = 512
VALID_ROWS = 256  # of the training galaxies; train.py wants some, nothing here depends on them


class Ours(Contender):
    """Our model, asked for all properties at once.

    Args:
        seen: Galaxies that a new model sees in training, epochs counted; ``None`` is the shipped checkpoint.
        size: Preset of a new model.
        batch: Galaxies a step.
        folder: Where training keeps its states, so that a killed run goes on; else a temporary one.
    """

    def __init__(self, seen: int | None, size: str = "tiny", batch: int = 128, folder: Path | None = None) -> None:
        name = "hf_galaxy, shipped" if seen is None else "hf_galaxy, same galaxies"
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

    def _train(self, train: GalaxyTable, folder: Path, seed: int) -> GalaxyPosterior:
        out, data, valid = folder / "model", folder / "galaxies", folder / "valid"
        _write(train, data)
        _write(train[:VALID_ROWS], valid)
        settings = TrainSettings(
            size=self.size,
            data=str(data),
            valid_data=str(valid),
            valid_rows=VALID_ROWS,
            out=str(out),
            resume=any((out / "state").glob("step-*")),
            galaxies=self.seen,
            batch_size=self.batch,
            seed=seed,
            tracker="none",
            num_threads=1,
        )
        build(settings).run()
        return GalaxyPosterior.from_pretrained(str(out))

    def predict(self, observation: Observation) -> Answers:
        """Quantiles of the mixture of every property."""
        table = flux_table(observation.flux, observation.error)
        start = time.perf_counter()
        quantiles = self.galaxy.condition(table).quantiles_of(COMPARED, LEVELS)
        seconds = time.perf_counter() - start
        by_name = {name: np.maximum.accumulate(quantiles[:, i], axis=1) for i, name in enumerate(COMPARED)}

        def log_prob(truth: dict[str, Floats]) -> dict[str, Floats]:
            return self._log_density(observation, truth)

        return Answers(COMPARED, by_name, {n: q[:, len(LEVELS) // 2] for n, q in by_name.items()}, log_prob, seconds)

    @torch.inference_mode()
    def _log_density(self, observation: Observation, truth: dict[str, Floats]) -> dict[str, Floats]:
        """Log density of every property by itself in nats of its token coordinate."""
        posterior = self.galaxy.condition(flux_table(observation.flux, observation.error))
        answers = {}
        for name in COMPARED:
            log_slope = Coordinates([VARIABLES[name]], torch.float64).log_slope(torch.as_tensor(truth[name])[:, None])
            answers[name] = posterior.log_prob({name: truth[name]}) - log_slope[:, 0].numpy()
        return answers


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
