"""Which columns of a user's table mean what: bands, their errors, properties, the rest.

A column belongs to a variable if it has its name, exactly. A name that merely looks like that of a band is refused:
ignoring it would drop evidence, guessing might misread it.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

ERROR_SUFFIX = "_err"
SPECTROSCOPIC_REDSHIFT = "redshift_spec"

_EPOCH = r"(?!1950|2000|2015|2016)"  # ra_J2000 is no band
_BAND_LIKE = re.compile(rf"j{_EPOCH}\d+[a-z]?|fuv|nuv|[a-z](sdss|java|jpas)", re.IGNORECASE)
_BAND_WITHIN = re.compile(
    rf"(?<![a-z0-9])(j{_EPOCH}\d{{4}}|fuv|nuv|[a-z](?:sdss|java|jpas))(?![a-z0-9])", re.IGNORECASE
)
_NOT_EVIDENCE = re.compile(r"true_.*|.*_p\d\d?(_\d+)?")  # the truth of a simulation; quantiles that `predict` wrote


def check_duplicates(names: Sequence[str], known: Iterable[str], source: str) -> None:
    """Refuse a name that stands twice, and two spellings of a known name that differ in case alone.

    Raises:
        ValueError: Naming the columns.
    """
    for name, count in Counter(names).items():
        if count > 1:
            columns = [i for i, other in enumerate(names) if other == name]
            raise ValueError(f"{source}: {count} columns are named {name} (columns {columns}); keep one of them")
    ours = {form.casefold() for name in known for form in (name, name + ERROR_SUFFIX)}
    spellings: dict[str, str] = {}
    for name in names:
        other = spellings.setdefault(name.casefold(), name)
        if other != name and name.casefold() in ours:
            raise ValueError(f"{source}: columns {other} and {name} differ in case alone; keep one of them")


def check_band_names(
    names: Sequence[str], bands: Sequence[str], source: str, read: Sequence[str] = (), used: Collection[str] = ()
) -> None:
    """Refuse columns that look like a band and are none.

    Args:
        names: The columns.
        bands: Names of all bands.
        source: For messages.
        read: Bands that are read from columns of other names.
        used: Those columns.

    Raises:
        ValueError: Naming the column and the nearest band.
    """
    present = {*names, *read}
    for name in names:
        stem = name.removesuffix(ERROR_SUFFIX)
        if stem in bands or name in used or _NOT_EVIDENCE.fullmatch(name):
            continue
        within = _BAND_WITHIN.search(name)
        if _BAND_LIKE.fullmatch(stem) or (within and nearest(within[1], bands) not in present):
            close = nearest(within[1] if within else stem, bands)
            suffix = ERROR_SUFFIX if stem != name else ""
            raise ValueError(
                f"{source}: column {name} looks like a band, and no band has that name; the nearest is {close}: "
                f"rename the column {close}{suffix}, or drop it"
            )


def nearest(name: str, candidates: Sequence[str]) -> str:
    """The candidate spelled most like ``name``, whatever the case."""
    folded = {candidate.casefold(): candidate for candidate in reversed(candidates)}
    match = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.0)
    return folded[match[0]]


def property_column(name: str, columns: Sequence[str], source: str) -> str:
    """The column that holds a property asked for as evidence: its own, or ``redshift_spec`` for the redshift.

    Raises:
        ValueError: There is none.
    """
    wanted = [name, *([SPECTROSCOPIC_REDSHIFT] if name == "redshift" else [])]
    found = [column for column in wanted if column in columns]
    if not found:
        raise ValueError(f"{source}: {name} is to be given, and there is no column {' or '.join(wanted)}")
    return found[0]
