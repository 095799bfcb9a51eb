"""Reports to tables in documents: text between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` comes from JSON.

So a figure in a README or a model card cannot drift from the result that it is of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

MARK = re.compile(r"<!-- begin ([\w-]+) -->\n(.*?)<!-- end \1 -->", re.DOTALL)
LOOSE = re.compile(r"<!-- (?:begin|end) ([\w-]+) -->")
NOISE = {
    "nominal": "assumed depths, perfect calibration",
    "as_trained": "as trained: calibration errors, wrong errors, outliers, missing bands, varying depths",
}
IN_COORDINATE = ("ew_", "flux_")  # of a range so wide that scatter is told in the token coordinate


class ReportTable(NamedTuple):
    """A table of a document.

    Attributes:
        marker: Name between the markers.
        report: Name of the JSON report.
        render: From the report to Markdown.
    """

    marker: str
    report: str
    render: Callable[[Mapping[str, Any]], str]


def markers(text: str, where: str) -> list[str]:
    """Names of the marked places of a document.

    Raises:
        ValueError: A marker has no partner, or comes twice.
    """
    found = [match.group(1) for match in MARK.finditer(text)]
    for name in LOOSE.findall(text):
        if found.count(name) != 1 or LOOSE.findall(text).count(name) != 2:
            raise ValueError(f"{where}: markers of {name} must come once, as begin and then end, each on its own line")
    return found


def filled(text: str, tables: Mapping[str, str], where: str) -> str:
    """The document with each marked place filled by the table of its name.

    Raises:
        ValueError: A place has no table, or its markers are broken.
    """
    for name in markers(text, where):
        if name not in tables:
            raise ValueError(f"{where}: no table is named {name}; there are {', '.join(sorted(tables))}")
    return MARK.sub(lambda m: f"<!-- begin {m[1]} -->\n{tables[m[1]].strip()}\n<!-- end {m[1]} -->", text)


def contents(text: str) -> dict[str, str]:
    """What the marked places of a document hold."""
    return {match.group(1): match.group(2).strip() for match in MARK.finditer(text)}


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header), *(f"| {' | '.join(row)} |" for row in rows)]
    return re.sub(r"\|  \|", "| |", "\n".join(lines))


def redshift_table(report: Mapping[str, Any]) -> str:
    """σ_NMAD / share beyond 0.15 by magnitude, a row a kind of noise, of ``accuracy.json`` or ``metrics.json``."""
    kinds = report["metrics"]
    bins = list(next(iter(kinds.values()))["redshift"]["by_i"])
    rows = []
    for kind, metrics in kinds.items():
        cells = [_cell(metrics["redshift"]["by_i"][name]) for name in bins]
        rows.append([NOISE.get(kind, kind), *cells, _cell(metrics["redshift"]["all"], bold=True)])
    labels = [name.replace("-", "–") for name in bins]
    return markdown(["noise", f"i {labels[0]}", *labels[1:], "all"], rows)


def _cell(row: Mapping[str, Any], bold: bool = False) -> str:
    if not row["n"]:
        return "–"
    star = "**" if bold else ""
    return f"{star}{row['sigma_nmad']:.4f}{star} / {row['outliers_015']:.1%}"


def property_table(report: Mapping[str, Any]) -> str:
    """Scatter, NLL, CRPS and calibration of every property under one kind of noise, and calibration under a second."""
    (first, main), *others = _kinds(report)
    second = others[0] if others else None
    rows = []
    for name, a in main["properties"].items():
        wide = name.startswith(IN_COORDINATE)
        scatter = f"{a['sigma_nmad_coordinate']:.3f} (coordinate)" if wide else f"{a['sigma_nmad']:.3f}"
        b = second[1]["properties"][name] if second else a
        numbers = [f"{a['nll']:.2f}", f"{a['crps_coordinate']:.3f}", f"{a['pit_deviation']:.3f}"]
        numbers += [f"{b['pit_deviation']:.3f}"] if second else []
        rows.append([f"`{name}`", scatter, *numbers, f"{b['coverage_68']:.2f}"])
    calibration = [f"PIT deviation, {first}"]
    if second:
        calibration.append(f"PIT deviation, {second[0]}")
    calibration.append(f"68 % holds, {second[0] if second else first}")
    return markdown(["property", "scatter", "NLL", "CRPS", *calibration], rows)


def joint_table(report: Mapping[str, Any]) -> str:
    """What joint draws are worth, a column a kind of noise."""
    kinds = {name: metrics["joint"] for name, metrics in _kinds(report)}
    columns = list(kinds.values())
    rows: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "TARP, largest deviation": lambda c: _per_cent(c["tarp_deviation"])
    }
    for name in columns[0]["sbc_independent"]:
        label = f"rank of {name.replace(' - ', ' − ')}, largest deviation (pairing broken)"
        rows[label] = lambda c, name=name: (
            f"{_per_cent(c['sbc'][name]['deviation'])} ({_per_cent(c['sbc_independent'][name]['deviation'])})"
        )
    rows |= {
        "correlation of the residuals of redshift and mass, observed (by joint draws, 99 %)": lambda c: (
            "{observed:.2f} ({lower:.2f} to {upper:.2f})".format(**c["correlation"]["redshift, log_mstar"])
        ),
        "pairs of properties whose residuals correlate outside these 99 %": lambda c: (
            f"{sum(map(_outside, c['correlation'].values()))} of {len(c['correlation'])}"
        ),
        "Hα/Hβ more than 5 % below case B: joint draws / marginals / truth": lambda c: " / ".join(
            _per_cent(c["balmer"][kind]) for kind in ("joint", "independent", "truth")
        ),
        "class of the lines right": lambda c: _per_cent(c["bpt"]["accuracy"]),
        "its Brier score (if calibrated / from frequencies alone)": lambda c: (
            "{brier:.3f} ({expected_brier:.3f} / {brier_of_frequencies:.3f})".format(**c["bpt"])
        ),
    }
    return markdown(["joint draws", *kinds], [[k, *map(show, columns)] for k, show in rows.items()])


def accuracy_text(report: Mapping[str, Any]) -> str:
    """The figures that prose beside the tables quotes."""
    kinds = dict(_kinds(report))
    if not kinds.keys() >= {"nominal", "as trained"}:
        raise ValueError(f"the report is of {', '.join(kinds)}; this text needs nominal and survey noise")
    nominal, trained = kinds["nominal"], kinds["as trained"]
    scatter = {name: row["sigma_nmad"] for name, row in nominal["properties"].items()}
    deviation = {name: row["pit_deviation"] for name, row in trained["properties"].items()}
    worst, close = max(deviation, key=deviation.get), sum(value <= 0.02 for value in deviation.values())
    joint, balmer = trained["joint"], trained["joint"]["balmer"]
    return (
        f"At the assumed depths σ(log M*) is {scatter['log_mstar']:.2f} dex, σ(A_V) {scatter['av']:.2f} mag, "
        f"σ(log age) {scatter['log_age']:.2f} dex, σ(log SFR) {scatter['log_sfr']:.2f} dex (NMAD over all, down to "
        f"i = 22.5). Under the noise of the training the PIT of {close} of {len(deviation)} properties stays within "
        f"2 % of uniform; `{worst}` deviates most, by {_per_cent(deviation[worst])}. 68 % intervals of the redshift "
        f"hold {100 * trained['properties']['redshift']['coverage_68']:.0f} %. Joint draws: TARP deviates by "
        f"{_per_cent(joint['tarp_deviation'])}; Hα/Hβ lies more than 5 % below case B (2.86) in "
        f"{_per_cent(balmer['joint'])} of the joint draws, in {_per_cent(balmer['independent'])} of draws from the "
        f"marginals, in {_per_cent(balmer['truth'])} of the truths."
    )


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _outside(one: Mapping[str, float]) -> bool:
    return not one["lower"] <= one["observed"] <= one["upper"]


def _kinds(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Name and metrics of each kind of noise, the assumed depths first, that of the training second."""
    names = {"nominal": "nominal", "as_trained": "as trained", "survey": "as trained"}
    kinds = report["metrics"]
    known = [kind for kind in names if kind in kinds]
    return [(names.get(kind, f"noise {kind}"), kinds[kind]) for kind in (*known, *(k for k in kinds if k not in names))]


__all__ = [
    "ReportTable",
    "accuracy_text",
    "contents",
    "filled",
    "joint_table",
    "markdown",
    "markers",
    "property_table",
    "redshift_table",
]
