"""Realism: can a classifier tell simulated `survey` galaxies from real ones of the same redshift and magnitude?

    HF_GALAXY_REAL_DATA=FOLDER python benchmarks/realism.py --sets galex,desi --plots FOLDER

The figure is the cross-validated AUC of boosted trees (0.5: cannot be told apart). Every set is cut into two fixed
halves: priors are tuned on *development* (the default), and the number that is reported comes from *test*.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness import REAL_DATA, RESULTS, machine_facts
from realism_sets import desi_ew, galex_sdss, plots, spectra_bands
from realism_sets.comparison import HALVES, Verdict, summary, tell_apart
from realism_sets.sample import Sample

from hf_galaxy.evaluation.report import assemble_report, write_report

SETS: dict[str, tuple[str, Callable[..., list[Sample]]]] = {
    "galex": (galex_sdss.FOLDER, galex_sdss.samples),
    "desi": (desi_ew.FOLDER, desi_ew.samples),
    **{name: (source.folder, partial(spectra_bands.samples, name)) for name, source in spectra_bands.SOURCES.items()},
}
TARGET = 0.70  # AUC


def main(argv: list[str] | None = None) -> None:
    given = _parse(argv)
    root = os.environ.get(REAL_DATA)
    if not root:
        raise ValueError(f"set {REAL_DATA} to the folder of the real data, which holds {', '.join(_folders())}")
    metrics, skipped = {}, []
    for name in given.sets:
        folder, samples = SETS[name]
        if not (Path(root) / folder).is_dir():
            print(f"skipped {name}: no folder {folder}/ in ${REAL_DATA}")
            skipped.append(name)
            continue
        start = time.perf_counter()
        for sample in samples(Path(root), given.half, given.most, given.seed, given.settings):
            verdict = tell_apart(sample.real, sample.simulated, sample.pair, sample.matched_on, given.seed)
            metrics[sample.name] = measured(sample, verdict)
            print_sample(sample, verdict, metrics[sample.name])
            if given.plots:
                plots.draw(sample, verdict, given.half, given.plots)
        print(f"{name}: {time.perf_counter() - start:.0f} s\n")
    if not metrics:
        raise ValueError(f"no set could be read: ${REAL_DATA} holds none of {', '.join(_folders())}")
    data = {
        "half": given.half,
        "real_galaxies_at_most": given.most,
        "seed": given.seed,
        "settings": given.settings or "default",
        "skipped": skipped,
        "folder": f"${REAL_DATA}",
    }
    model = {"simulation": "survey population of hf_galaxy.physics", "target_auc": TARGET}
    write_report(given.out, assemble_report(model=model, data=data, machine=machine_facts(), metrics=metrics))


def _folders() -> list[str]:
    return [folder for folder, _ in SETS.values()]


def _parse(argv: Sequence[str] | None) -> Any:
    import argparse

    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sets", type=_names, default=list(SETS), help=f"of {','.join(SETS)}; all by default")
    arguments.add_argument("--half", choices=HALVES, default=HALVES[0], help="test only for the reported number")
    arguments.add_argument("--most", type=int, default=2000, help="real galaxies of a comparison at most")
    arguments.add_argument("--seed", type=int, default=1, help="of simulation, noise, matching and folds")
    arguments.add_argument(
        "--settings", type=json.loads, default={}, help='changes to the simulation, JSON: {"dust": {"av_scatter": 0.2}}'
    )
    arguments.add_argument("--plots", type=Path, help="folder for figures")
    arguments.add_argument("--out", type=Path, default=RESULTS / "realism.json", help="result as JSON")
    return arguments.parse_args(argv)


def _names(text: str) -> list[str]:
    """Sets by name.

    Raises:
        ValueError: No such set.
    """
    import argparse

    names = text.split(",")
    unknown = [name for name in names if name not in SETS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no set {unknown[0]!r}; there are {', '.join(SETS)}")
    return names


def measured(sample: Sample, verdict: Verdict) -> dict[str, Any]:
    """One comparison as plain numbers."""
    return {
        "auc": verdict.auc,
        "auc_error": verdict.auc_error,
        "matching_auc": verdict.matching_auc,
        "real": len(sample.pair[0]),
        "simulated": len(sample.pair[1]),
        "matched_on": sample.matched_on,
        "simulated_passive": float(sample.truth["passive"].mean()),
        "notes": sample.notes,
        "features": {
            name: {
                "auc_alone": verdict.single[name],
                "importance": verdict.importance[name],
                **summary(sample.real[name], sample.simulated[name]),
            }
            for name in sample.evidence
        },
    }


def print_sample(sample: Sample, verdict: Verdict, numbers: dict[str, Any]) -> None:
    """The figure, and the features from the most telling to the least."""
    print(
        f"== {sample.name}: AUC {verdict.auc:.3f} ± {verdict.auc_error:.3f} ({numbers['real']} real,"
        f" {numbers['simulated']} simulated, {numbers['simulated_passive']:.0%} passive; redshift and magnitude alone"
        f" {verdict.matching_auc:.3f})"
    )
    print(f"   {'feature':20s} {'alone':>6} {'import.':>8}   {'real':>15}   {'simulated':>15}")
    for name in sorted(sample.evidence, key=lambda name: -verdict.single[name]):
        row = numbers["features"][name]
        ranges = (f"{row[f'{side}_median']:7.3f} ± {row[f'{side}_spread']:5.3f}" for side in ("real", "simulated"))
        print(f"   {name:20s} {row['auc_alone']:6.3f} {row['importance']:8.3f}   {'   '.join(ranges)}")
    if sample.notes.get("cloud", {}).get("galaxies"):
        print_cloud(sample.notes["cloud"])


def print_cloud(cloud: dict[str, Any]) -> None:
    """How many real galaxies are outside the cloud of simulated ones, and which."""
    print(
        f"   nearest neighbours: {cloud['outside_99']:.0%} of {cloud['galaxies']} beyond 99 % of the simulated ones"
        f" (median rank {cloud['median_rank']:.2f}); without neighbours: {len(cloud['without_neighbours'])}"
    )
    for row in cloud["worst"][:5]:
        print(
            f"      {row['id']} {row['kind']} z {row['redshift']:.3f}: {row['excess']:.1f} times the usual distance,"
            f" rank {row['rank']:.3f}, {row['worst_band']} {row['difference']:+.2f} mag"
        )


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"realism.py: {error}")
