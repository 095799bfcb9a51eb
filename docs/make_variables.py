"""The page `variables.md` from the table of variables: `python docs/make_variables.py`; a test holds them together."""

from __future__ import annotations

from pathlib import Path

from hf_galaxy import GalaxyPosterior
from hf_galaxy.variables_galaxy import Variable, default_variables

PAGE = Path(__file__).with_name("variables.md")
HEAD = """# Variables

Everything that can be given or asked. *Seen* is the range of the known values in the training of the shipped checkpoint
(`config.json`, `training.ranges`); evidence beyond it is counted in `n_extrapolated`. The transform is that of
[the method](method.md): softening, centre and scale turn a value into a coordinate.

This page is written by `python docs/make_variables.py`.
"""
TRANSFORM = {"linear": "x", "asinh": "arsinh(x/s)", "log1p": "ln(1 + x)"}


def page() -> str:
    """The whole page."""
    variables = {v.name: v for v in default_variables()}
    seen = (GalaxyPosterior.from_pretrained().model.config.training or {}).get("ranges", {})
    kinds = {kind: [v for v in variables.values() if v.kind == kind] for kind in ("property", "category")}
    parts = [HEAD, "## Properties\n", _properties(kinds["property"], seen)]
    parts += [f"## Categories\n\n{_categories(kinds['category'])}"]
    parts += ["## Bands\n", _bands([v for v in variables.values() if v.kind == "flux"])]
    return "\n".join(parts)


def _properties(variables: list[Variable], seen: dict[str, list[float]]) -> str:
    rows = ["| name | meaning | unit | seen | transform | softening s | centre | scale |", "|---" * 8 + "|"]
    for v in variables:
        low, high = seen.get(v.name, (None, None))
        found = "" if low is None else f"{low:.3g} to {high:.3g}"
        rows.append(
            f"| `{v.name}` | {v.description} | {v.unit} | {found} | {TRANSFORM[v.transform]} | {v.softening:g} "
            f"| {v.center:g} | {v.scale:g} |"
        )
    return "\n".join(rows) + "\n"


def _categories(variables: list[Variable]) -> str:
    return "".join(f"- `{v.name}`, {v.description}: {', '.join(f'`{c}`' for c in v.categories)}\n" for v in variables)


def _bands(variables: list[Variable]) -> str:
    one = variables[0]
    text = (
        f"AB flux densities in {one.unit}; {TRANSFORM[one.transform]} with softening {one.softening:g} and scale "
        f"{one.scale:g} for all. The wavelength is the pivot, the width the full width at half maximum of the total "
        "throughput, in Å. Bands of one patch share a token of the encoder.\n"
    )
    rows = ["| name | pivot | width | patch |", "|---|---|---|---|"]
    for v in sorted(variables, key=lambda v: v.pivot or 0.0):
        rows.append(f"| `{v.name}` | {v.pivot:g} | {v.width:g} | {'' if v.patch is None else v.patch} |")
    return text + "\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
