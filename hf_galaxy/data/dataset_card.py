"""The card of a data set: a README for people, whose header tells ``load_dataset`` which files are which split."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Features, List, Value
from huggingface_hub import DatasetCardData

from ..variables_galaxy import BANDS, PROPERTIES, SURVEYS, default_variables
from .shards import SETTINGS_FILE, SKIPPED_FILE, public_facts, whole_file

CARD_FILE = "README.md"
PLACEHOLDER = "FOLDER_OR_ORG/NAME"  # in the code of the card, until the data set has a name
TAGS = ("hf_galaxy", "astronomy", "galaxies", "photometry", "j-pas", "galex")
# Column: (unit, meaning).
COLUMNS = {
    "row": ("", "number of the galaxy; a row depends on settings, seed and this number alone"),
    "id": ("", "name of the galaxy, unique together with `draw`"),
    "draw": ("", "0 for the galaxy as it was observed; 1, 2, … for the same one moved to other redshifts"),
    "ra": ("deg", "right ascension, ICRS; NaN is unknown"),
    "dec": ("deg", "declination, ICRS; NaN is unknown"),
    "flux": ("nJy", "AB flux densities, in the order of the bands below; NaN is not observed"),
    "flux_error": ("nJy", "1σ errors of `flux`; NaN where the band is not observed"),
    "extrapolated": ("", "the flux is that of a template beyond the spectrum, and its error says so too"),
    "properties": ("see below", "in the order of the properties below; NaN is unknown"),
    "property_error": ("see below", "1σ errors of `properties`; 0 is exact"),
    "survey": ("", f"simulation or instrument: {', '.join(SURVEYS)}"),
    "noisy": ("", "the fluxes hold all the noise of a survey; False: training adds the noise of one"),
    "source": ("", "where fluxes and labels come from, comma-separated"),
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(
    out: str | Path,
    *,
    title: str,
    features: Features,
    facts: Mapping[str, Any],
    description: str,
    licence: str,
    acknowledgements: Sequence[str],
    sizes: Mapping[str, int],
) -> Path:
    """Write ``README.md`` beside the shards; the same arguments give the same bytes.

    Args:
        out: Folder with files named ``<split>-….parquet``, or ``<name>-<split>….parquet`` as ``datasets`` does.
        title: Name for people.
        features: Columns.
        facts: As given to ``write_shards``: version, settings, sources.
        description: What the data are and how they came to be; Markdown.
        licence: Identifier that the Hub knows, such as ``apache-2.0``, ``cc-by-4.0`` or ``other``.
        acknowledgements: A line for each source that asks for one.
        sizes: Rows of each split.

    Raises:
        ValueError: a split has no file.
    """
    out = Path(out)
    for split in sizes:
        if not any(out.glob(f"*{split}*.parquet")):
            raise ValueError(f"{out}: no file {split}….parquet for the split {split!r}")
    sections = [
        f"---\n{_header(title, licence, sizes)}---\n\n# {title}\n\n{description.strip()}\n",
        _use(sizes),
        _columns(features),
        _variables(),
        "## Settings\n\nWhat the data were made with "
        f"(`{SETTINGS_FILE}`); rows that could not be used, if any, are in `{SKIPPED_FILE}` with their reasons.\n\n"
        f"```json\n{json.dumps(public_facts(facts), indent=2, ensure_ascii=False)}\n```\n",
    ]
    if acknowledgements:
        sections.append("## Acknowledgements\n\n" + "".join(f"- {line}\n" for line in acknowledgements))
    path = out / CARD_FILE
    with whole_file(path) as temporary:
        temporary.write_text("\n".join(sections), encoding="utf-8")
    return path


def _header(title: str, licence: str, sizes: Mapping[str, int]) -> str:
    files = [{"split": split, "path": f"*{split}*.parquet"} for split in sizes]
    total = sum(sizes.values())
    size = next((name for limit, name in _SIZES if total < limit), "1M<n<10M" if total < 10_000_000 else "n>10M")
    data = DatasetCardData(
        pretty_name=title,
        license=licence,
        task_categories=["tabular-regression"],
        size_categories=[size],
        tags=list(TAGS),
        configs=[{"config_name": "default", "data_files": files}],
    )
    return data.to_yaml() + "\n"


def _use(sizes: Mapping[str, int]) -> str:
    rows = "".join(f"| `{split}` | {n:,} |\n" for split, n in sizes.items())
    first = next(iter(sizes), "train")
    return (
        f"| split | rows |\n|---|---|\n{rows}\n```python\nfrom datasets import load_dataset\n\n"
        f'galaxies = load_dataset("{PLACEHOLDER}", split="{first}")            # all of it\n'
        f'stream = load_dataset("{PLACEHOLDER}", split="{first}", streaming=True)  # as it is needed\n'
        f"```\n\nor `train.py --data {PLACEHOLDER}` of hf_galaxy.\n"
    )


def _columns(features: Features) -> str:
    rows = [
        f"| `{name}` | {_kind(kind)} | {unit} | {meaning} |\n"
        for name, kind in features.items()
        for unit, meaning in [COLUMNS.get(name, ("", ""))]
    ]
    return "## Columns\n\n| column | type | unit | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _kind(feature: Any) -> str:
    if isinstance(feature, List):
        return (
            f"{_kind(feature.feature)} × {feature.length}" if feature.length >= 0 else f"{_kind(feature.feature)} × n"
        )
    if isinstance(feature, ClassLabel):
        return "class label"
    return feature.dtype if isinstance(feature, Value) else str(feature)


def _variables() -> str:
    """The elements of the vectors: bands with their pivots, properties with their units."""
    known = {v.name: v for v in default_variables()}
    bands = ", ".join(f"{name} ({known[name].pivot:.0f})" for name in BANDS)
    rows = [
        f"| {i} | `{name}` | {known[name].unit} | {known[name].description} |\n" for i, name in enumerate(PROPERTIES)
    ]
    return (
        f"## Bands\n\nIn the order of `flux`, with pivot wavelengths in Å: {bands}.\n\n"
        "## Properties\n\nIn the order of `properties`. Masses and rates of simulated galaxies are those of a Kroupa "
        "(2001) initial mass function, those of catalogues of a Chabrier (2003) one, 0.03 dex lower.\n\n"
        "| | name | unit | meaning |\n|---|---|---|---|\n" + "".join(rows)
    )


__all__ = ["CARD_FILE", "PLACEHOLDER", "write_card"]
