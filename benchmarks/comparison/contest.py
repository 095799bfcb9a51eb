"""Peers learn and answer, in processes of their own, one thread each; what they said is kept."""

from __future__ import annotations

import hashlib
import multiprocessing
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch

import hf_galaxy
from benchmarks.comparison import cache
from benchmarks.comparison.answers import Answers, Peer
from benchmarks.comparison.contenders import CONTENDERS, SIZES
from benchmarks.comparison.galaxies import NOISE, Galaxies, load, training_noise
from hf_galaxy.physics.noise import Observation

PACKAGE = Path(hf_galaxy.__file__).parent


@dataclass(frozen=True)
class Plan:
    """One comparison.

    Attributes:
        size: Name of the size.
        train, test: Folders of galaxies; ``None`` is the simulator.
        folder: Where results are kept.
    """

    size: str
    train: str | None
    test: str | None
    folder: Path

    @property
    def sources(self) -> dict[str, str | None]:
        """Folder by split."""
        return {"train": self.train, "test": self.test}

    def galaxies(self) -> Galaxies:
        """The galaxies of all."""
        return load(self.sources, {"train": SIZES[self.size].train, "test": SIZES[self.size].test})


def run(plan: Plan, peers: Sequence[str], seeds: Sequence[int], processes: int) -> dict[str, str]:
    """Run what is not there yet; returns what went wrong, by peer and seed.

    A peer that fails does not stop the others.
    """
    galaxies = plan.galaxies()
    digest = galaxies.identity()
    due = [(key, seed) for seed in seeds for key in peers if not result_file(plan, key, seed, digest).exists()]
    print(f"{len(peers) * len(seeds) - len(due)} results are there, {len(due)} to do", flush=True)
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(processes) as pool:
        jobs = {pool.submit(_alone, plan, key, seed, digest): (key, seed) for key, seed in due}
        for job in as_completed(jobs):
            key, seed = jobs[job]
            try:
                print(f"{key}, seed {seed}: {job.result():.0f} s", flush=True)
            except Exception as error:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                failed[f"{key}, seed {seed}"] = reason
                print(f"{key}, seed {seed}: failed: {reason}", flush=True)
    return failed


def _alone(plan: Plan, key: str, seed: int, digest: str) -> float:
    """``run_one`` in a process of its own: nobody else is hurt if the system kills it for its memory.

    Raises:
        ValueError: It was killed.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(run_one, plan, key, seed, digest).result()
        except BrokenProcessPool:
            raise ValueError("its process was killed; if for lack of memory, run fewer --processes") from None


def result_file(plan: Plan, key: str, seed: int | str, digest: str) -> Path:
    """Where the result of a peer is kept; ``seed="*"`` gives a pattern of all seeds."""
    size = SIZES[plan.size]
    peer = CONTENDERS[key](size, plan.folder / "none")
    decides = {"shipped": _checkpoint, "ours": learning_code, "ours_passes": learning_code}.get(key, str)()
    version = cache.version_of(peer, digest, decides)
    return plan.folder / f"{key}-{plan.size}-seed{seed}-{version}.npz"


def results(plan: Plan, key: str, digest: str) -> list[cache.Outcome]:
    """All runs of a peer that are there, by seed."""
    pattern = result_file(plan, key, "*", digest)
    return [cache.read(path) for path in sorted(pattern.parent.glob(pattern.name))]


def run_one(plan: Plan, key: str, seed: int, digest: str) -> float:
    """One peer from nothing to its result; the wall time."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    galaxies, size = plan.galaxies(), SIZES[plan.size]
    file = result_file(plan, key, seed, digest)
    peer = CONTENDERS[key](size, file.with_suffix(""))
    cache.write(file, contest(peer, galaxies, seed))
    return time.perf_counter() - start


def contest(peer: Peer, galaxies: Galaxies, seed: int) -> cache.Outcome:
    """Fit, and predict under each noise."""
    wall, processor = time.perf_counter(), _processor_seconds()
    peer.fit(galaxies.train, training_noise().observe, seed)
    facts = {
        "name": peer.name,
        "seed": seed,
        "galaxies": len(galaxies.train),
        "fit_seconds": time.perf_counter() - wall,
        "fit_processor_seconds": _processor_seconds() - processor,
    }
    told = {noise: _ask(peer, galaxies, noise) for noise in NOISE}
    return cache.Outcome(facts | peer.facts, told)


def _ask(peer: Peer, galaxies: Galaxies, noise: str) -> cache.Told:
    n = len(galaxies.test) if peer.limit is None else min(peer.limit, len(galaxies.test))
    observation = Observation(*(x[:n] for x in galaxies.observed(noise)))
    processor = _processor_seconds()
    answers: Answers = peer.predict(observation)
    processor = _processor_seconds() - processor
    truth = {name: values[:n] for name, values in galaxies.truth.items()}
    log_prob = answers.log_prob(truth) if answers.log_prob else {}
    quantiles = {name: q for name in answers.names if (q := answers.quantiles.get(name)) is not None}
    return cache.Told(answers.point, quantiles, log_prob, answers.seconds, processor)


def _processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _checkpoint() -> str:
    return hashlib.sha256((PACKAGE / "checkpoint" / "model.safetensors").read_bytes()).hexdigest()


def learning_code(package: Path = PACKAGE) -> str:
    """Digest of what decides how our model learns: its own files, the questions, and the training."""
    digest = hashlib.sha256()
    for pattern in ("*_galaxy.py", "data/conditioning.py", "training/*.py"):
        for file in sorted(package.glob(pattern)):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


__all__ = ["Plan", "contest", "result_file", "results", "run", "run_one"]
