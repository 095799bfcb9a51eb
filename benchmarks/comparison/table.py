"""The report of a comparison as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

BASIC = ("log_mstar", "log_age", "av", "log_zstar", "log_sfr")
UNITS = {"av": "mag", "ew": "Å"}
NONE = "–"


def markdown(report: Mapping[str, Any]) -> str:
    """All tables of a report of ``benchmarks.compare``."""
    data, metrics, model = report["data"], report["metrics"], report["model"]
    peers = metrics["peers"]
    parts = [
        f"# Our model beside its peers, size {model['size']}",
        f"{data['training_galaxies']:,} training galaxies ({data['sources']['train']}), the same for all, with survey"
        f" noise; {data['test_galaxies']:,} test galaxies ({data['sources']['test']}), i {data['i'][0]:.1f} to"
        f" {data['i'][1]:.1f}. The shipped checkpoint has learnt from more, as the table says. Means over"
        " seeds where there are several, ± their standard deviation.",
        _effort(peers),
    ]
    for noise in data["noise_of_test"] if peers else ():
        parts += [f"## Test noise: {noise}", _summary(peers, noise), _by_magnitude(peers, noise)]
        parts += [
            _properties(peers, noise),
            _calibration(peers, noise),
            _relative(metrics, noise),
            _widths(peers, noise),
        ]
    parts += [_few(key, one) for key, one in metrics["few"].items()]
    if metrics.get("absent"):
        parts.append("Peers without a result in this run: " + ", ".join(metrics["absent"]) + ".")
    if metrics.get("failed"):
        parts.append("## Failed\n\n" + "\n".join(f"- {who}: {why}" for who, why in metrics["failed"].items()))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _name(peer: Mapping[str, Any]) -> str:
    return peer["facts"][0]["name"]


def _number(value: float | None, form: str = ".4f") -> str:
    return NONE if value is None else format(value, form)


def _dig(tree: Any, *path: str) -> Any:
    for key in path:
        if not isinstance(tree, Mapping) or key not in tree:
            return None
        tree = tree[key]
    return tree


def _with_spread(found: Mapping[str, Any], path: Sequence[str], form: str) -> str:
    value, spread = _dig(found, *path), _dig(found, "spread", *path)
    return _number(value, form) + (f" ± {spread:{form}}" if value is not None and spread is not None else "")


def _effort(peers: Mapping[str, Any]) -> str:
    rows = []
    for peer in peers.values():
        facts, found = peer["facts"][0], peer["noise"]["nominal"]
        trained = "shipped" in facts["name"]
        rows.append(
            [
                facts["name"],
                _number(facts.get("parameters"), ","),
                _number(facts.get("seen"), ",.0f"),
                NONE if trained else _number(_training_seconds(facts), ",.0f"),
                _number(found["galaxies_per_processor_second"], ",.0f"),
                str(len(peer["facts"])),
                facts.get("note", ""),
            ]
        )
    head = ["peer", "parameters", "galaxies seen", "training, processor s", "answers, galaxies / processor s", "seeds"]
    return _table([*head, "what it is"], rows)


def _training_seconds(facts: Mapping[str, Any]) -> float:
    """Of a training that was resumed, the seconds of the galaxies after that stand for those of all."""
    return facts["fit_processor_seconds"] * (facts["seen"] / facts["timed"] if facts.get("timed") else 1)


def _summary(peers: Mapping[str, Any], noise: str) -> str:
    columns: list[tuple[str, Sequence[str], str]] = [
        ("σ_NMAD(z)", ("redshift", "all", "sigma_nmad"), ".4f"),
        ("bias(z)", ("redshift", "all", "bias"), "+.4f"),
        ("> 0.03", ("redshift", "all", "outliers_003"), ".1%"),
        ("> 0.15", ("redshift", "all", "outliers_015"), ".2%"),
        ("NLL", ("mean_nll",), ".3f"),
        ("CRPS", ("mean_crps_coordinate",), ".4f"),
        ("PIT deviation", ("mean_pit_deviation",), ".1%"),
        ("68 % holds", ("mean_coverage_68",), ".1%"),
    ]
    rows = []
    for peer in peers.values():
        found = peer["noise"][noise]
        rows.append([_name(peer), *(_with_spread(found, path, form) for _, path, form in columns)])
    text = (
        "NLL (nats), CRPS (both of the token coordinate), PIT deviation and coverage are means over the 12 properties."
    )
    return _table(["peer", *(c[0] for c in columns)], rows) + "\n\n" + text


def _by_magnitude(peers: Mapping[str, Any], noise: str) -> str:
    first = next(iter(peers.values()))["noise"][noise]["redshift"]["by_i"]
    rows = []
    for peer in peers.values():
        by_i = _dig(peer, "noise", noise, "redshift", "by_i") or {}
        rows.append([_name(peer), *(_photoz(by_i.get(bin_)) for bin_ in first)])
    head = [f"i {bin_} ({row['n']:,.0f})" for bin_, row in first.items()]
    return "σ_NMAD / bias / outliers > 0.03 / > 0.15 by i (galaxies):\n\n" + _table(["peer", *head], rows)


def _photoz(row: Mapping[str, Any] | None) -> str:
    if row is None or not row["n"]:
        return NONE
    return (
        f"{row['sigma_nmad']:.4f} / {row['bias']:+.4f} / {100 * row['outliers_003']:.1f} % /"
        f" {100 * row['outliers_015']:.1f} %"
    )


def _each(peers: Mapping[str, Any], noise: str, names: Sequence[str], cell: Callable[[Any], str]) -> list[list[str]]:
    return [
        [_name(peer), *(cell(_dig(peer, "noise", noise, "properties", name)) for name in names)]
        for peer in peers.values()
    ]


def _properties(peers: Mapping[str, Any], noise: str) -> str:
    def cell(row: Any) -> str:
        return NONE if row is None else f"{row['bias']:+.3f} ± {row['sigma_nmad']:.3f}"

    head = [f"{name} [{UNITS.get(name, 'dex')}]" for name in BASIC]
    return "Bias ± scatter (σ_NMAD of the residuals):\n\n" + _table(["peer", *head], _each(peers, noise, BASIC, cell))


def _calibration(peers: Mapping[str, Any], noise: str) -> str:
    def cell(row: Any) -> str:
        if row is None or "coverage_68" not in row:
            return NONE
        nll = f" / {row['nll']:.2f}" if row.get("nll") is not None else ""
        return f"{100 * row['pit_deviation']:.1f} / {100 * row['coverage_68']:.0f}{nll}"

    names = _names(peers, noise)
    return "PIT deviation in % / share of truths in the 68 % interval in % / NLL:\n\n" + _table(
        ["peer", *names], _each(peers, noise, names, cell)
    )


def _names(peers: Mapping[str, Any], noise: str) -> list[str]:
    return list(dict.fromkeys(name for peer in peers.values() for name in peer["noise"][noise]["properties"]))


def _relative(metrics: Mapping[str, Any], noise: str) -> str:
    relative = metrics["relative_crps"].get(noise)
    if not relative:
        return ""
    names = _names(metrics["peers"], noise)
    rows = [
        [_name(metrics["peers"][key]), *(_number(row.get(name), ".2f") for name in names)]
        for key, row in relative.items()
    ]
    return "CRPS over that of ours on the same galaxies (above 1: worse than ours):\n\n" + _table(
        ["peer", *names], rows
    )


def _widths(peers: Mapping[str, Any], noise: str) -> str:
    parts = ["Equivalent widths in Å by true width, bias ± scatter (galaxies in the head):"]
    for name in (name for name in _names(peers, noise) if name.startswith("ew_")):
        first = next(iter(peers.values()))["noise"][noise]["properties"][name]["by_width"]
        rows = []
        for peer in peers.values():
            by_width = _dig(peer, "noise", noise, "properties", name, "by_width") or {}
            rows.append(
                [
                    _name(peer),
                    *(
                        NONE if (row := by_width.get(b)) is None else f"{row['bias']:+.1f} ± {row['sigma_nmad']:.1f}"
                        for b in first
                    ),
                ]
            )
        head = [f"{bin_} ({row['n']:,.0f})" for bin_, row in first.items()]
        parts.append(_table([name, *head], rows))
    return "\n\n".join(parts)


def _few(key: str, one: Mapping[str, Any]) -> str:
    """A slow peer and all others on the galaxies that it had time for."""
    name = _name(one)
    facts = one["facts"][0]
    parts = [f"## {name}: {len(one['galaxies'])} galaxies", facts.get("note", "")]
    for noise, peers in one["noise"].items():
        rows = []
        for who, found in peers.items():
            cells = [_photoz(_dig(found, "redshift", "all"))]
            for prop in (*BASIC, "ew_halpha"):
                row = _dig(found, "properties", prop)
                cells.append(NONE if row is None else f"{row['bias']:+.3f} ± {row['sigma_nmad']:.3f}")
            cells.append(_number(_dig(found, "mean_coverage_68"), ".0%"))
            rows.append([name if who == key else who, *cells])
        head = ["peer", "z: σ_NMAD / bias / > 0.03 / > 0.15", *BASIC, "ew_halpha", "68 % holds"]
        seconds = 1 / peers[key]["galaxies_per_second"]
        parts.append(f"Test noise {noise}; {name} takes {seconds:.1f} s a galaxy.\n\n" + _table(head, rows))
    return "\n\n".join(part for part in parts if part)


__all__ = ["markdown"]
