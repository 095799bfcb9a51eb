"""Who takes part, and how much of everything at which size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.comparison.answers import Peer


@dataclass(frozen=True)
class Size:
    """How much of everything.

    Attributes:
        train: Training galaxies, the same for all.
        seen: Galaxies that a network of OJALA's kind or ours sees, epochs counted.
        test: Test galaxies.
        trees, rows_a_tree: Of a random forest.
        iterations: Trees of a boosted model.
        epochs: Of the perceptrons.
        fits: Galaxies for bagpipes.
    """

    train: int
    seen: int
    test: int
    trees: int
    rows_a_tree: int
    iterations: int
    epochs: int
    fits: int


SIZES = {
    "quick": Size(1_500, 1_536, 300, 4, 500, 8, 2, 1),
    "half-hour": Size(48_000, 48_000, 4_000, 20, 20_000, 150, 10, 20),
    "full": Size(800_000, 4_000_000, 20_000, 100, 100_000, 400, 20, 20),
}
OURS = "ours"


def _ours(size: Size, folder: Path) -> Peer:
    from benchmarks.comparison.ours import Ours

    return Ours(size.seen, folder=folder)


def _ours_as_often(size: Size, folder: Path) -> Peer:
    """Ours with as many passes over the same galaxies as the perceptrons: what is learnt from one pass is no limit of
    trees, which may look at the galaxies as often as they want.
    """
    from benchmarks.comparison.ours import Ours

    return Ours(size.train * size.epochs, folder=folder, passes=size.epochs)


def _shipped(size: Size, folder: Path) -> Peer:
    from benchmarks.comparison.ours import Ours

    return Ours(None)


def _ojala(version: str) -> Callable[[Size, Path], Peer]:
    def make(size: Size, folder: Path) -> Peer:
        from benchmarks.comparison import ojala_peer

        return ojala_peer.OjalaPeer(getattr(ojala_peer, version), size.seen, batch=128)

    return make


def _forest(size: Size, folder: Path) -> Peer:
    from benchmarks.comparison.trees import Forest

    return Forest(size.trees, size.rows_a_tree)


def _boosting(size: Size, folder: Path) -> Peer:
    from benchmarks.comparison.trees import Boosting

    return Boosting(size.iterations)


def _perceptrons(size: Size, folder: Path) -> Peer:
    from benchmarks.comparison.perceptrons import Perceptrons

    return Perceptrons(size.epochs)


def _library(size: Size, folder: Path) -> Peer:
    from benchmarks.peers.library_fit import LibraryFit

    return LibraryFit()


def _eazy(size: Size, folder: Path) -> Peer:
    from benchmarks.peers.eazy_photoz import EazyPhotoz

    return EazyPhotoz(limit=size.test // 10)


def _bagpipes(size: Size, folder: Path) -> Peer:
    from benchmarks.peers.bagpipes_fits import BagpipesFits

    # A fit is a minute of a processor: one cache for all versions of the code, since its name is its photometry and
    # settings, and few fits where half an hour is all there is.
    return BagpipesFits(folder.parent / "bagpipes_fits", size.fits if size.test > 5_000 else min(size.fits, 4))


# In the order of the table; what a peer needs is imported when it is made.
CONTENDERS: dict[str, Callable[[Size, Path], Peer]] = {
    OURS: _ours,
    "ours_passes": _ours_as_often,
    "shipped": _shipped,
    "ojala_corrected": _ojala("CORRECTED"),
    "ojala_released": _ojala("RELEASED"),
    "mlp": _perceptrons,
    "boosted": _boosting,
    "forest": _forest,
    "library": _library,
    "eazy": _eazy,
    "bagpipes": _bagpipes,
}

__all__ = ["CONTENDERS", "OURS", "SIZES", "Size"]
