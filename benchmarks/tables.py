"""Fill the tables of README.md and model_card.md from benchmarks/results/*.json.

    python -m benchmarks.tables            (--check: change nothing, exit 1 where a document differs)

A table goes where a document has its markers, <!-- begin NAME --> and <!-- end NAME -->. For one more table, add one
more ``ReportTable(marker, report, render)`` to ``TABLES``. Size and training of the model card are told by the shipped
checkpoint; its other places are filled when a model is published, and left as they are here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hf_galaxy.checkpoints import SHIPPED, WEIGHTS, load_pretrained
from hf_galaxy.evaluation.report import read_report
from hf_galaxy.evaluation.tables import (
    ReportTable,
    accuracy_text,
    contents,
    filled,
    joint_table,
    markdown,
    markers,
    property_table,
    redshift_table,
)
from hf_galaxy.publishing.card import PLACES, size_text, training_text

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENTS = ("README.md", "model_card.md")


def real_spectra_table(report: Mapping[str, Any]) -> str:
    """Redshifts of real galaxies, of ``real_spectra.json``."""
    sdss, fors2 = report["metrics"]["sdss"], report["metrics"]["fors2"]
    correlation = f"rank correlation of EW(Hα) with the catalogue {sdss['spearman_ew_halpha']:.2f}"
    wanted = f"wanted: σ_NMAD {fors2['wanted']['sigma_nmad']}, {100 * fors2['wanted']['outliers_015']:.0f} %"
    samples = {
        "SDSS spectra": (sdss, correlation, ".0%"),
        "FORS2 spectra, 0.05 < z < 0.5, scaled to r = 20.5": (fors2, wanted, ".1%"),
    }
    rows = [
        [
            name,
            str(m["n"]),
            f"{m['median_abs_scaled_error']:.4f}",
            f"{m['sigma_nmad']:.4f}",
            format(m["outliers_015"], share),
            f"{m['coverage_68']:.0%}",
            note,
        ]
        for name, (m, note, share) in samples.items()
    ]
    return markdown(["", "n", r"median \|Δz\|/(1+z)", "σ_NMAD", "beyond 0.15", "inside 68 %", ""], rows)


TABLES = (
    ReportTable("accuracy", "accuracy.json", redshift_table),
    ReportTable("accuracy-text", "accuracy.json", accuracy_text),
    ReportTable("properties", "accuracy.json", property_table),
    ReportTable("joint", "accuracy.json", joint_table),
    ReportTable("real-spectra", "real_spectra.json", real_spectra_table),
)


def rendered(names: Sequence[str], results: Path = RESULTS, tables: Sequence[ReportTable] = TABLES) -> dict[str, str]:
    """Marker to Markdown of the tables asked for.

    Raises:
        ValueError: A table is unknown, or its report is missing or lacks what the table shows.
    """
    known = {table.marker: table for table in tables}
    made = {}
    for name in names:
        if name not in known:
            raise ValueError(f"no table is named {name}; there are {', '.join(known)}")
        path = results / known[name].report
        if not path.exists():
            raise ValueError(f"{path}: no such report; table {name} is made of it, run the benchmark that writes it")
        try:
            made[name] = known[name].render(read_report(path))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: lacks {error}, which table {name} shows; run the benchmark again") from None
    return made


@cache
def shipped_places() -> dict[str, str]:
    """What the shipped checkpoint tells of itself."""
    model, _ = load_pretrained()
    parameters = sum(p.numel() for p in model.parameters())
    size = size_text(model.config, parameters, (SHIPPED / WEIGHTS).stat().st_size)
    return {"size": size, "training": training_text(model.config)}


def stale(root: Path = ROOT, results: Path = RESULTS, tables: Sequence[ReportTable] = TABLES) -> dict[Path, str]:
    """Documents that differ from the reports, and what they should be."""
    differing = {}
    for name in DOCUMENTS:
        path = root / name
        text = path.read_text(encoding="utf-8")
        known = {table.marker for table in tables}
        kept = {place: held for place, held in contents(text).items() if place in PLACES and place not in known}
        kept |= {place: told for place, told in shipped_places().items() if place in kept}
        made = rendered([place for place in markers(text, name) if place not in kept], results, tables)
        wanted = filled(text, {**kept, **made}, name)
        if wanted != text:
            differing[path] = wanted
    return differing


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--check", action="store_true", help="change nothing; exit 1 if a document differs")
    check = arguments.parse_args(argv).check
    try:
        differing = stale()
    except (ValueError, OSError) as error:
        print(f"tables: {error}", file=sys.stderr)
        return 2
    for path, text in differing.items():
        if not check:
            path.write_text(text, encoding="utf-8")
        print(f"{path.name}: {'differs from its reports; run python -m benchmarks.tables' if check else 'filled'}")
    return int(check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
