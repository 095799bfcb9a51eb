"""Files to a repository of the Hub: all in one commit, which is then compared with what was meant, byte by byte."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import yaml
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoCard
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id

from .refusals import in_one_line

MAIN = "main"
CARD = "README.md"
LARGEST = 50_000_000_000  # bytes of a file that the Hub takes
_OWN = ".gitattributes"  # which the Hub writes itself
_NAME = re.compile(r"[\w.+-]+")


@dataclass(frozen=True)
class Upload:
    """A repository as one commit makes it.

    Attributes:
        kind: model, dataset or space.
        name: Hub id, owner/name.
        files: Path in the repository: file, or contents.
    """

    kind: Literal["model", "dataset", "space"]
    name: str
    files: Mapping[str, Path | bytes] = field(repr=False)

    def sizes(self) -> dict[str, int]:
        """Bytes of every file."""
        return {path: len(f) if isinstance(f, bytes) else f.stat().st_size for path, f in self.files.items()}


@dataclass(frozen=True)
class Manner:
    """How a repository is written to.

    Attributes:
        private: Make it private where it does not exist yet.
        branch: That the commit goes to; made from ``main`` if need be.
        tag: For the commit; none if None.
        message: Of the commit.
        replace: Remove, in the same commit, what the repository holds besides.
    """

    private: bool = False
    branch: str = MAIN
    tag: str | None = None
    message: str = "Publish with hf_galaxy"
    replace: bool = False


class Before(NamedTuple):
    """What was there.

    Attributes:
        exists: Whether the repository is.
        branch: Whether the branch is.
        commit: Newest of the branch, or of ``main`` where the branch is new; None in a new repository.
        stale: Files that the upload does not have.
    """

    exists: bool
    branch: bool
    commit: str | None
    stale: tuple[str, ...]


def check_upload(upload: Upload) -> None:
    """Refuse what the Hub would not take, or nobody could use, without asking the Hub.

    Raises:
        ValueError: A name, a path or a size is not fit.
    """
    with in_one_line(upload.name, upload.kind):
        validate_repo_id(upload.name)
    if upload.name.count("/") != 1:
        raise ValueError(f"{upload.name}: is no Hub id, owner/name")
    for path, size in upload.sizes().items():
        if not all(_NAME.fullmatch(part) and part not in (".", "..") for part in PurePosixPath(path).parts):
            raise ValueError(f"{upload.name}: {path}: file names are letters, digits, _ . + and -; rename it")
        if not 0 < size <= LARGEST:
            raise ValueError(f"{upload.name}: {path} has {size} bytes; a file has 1 to {LARGEST:.0e}")


def look(api: HfApi, upload: Upload, manner: Manner) -> Before:
    """What is there already; nothing is written.

    Raises:
        ValueError: The commit is not to be made: the header of its card is not valid, its tag exists, something would
            be left beside it, the repository is public and a private one is asked for; or the Hub does not let us look.
    """
    where = {"repo_id": upload.name, "repo_type": upload.kind}
    _validate_card(upload)
    with in_one_line(upload.name, upload.kind, manner.branch):
        try:
            info = api.repo_info(**where)
        except RepositoryNotFoundError:
            api.whoami()  # a wrong token ends here, and not after the first repository of several
            return Before(False, manner.branch == MAIN, None, ())
        refs = api.list_repo_refs(**where)
        branches = {ref.name: ref.target_commit for ref in refs.branches}
        commit = branches.get(manner.branch, info.sha)
        there = api.list_repo_files(**where, revision=commit)
    if manner.private and not info.private:
        raise ValueError(f"{upload.name}: exists and is public; make it private in its settings, or leave --private")
    if manner.tag in {ref.name for ref in refs.tags}:
        raise ValueError(f"{upload.name}: has a tag {manner.tag} already; choose another, a tag is not moved")
    stale = tuple(sorted(set(there) - {_OWN} - set(upload.files)))
    if stale and not manner.replace:
        raise ValueError(
            f"{upload.name}: holds {len(stale)} files besides, such as {stale[0]}; --replace removes them in the same "
            "commit, or publish to another name or --branch"
        )
    return Before(True, manner.branch in branches, commit, stale)


def commit_files(api: HfApi, upload: Upload, manner: Manner, before: Before) -> str:
    """Create the repository and the branch if need be, and make one commit; returns its hash.

    Raises:
        ValueError: The Hub refuses, somebody else committed since ``look``, or the way to it is broken. Nothing of the
            commit is there then.
    """
    where = {"repo_id": upload.name, "repo_type": upload.kind}
    added = [CommitOperationAdd(path, io.BytesIO(f) if isinstance(f, bytes) else f) for path, f in upload.files.items()]
    removed = [CommitOperationDelete(path) for path in before.stale]
    with in_one_line(upload.name, upload.kind, manner.branch):
        if not before.exists:
            sdk = {"space_sdk": "gradio"} if upload.kind == "space" else {}
            api.create_repo(**where, private=manner.private or None, exist_ok=True, **sdk)
        if not before.branch:
            api.create_branch(**where, branch=manner.branch, exist_ok=True)
        return api.create_commit(
            **where,
            operations=[*added, *removed],
            commit_message=manner.message,
            revision=manner.branch,
            parent_commit=before.commit,
        ).oid


def confirm(api: HfApi, upload: Upload, commit: str) -> None:
    """Compare what the Hub says it has of a commit with what was uploaded, by the hashes of the files.

    Raises:
        ValueError: A file is missing or differs.
    """
    with in_one_line(upload.name, upload.kind, commit):
        tree = api.list_repo_tree(upload.name, recursive=True, revision=commit, repo_type=upload.kind)
        there = {entry.path: entry for entry in tree if hasattr(entry, "blob_id")}
    for path, content in upload.files.items():
        entry = there.get(path)
        if entry is None:
            raise ValueError(f"{upload.name}: commit {commit} lacks {path}; publish it again")
        if (entry.lfs.sha256 if entry.lfs else entry.blob_id) != _hash(content, lfs=bool(entry.lfs)):
            raise ValueError(f"{upload.name}: {path} of commit {commit} is not what was uploaded; publish it again")


def tag_commit(api: HfApi, upload: Upload, commit: str, tag: str) -> None:
    """Give a commit its tag.

    Raises:
        ValueError: The Hub refuses.
    """
    with in_one_line(upload.name, upload.kind, commit):
        api.create_tag(upload.name, repo_type=upload.kind, tag=tag, revision=commit)


def _validate_card(upload: Upload) -> None:
    """Have the Hub read the header of the card, which it would refuse the commit for."""
    if CARD not in upload.files:
        return
    card = upload.files[CARD]
    text = (card if isinstance(card, bytes) else card.read_bytes()).decode()
    with in_one_line(upload.name, upload.kind):
        try:
            RepoCard(text).validate(upload.kind)
        except (ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"{upload.name}: the Hub would refuse the header of its {CARD}: {reason}") from None


def _hash(content: Path | bytes, lfs: bool) -> str:
    """As git names a file, or LFS its contents."""
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    digest = hashlib.sha256() if lfs else hashlib.sha1(b"blob %d\0" % size)
    with io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


__all__ = ["Before", "Manner", "Upload", "check_upload", "commit_files", "confirm", "look", "tag_commit"]
