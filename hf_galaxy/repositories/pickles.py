"""Pickles: files that can run any program when they are loaded. A model here is safetensors, and nothing else."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

SUFFIXES = frozenset((".bin", ".ckpt", ".dill", ".joblib", ".pickle", ".pkl", ".pt", ".pth"))
_PROTOCOLS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # older ones are text, and told by name alone
_ZIP = b"PK\x03\x04"
_LENGTH = struct.Struct("<Q")


def pickle_names(names: Iterable[str]) -> list[str]:
    """Those of some names that pickles go by."""
    return [name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES]


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle by its name, or by its contents: bare, or zipped as torch.save does."""
    if pickle_names([path.name]):
        return True
    with open(path, "rb") as file:
        start = file.read(9)
    if start[:4] == _ZIP:
        try:
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith("data.pkl") for name in archive.namelist())
        except zipfile.BadZipFile:
            return False
    # The length of a safetensors header may begin with the same two bytes; a brace follows it.
    return start[:2] in _PROTOCOLS and start[8:] != b"{"


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: the length of a header that fits into it, and the header's brace."""
    with open(path, "rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and 2 <= _LENGTH.unpack(start[:8])[0] <= path.stat().st_size - 8


def refuse_pickles(where: str, names: Iterable[str]) -> None:
    """Refuse a model that has pickles.

    Args:
        where: Folder or Hub id.
        names: Files found to be pickles.

    Raises:
        ValueError: There is one.
    """
    if found := list(names):
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise ValueError(
            f"{where}: refused for {found[0]}{more}: a pickle can run any program when it is loaded; remove it "
            "(a model here is model.safetensors)"
        )


__all__ = ["is_pickle", "is_safetensors", "pickle_names", "refuse_pickles"]
