"""Model, data set and Space to the Hub: everything is checked before anything is sent, and asked again afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from huggingface_hub import HfApi

from ..data.dataset_upload import dataset_upload
from ..repositories.committing import (
    CARD,
    MAIN,
    Before,
    Manner,
    Upload,
    check_upload,
    commit_files,
    confirm,
    look,
    tag_commit,
)
from .model import ModelSource, model_upload
from .space import space_upload, try_space
from .trial import Answers, answers_elsewhere, same

UNKNOWN = "0" * 40  # stands for the commit of a model that is yet to be made
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What is published, and where to.

    Attributes:
        model, to: What a model is made from, and its Hub id.
        data, data_to: Folder of a data set, and its Hub id.
        space: Hub id of the page, which loads the model; always on its ``main``, which is what the Hub runs.
        manner: How repositories are written to.
    """

    model: ModelSource | None = None
    to: str | None = None
    data: Path | None = None
    data_to: str | None = None
    space: str | None = None
    manner: Manner = field(default_factory=Manner)


@dataclass(frozen=True)
class _Ready:
    """A repository that passed the checks at home."""

    upload: Upload
    manner: Manner
    answers: Answers | None = None


def publish(job: Job, tell: Tell = print, dry_run: bool = False) -> dict[str, str]:
    """Check, upload, and ask what was uploaded; the commits by Hub id.

    Args:
        tell: Is given lines about what is done.
        dry_run: Stop after the checks at home: list every file, show the card, send nothing and ask the Hub nothing.

    Raises:
        ValueError: The job is incomplete, a check failed (then nothing was sent), or the Hub refused.
    """
    _check_job(job)
    with tempfile.TemporaryDirectory() as staging:
        ready = _prepare(job, Path(staging), tell)
        for one in ready:
            check_upload(one.upload)
            for line in _listing(one.upload, every=dry_run):
                tell(line)
        if dry_run:
            for one in ready:
                tell(f"\n{one.upload.name}, {CARD}:\n\n{_text(one.upload.files[CARD])}")
            tell("dry run: nothing was sent, and the Hub was not asked")
            return {}
        api = HfApi()
        before = [look(api, one.upload, one.manner) for one in ready]
        return _send(api, ready, before, tell)


def _check_job(job: Job) -> None:
    if (job.model is None) != (job.to is None):
        raise ValueError("a model needs both its folder and --to OWNER/NAME")
    if (job.data is None) != (job.data_to is None):
        raise ValueError("a data set needs both --data FOLDER and --data-to OWNER/NAME")
    if job.space and not job.to:
        raise ValueError("--space needs --to: a Space loads the model that is published with it")
    if not (job.to or job.data_to or job.space):
        raise ValueError("nothing to publish: give --to OWNER/NAME for a model, or --data FOLDER --data-to OWNER/NAME")


def _prepare(job: Job, staging: Path, tell: Tell) -> list[_Ready]:
    """All repositories in the order of their commits, after every check that needs no Hub."""
    ready = []
    if job.data_to:
        ready.append(_Ready(dataset_upload(job.data, job.data_to), job.manner))
    if job.to:
        source = replace(job.model, datasets=(job.data_to,)) if job.data_to else job.model
        revision = job.manner.tag or (job.manner.branch if job.manner.branch != MAIN else None)
        (staging / "model").mkdir()
        upload, answers, agreement = model_upload(source, job.to, revision, staging / "model")
        tell(f"{job.to}: loads in a fresh process without hf_galaxy; {agreement}")
        ready.append(_Ready(upload, job.manner, answers))
    if job.space:
        upload = space_upload(job.space, job.to, UNKNOWN)
        try_space(upload, staging / "space")
        ready.append(_Ready(upload, replace(job.manner, branch=MAIN, tag=None)))
    return ready


def _send(api: HfApi, ready: list[_Ready], before: list[Before], tell: Tell) -> dict[str, str]:
    """Commit by commit; a tag comes last, when what it is for has proved good."""
    commits: dict[str, str] = {}
    for one, was in zip(ready, before, strict=True):
        upload, model = one.upload, next((r.upload.name for r in ready if r.upload.kind == "model"), None)
        if upload.kind == "space":
            upload = space_upload(upload.name, model, commits[model])
        commit = commits[upload.name] = commit_files(api, upload, one.manner, was)
        confirm(api, upload, commit)
        removed = f", {len(was.stale)} old files removed" if was.stale else ""
        tell(f"{upload.name}: commit {commit} of {one.manner.branch}, {len(upload.files)} files{removed}")
        if one.answers is not None:
            where = f"{upload.name}, commit {commit}"
            agreement = same(one.answers, answers_elsewhere(upload.name, commit), where)
            tell(f"{upload.name}: reloaded from the Hub in a fresh process without hf_galaxy; {agreement}")
        if one.manner.tag:
            tag_commit(api, upload, commit, one.manner.tag)
            tell(f"{upload.name}: tagged {one.manner.tag}")
    return commits


def _listing(upload: Upload, every: bool) -> list[str]:
    sizes = upload.sizes()
    lines = [f"  {size:>13,}  {path}" for path, size in sizes.items()] if every else []
    return [f"{upload.kind} {upload.name}: {len(sizes)} files, {sum(sizes.values()):,} bytes", *lines]


def _text(content: Path | bytes) -> str:
    return content.decode() if isinstance(content, bytes) else content.read_text(encoding="utf-8")


__all__ = ["Job", "publish"]
