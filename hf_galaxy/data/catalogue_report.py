"""What was read of a catalogue, and what was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

LISTED = 6  # names of ignored columns in a report


@dataclass(frozen=True)
class CatalogueReport:
    """What was read, and what was not.

    Attributes:
        ignored: Columns that are no evidence.
        not_given: Columns of properties that would be evidence if they were given.
        sentinels: Column of magnitudes to the number of its 99s and -99s.
        not_observed: Number of values of evidence columns that are NaN, masked or a sentinel.
        without_evidence: Number of rows without any evidence.
        unit_assumed: Columns of given properties that have no unit.
        layout: What was recognised of the columns.
        reddening: What was done about the dust of the Milky Way, or could be.
        skipped: Number of rows that cannot be read.
        first_skipped: The first of them, and the reason.
    """

    ignored: tuple[str, ...] = ()
    not_given: tuple[str, ...] = ()
    sentinels: dict[str, int] = field(default_factory=dict)
    not_observed: int = 0
    without_evidence: int = 0
    unit_assumed: tuple[str, ...] = ()
    layout: tuple[str, ...] = ()
    reddening: str = ""
    skipped: int = 0
    first_skipped: str = ""

    @classmethod
    def together(cls, reports: Iterable[CatalogueReport]) -> CatalogueReport:
        """Of consecutive blocks of one catalogue: what is said of the columns once, what is counted added up."""
        reports = list(reports)
        sentinels: Counter = Counter()
        for report in reports:
            sentinels.update(report.sentinels)
        counted = {
            name: sum(getattr(r, name) for r in reports) for name in ("not_observed", "without_evidence", "skipped")
        }
        first = next((r.first_skipped for r in reports if r.first_skipped), "")
        return replace(reports[0], sentinels=dict(sentinels), first_skipped=first, **counted)

    def lines(self) -> list[str]:
        """What a user should know, a sentence a line."""
        return [*self.of_columns(), *self.of_rows()]

    def of_columns(self) -> list[str]:
        """What is said of the columns."""
        lines = [f"layout: {'; '.join(self.layout)}"] if self.layout else []
        if self.reddening:
            lines.append(self.reddening)
        if self.unit_assumed:
            lines.append(f"columns without a unit, taken in that of the variable: {', '.join(self.unit_assumed)}")
        if self.not_given:
            lines.append(f"columns for comparison only, unless given: {', '.join(self.not_given)}")
        if self.ignored:
            more = f" and {len(self.ignored) - LISTED} more" if len(self.ignored) > LISTED else ""
            lines.append(f"columns ignored: {', '.join(self.ignored[:LISTED])}{more}")
        return lines

    def of_rows(self) -> list[str]:
        """What is counted."""
        lines = []
        if self.sentinels:
            listed = ", ".join(f"{column} {count}" for column, count in self.sentinels.items())
            lines.append(f"magnitudes of 99 or -99 taken as not observed: {listed}")
        if self.not_observed:
            lines.append(f"values not observed: {self.not_observed}")
        if self.without_evidence:
            lines.append(f"rows without any evidence, answered by the prior: {self.without_evidence}")
        if self.skipped:
            lines.append(f"rows skipped, the column skipped says why: {self.skipped} (first {self.first_skipped})")
        return lines


__all__ = ["CatalogueReport"]
