"""bagpipes (Carnall et al. 2018, MNRAS 480, 4379) as a peer: nested sampling of a few galaxies with free redshift.

A fit takes about a minute of a processor, so it fits some galaxies alone, of every brightness and type, and keeps
every answer in the cache: a second call takes up where the first ended. Only one sampler of bagpipes installs from a
package index without a Fortran library, nautilus (Lange 2023, MNRAS 525, 3181).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.comparison.answers import Answers, Contender, Floats, Observe
from benchmarks.peers.bagpipes_comparison import write_filters
from benchmarks.peers.bagpipes_worker import PARAMETERS
from benchmarks.peers.draws import answers_from_draws
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.noise import Observation
from hf_galaxy.variables_galaxy import BANDS

WORKER = Path(__file__).with_name("bagpipes_worker.py")
ROOT = Path(__file__).resolve().parents[2]
AB_ZERO_NJY = 31.4
I_EDGES = (18.0, 20.0, 21.0, 22.0)
# Range of i and whether red, in the order in which galaxies are chosen
TURNS = ((1, 0), (2, 1), (3, 0), (0, 1), (4, 0), (1, 1), (2, 0), (3, 1), (0, 0), (4, 1))
STRATA_SEED = 0
COST = ("calls", "seconds", "processor_seconds", "chi2", "bands", "effective", "finished")


@dataclass(frozen=True)
class FitSettings:
    """How bagpipes fits.

    Attributes:
        resolution: R_phot. Its default of 100 is wrong in narrow bands (37 mmag rms); 500 leaves 8 mmag.
        floor: Relative error added to every band for what its model cannot be: the grid of wavelengths, filters that
            are displaced by some Å, line ratios.
        live, networks, effective: Live points and networks of nautilus, and the effective draws it is run for.
        most_calls: Likelihoods after which a fit is given up as it is.
        draws: Draws of the posterior that are kept.
        bump: Strength of the bump at 2175 Å, fixed.
        redshift: Range of its uniform prior, that of the simulation.
        seed: Of the sampler.
    """

    resolution: float = 500.0
    floor: float = 0.02
    live: int = 100
    networks: int = 1
    effective: int = 300
    most_calls: int = 10_000
    draws: int = 300
    bump: float = 0.7
    redshift: tuple[float, float] = (0.003, 1.0)
    seed: int = 0


class BagpipesFits(Contender):
    """Fits of some galaxies of every brightness and colour; all others have no answer (NaN).

    They are chosen when it is first asked, and stay the same galaxies under every other noise.

    Args:
        cache: Folder of the answers; made if it is not there.
        fits: Galaxies to fit.
        settings: How it fits.
        processes: Fits at the same time.
    """

    def __init__(self, cache: Path, fits: int, settings: FitSettings | None = None, processes: int = 1) -> None:
        s = self.settings = settings or FitSettings()
        note = f"delayed history, R_phot {s.resolution:g}, floor {s.floor:g}; nautilus with {s.live} live points"
        super().__init__("bagpipes", {"galaxies": 0, "note": note})
        self.cache, self.fits, self.processes = Path(cache), fits, processes
        self._rows: np.ndarray | None = None

    def fit(self, train: GalaxyTable, observe: Observe, seed: int) -> None:
        """Nothing: its priors are set by hand."""

    def predict(self, observation: Observation) -> Answers:
        """Posteriors of the chosen galaxies.

        Raises:
            ValueError: bagpipes failed, or is not installed.
        """
        flux, error = (x.double().numpy() for x in (observation.flux, observation.error))
        rows = self._rows = stratified_rows(flux, self.fits) if self._rows is None else self._rows
        found = self.posteriors(flux[rows], error[rows])
        draws = np.full((len(flux), self.settings.draws, len(PARAMETERS)), np.nan)
        draws[rows] = found["draws"]
        self.facts |= {name: float(np.median(found[name])) for name in ("calls", "processor_seconds")}
        named = {name: draws[..., i] for i, name in enumerate(PARAMETERS)}
        return answers_from_draws(named, float(found["seconds"].sum()))

    def posteriors(self, flux: Floats, error: Floats, redshift: Floats | None = None) -> dict[str, np.ndarray]:
        """``draws`` (n, k, parameter) and the costs of galaxies; a redshift (n,) that is given is fixed.

        Raises:
            ValueError: bagpipes failed.
        """
        redshift = np.full(len(flux), np.nan) if redshift is None else np.asarray(redshift, dtype=float)
        keys = [self._key(*galaxy) for galaxy in zip(flux, error, redshift, strict=True)]
        missing = [i for i, key in enumerate(keys) if not self._path(key).exists()]
        if missing:
            self._run(flux[missing], error[missing], redshift[missing], [keys[i] for i in missing])
        answers = []
        for key in keys:
            with np.load(self._path(key)) as file:
                answers.append({name: file[name] for name in ("draws", *COST)})
        return {name: np.array([answer[name] for answer in answers]) for name in ("draws", *COST)}

    def available(self, flux: Floats, error: Floats, redshift: Floats) -> np.ndarray:
        """(n,) bool, which of these galaxies have an answer in the cache."""
        galaxies = zip(flux, error, redshift, strict=True)
        return np.array([self._path(self._key(*galaxy)).exists() for galaxy in galaxies], dtype=bool)

    def _key(self, flux: Floats, error: Floats, redshift: float) -> str:
        """Name of an answer: of the galaxy's photometry and the settings, whichever test it is part of."""
        digest = hashlib.sha256(json.dumps(asdict(self.settings), sort_keys=True).encode())
        for values in (flux, error, redshift):
            digest.update(np.asarray(values, dtype=np.float64).tobytes())
        return digest.hexdigest()[:24]

    def _path(self, key: str) -> Path:
        return self.cache / f"{key}.npz"

    def _run(self, flux: Floats, error: Floats, redshift: Floats, keys: list[str]) -> None:
        self.cache.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        with tempfile.TemporaryDirectory() as folder:
            filters = write_filters(FilterSet.embedded().subset(BANDS), Path(folder))
            running = []
            for i in range(min(self.processes, len(keys))):
                part = slice(i, None, self.processes)
                request = Path(folder) / f"request{i}.npz"
                galaxies = {"flux": flux[part], "error": error[part], "redshift": redshift[part], "keys": keys[part]}
                np.savez(request, filters=filters, settings=json.dumps(asdict(self.settings)), **galaxies)
                command = [sys.executable, str(WORKER), str(request), str(self.cache.resolve())]
                log = open(Path(folder) / f"log{i}", "w+")  # noqa: SIM115 - read once the process has ended
                running.append((subprocess.Popen(command, stdout=log, stderr=log, env=environment), log))
            failed = [log for process, log in running if process.wait()]
            for log in failed:
                log.seek(0)
                reason = (log.read().strip().splitlines() or ["no message"])[-1]
                raise ValueError(f"bagpipes failed ({reason}); install it with: pip install 'hf-galaxy[sim]'")


def stratified_rows(flux: Floats, n: int, seed: int = STRATA_SEED) -> np.ndarray:
    """(n,) galaxies of every brightness and type in turn: five ranges of i by the bluer and the redder half in g - i.

    Chosen from the observed fluxes (N, band) alone, among those with g and i. The first of a longer choice are the
    shorter choice.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        i, g = (AB_ZERO_NJY - 2.5 * np.log10(flux[:, BANDS.index(name)]) for name in ("iSDSS", "gSDSS"))
    known = np.flatnonzero(np.isfinite(g) & np.isfinite(i))
    bright = np.digitize(i[known], I_EDGES)
    rng, groups = np.random.default_rng(seed), []
    for b in range(len(I_EDGES) + 1):
        inside = known[bright == b]
        red = (g - i)[inside] > np.median((g - i)[inside]) if len(inside) else inside > 0
        groups.append([rng.permutation(inside[~red]), rng.permutation(inside[red])])
    in_turn = [groups[b][red] for b, red in TURNS]
    turns = [group[k] for k in range(max(map(len, in_turn))) for group in in_turn if k < len(group)]
    return np.array(turns[:n], dtype=int)


__all__ = ["COST", "BagpipesFits", "FitSettings", "stratified_rows"]
