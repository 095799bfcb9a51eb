"""Settings of a training run: typed, frozen, strict; from a YAML or JSON file, from flags, flags first."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from .checkpoint import latest, read_counters

SIZES = ("tiny", "small", "base")
STAGES = ("pretrain", "adapt", "finetune")

# One dial: the rates that go with the width that GalaxyConfig.preset(size) chooses.
RATES_OF_SIZE: dict[str, dict[str, Any]] = {
    "tiny": {"lr": 1.5e-3, "batch_size": 128, "warmup": 200},
    "small": {"lr": 8e-4, "batch_size": 256, "warmup": 500},
    "base": {"lr": 4e-4, "batch_size": 1024, "warmup": 1000},
}
# What a trained model bears: these go before the rates of a size.
RATES_OF_STAGE: dict[str, dict[str, Any]] = {
    "adapt": {"lr": 4e-5, "warmup": 20, "steps": 300},
    "finetune": {"lr": 2e-4, "warmup": 20, "steps": 600},
}


_SHARE = re.compile(r"(.+):(\d*\.?\d+(?:e-?\d+)?)")


def _option(default: Any, text: str, choices: Sequence[str] | None = None) -> Any:
    return field(default=default, metadata={"help": text, "choices": choices})


@dataclass(frozen=True)
class TrainSettings:
    """Everything that decides a run, beside the data themselves; ``None`` is filled in from the size.

    Raises:
        ValueError: a value of the wrong kind or outside its range.
    """

    size: str = _option("tiny", "sets width, depth, heads and rates together", SIZES)
    stage: str = _option("pretrain", "what to train", STAGES)
    data: str | list | None = field(
        default=None,
        metadata={"help": "folders of Parquet files, or names on the Hub; NAME:0.2 is a fifth of the galaxies"},
    )
    stream: bool = _option(False, "read the files of --data as it goes, for folders larger than memory")
    online: bool = _option(False, "simulate on the training device as it goes, instead of --data, or beside NAME:0.2")
    valid_data: str | None = _option(None, "galaxies to validate on; else the split 'validation', else rows held out")
    valid_rows: int = _option(4096, "number of galaxies to validate on")
    valid_every: int = _option(1000, "steps between two validations")
    out: str = _option("outputs/galaxy", "output folder; loads with from_pretrained")
    resume: bool = _option(False, "continue the run in --out, exactly; with more --steps or --galaxies, prolong it")
    init_from: str | None = _option(None, "folder or Hub id of a model whose weights to start from")
    galaxies: int | None = _option(None, "galaxies seen in all, instead of --steps")
    steps: int | None = _option(None, "optimiser steps in all (default 10000)")
    batch_size: int | None = _option(None, "galaxies a step, over all processes")
    micro_batch: int | None = _option(
        None,
        "galaxies drawn and propagated together, with one kind of context; default: batch size / 4, or batch size / "
        "processes with more of them, where that is not even, and in other stages",
    )
    lr: float | None = _option(None, "peak learning rate")
    warmup: int | None = _option(None, "steps of the linear rise of the rate")
    schedule: str = _option("wsd", "warm-up, constant, then linear decay; or cosine", ("wsd", "cosine"))
    decay_fraction: float = _option(0.25, "last part of the run over which the rate of wsd falls to zero")
    optimizer: str = _option("auto", "auto takes Muon where torch has it", ("auto", "muon", "adamw"))
    weight_decay: float = _option(0.05, "of matrices; norms, biases and embeddings do not decay")
    beta1: float = _option(0.9, "AdamW")
    beta2: float = _option(0.98, "AdamW")
    grad_clip: float = _option(1.0, "largest norm of the gradient")
    ema_decay: float = _option(
        0.999, "of the running mean of the weights, which is what is validated and saved for use"
    )
    mixed_precision: str = _option("auto", "auto takes bf16 where the processor computes in it", ("auto", "bf16", "no"))
    seed: int = _option(0, "of the weights, the order, the noise and what is shown and asked")
    log_every: int = _option(50, "steps between two entries of the log")
    save_every: float = _option(10.0, "minutes between two saves")
    save_every_steps: int | None = _option(None, "steps between two saves, besides")
    max_skipped: int = _option(0, "steps in a row without finite loss and gradient to pass over; 0 stops at the first")
    patience: int | None = _option(None, "validations in a row without a new best after which to stop; default: never")
    tracker: str = _option("tensorboard", "where to log besides history.jsonl", ("tensorboard", "none"))
    num_threads: int | None = _option(None, "threads of torch on the CPU; runs of as many are equal bit for bit")
    model: dict = field(
        default_factory=dict, metadata={"help": "fields of GalaxyConfig that differ from the preset", "section": True}
    )
    noise: dict = field(default_factory=dict, metadata={"help": "fields of NoiseSettings", "section": True})
    conditioning: dict = field(
        default_factory=dict, metadata={"help": "fields of ConditioningSettings", "section": True}
    )
    simulation: dict = field(
        default_factory=dict, metadata={"help": "fields of SimulationSettings, for --online", "section": True}
    )
    adaptation: dict = field(
        default_factory=dict, metadata={"help": "fields of AdaptationSettings, for --stage adapt", "section": True}
    )
    finetuning: dict = field(
        default_factory=dict, metadata={"help": "fields of FinetuningSettings, for --stage finetune", "section": True}
    )

    def __post_init__(self) -> None:
        rates = {**RATES_OF_SIZE.get(self.size, {}), **RATES_OF_STAGE.get(self.stage, {})}
        if self.galaxies is not None:
            rates.pop("steps", None)
        for key, value in rates.items():
            if getattr(self, key) is None:
                object.__setattr__(self, key, value)
        if isinstance(self.data, list) and len(self.data) == 1:
            object.__setattr__(self, "data", self.data[0])
        _check_kinds(self)
        _check_ranges(self)
        _check_sources(self)

    @property
    def sources(self) -> list[tuple[str, float | None]]:
        """(folder or name, share of the galaxies) of everything in ``data``; None takes what the others leave."""
        return sources_of(self.data)

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        if self.galaxies is not None:
            return -(-self.galaxies // self.batch_size)
        return 10_000 if self.steps is None else self.steps

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any], where: str = "settings") -> TrainSettings:
        """Settings from names and values; an unknown name is refused with the nearest one that exists.

        Raises:
            ValueError: unknown name, wrong kind or range.
        """
        refuse_unknown(given, [f.name for f in fields(cls)], where)
        return cls(**given)


def refuse_unknown(given: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse a name that is not known, with the nearest one that is.

    Raises:
        ValueError: an unknown name.
    """
    known = list(known)
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ValueError(f"{where}: unknown setting {key!r}; {hint}")


def _kinds(annotation: Any) -> tuple[type, ...]:
    """The classes that an annotation such as ``int | None`` allows."""
    if isinstance(annotation, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _check_kinds(settings: TrainSettings) -> None:
    hints = typing.get_type_hints(type(settings))
    for f in fields(settings):
        value, kinds = getattr(settings, f.name), _kinds(hints[f.name])
        if float in kinds and type(value) is int:
            object.__setattr__(settings, f.name, float(value))
        elif type(value) not in kinds:
            wanted = " or ".join("nothing" if k is type(None) else k.__name__ for k in kinds)
            raise ValueError(f"setting {f.name}: {value!r} is a {type(value).__name__}; {wanted} is wanted")
        choices = f.metadata.get("choices")
        if choices and value not in choices:
            raise ValueError(f"setting {f.name}: {value!r} is not one of {', '.join(choices)}")


def _check_ranges(s: TrainSettings) -> None:
    if s.stage != "pretrain" and not s.init_from:
        raise ValueError(f"--stage {s.stage} starts from a model: give its folder or Hub id as --init-from")
    positive = (
        "valid_rows valid_every batch_size micro_batch lr grad_clip log_every save_every save_every_steps num_threads"
        " patience"
    )
    for name in (*positive.split(), "steps", "galaxies"):
        if getattr(s, name) is not None and not getattr(s, name) > 0:
            raise ValueError(f"setting {name}: {getattr(s, name)} must be above zero")
    for name in ("decay_fraction", "ema_decay", "beta1", "beta2"):
        upper_open = name != "decay_fraction"
        if not 0 <= getattr(s, name) <= 1 or (upper_open and getattr(s, name) == 1):
            raise ValueError(f"setting {name}: {getattr(s, name)} must lie between 0 and 1")
    for name in ("weight_decay", "warmup", "seed", "max_skipped"):
        if getattr(s, name) < 0:
            raise ValueError(f"setting {name}: {getattr(s, name)} must not be negative")
    if s.steps is not None and s.galaxies is not None:
        raise ValueError("--steps and --galaxies say the same thing twice: give one")
    if s.micro_batch and s.batch_size % s.micro_batch:
        raise ValueError(f"batch_size {s.batch_size} is not a multiple of micro_batch {s.micro_batch}")


def sources_of(data: str | list | None) -> list[tuple[str, float | None]]:
    """(folder or name, share) of every entry; of entries that all have a share, the largest takes what is left."""
    entries = [data] if isinstance(data, str) else list(data or ())
    found = []
    for entry in entries:
        match = None if Path(entry).exists() else _SHARE.fullmatch(entry)
        found.append((match[1], float(match[2])) if match else (entry, None))
    shares = [share for _, share in found]
    if len(found) > 1 and None not in shares and abs(sum(shares) - 1) < 1e-9:
        largest = shares.index(max(shares))
        found[largest] = found[largest][0], None
    return found


def _check_sources(s: TrainSettings) -> None:
    """Exactly one source fills what the shares of the others leave: the simulator, or what has no share."""
    if isinstance(s.data, list) and not all(isinstance(entry, str) for entry in s.data):
        raise ValueError(f"setting data: {s.data!r} must be names of folders or of data sets")
    shares = [share for _, share in s.sources]
    rest = None in shares
    if rest == s.online:
        raise ValueError(
            "give the galaxies either as --data FOLDER_OR_HUB_ID or as --online (simulated as it goes); beside either, "
            "--data NAME:0.2 is a fifth of the galaxies"
        )
    given = [share for share in shares if share is not None]
    if given and not (min(given) > 0 and sum(given) < 1):
        raise ValueError(f"shares {', '.join(map(str, given))} of --data must be above zero and sum to less than one")
    if s.stream and not s.data:
        raise ValueError("--stream reads the files of --data; give them")


def read_config(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file.

    Raises:
        ValueError: no such file, not YAML or JSON, or not a mapping.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        given = json.loads(text) if str(path).endswith(".json") else yaml.safe_load(text)
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not valid YAML or JSON ({' '.join(str(error).split())})") from None
    if not isinstance(given, dict):
        raise ValueError(f"{path}: a mapping of settings is wanted, not a {type(given).__name__}")
    return {key: _number(key, value) for key, value in given.items()}


def _number(key: str, value: Any) -> Any:
    """YAML 1.1 reads ``1e-3`` as text: a text for a numeric setting becomes the number it spells."""
    kinds = _kinds(typing.get_type_hints(TrainSettings).get(key, str))
    if isinstance(value, str) and float in kinds:
        try:
            return float(value)
        except ValueError:
            return value
    return value


def argument_parser() -> argparse.ArgumentParser:
    """A parser with one flag for every setting that is a plain value."""
    parser = argparse.ArgumentParser(
        description="Train a galaxy model; flags override the file of --config.", allow_abbrev=False
    )
    parser.add_argument("--config", metavar="FILE", help="YAML or JSON with settings under the names of the flags")
    hints = typing.get_type_hints(TrainSettings)
    for f in fields(TrainSettings):
        if f.metadata.get("section"):
            continue
        kinds, flag = [k for k in _kinds(hints[f.name]) if k is not type(None)], "--" + f.name.replace("_", "-")
        text = f.metadata["help"] + ("" if f.default in (None, False) else f" (default {f.default})")
        options = {"dest": f.name, "default": argparse.SUPPRESS, "help": text}
        if kinds[0] is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, **options)
        elif list in kinds:
            parser.add_argument(flag, nargs="+", action="extend", **options)
        else:
            parser.add_argument(flag, type=kinds[0], choices=f.metadata["choices"], **options)
    return parser


def parse_settings(arguments: Sequence[str] | None = None) -> TrainSettings:
    """Settings from the command line; ``--resume --out FOLDER`` alone takes the other settings from the run itself.

    Raises:
        ValueError: as ``TrainSettings.from_mapping``; argparse itself leaves with status 2.
    """
    flags = vars(argument_parser().parse_args(arguments))
    config = flags.pop("config", None)
    given = read_config(config) if config else {}
    if flags.get("resume") and "out" in flags and not config and (state := latest(flags["out"])):
        given = {**read_counters(state)["settings"], "resume": False}
    refuse_unknown(given, [f.name for f in fields(TrainSettings)], str(config))
    if "steps" in flags or "galaxies" in flags:
        given.pop("steps", None), given.pop("galaxies", None)
    return TrainSettings.from_mapping(given | flags, str(config or "settings"))
