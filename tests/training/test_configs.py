"""The files in ``configs`` are what Accelerate and ``train.py`` take."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DistributedType
from accelerate.utils.launch import prepare_multi_gpu_env

from hf_galaxy.training.building import UNITS, resolve_micro_batch
from hf_galaxy.training.settings import parse_settings

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LAUNCHES = sorted((CONFIGS / "accelerate").glob("*.yaml"))
RUNS = sorted(CONFIGS.glob("*.yaml"))


def test_there_are_files_for_processors_for_one_node_and_for_several():
    assert [file.stem for file in LAUNCHES] == ["cpu_2_processes", "ddp_2nodes", "ddp_8gpu", "fsdp_2nodes", "fsdp_8gpu"]


@pytest.mark.parametrize("file", LAUNCHES, ids=lambda file: file.stem)
def test_accelerate_takes_the_file_and_starts_what_its_name_says(file):
    config = load_config_from_file(str(file))  # refuses keys that it does not know
    nodes = 2 if "2nodes" in file.stem else 1
    assert config.num_machines == nodes
    assert config.num_processes == (2 if "cpu" in file.stem else 8 * nodes)
    sharded = "fsdp" in file.stem
    assert config.distributed_type == (DistributedType.FSDP if sharded else DistributedType.MULTI_GPU)
    environment = launched(file)
    assert (environment.get("ACCELERATE_USE_FSDP") == "true") == sharded
    if sharded:
        assert environment["FSDP_VERSION"] == "2" and environment["FSDP_AUTO_WRAP_POLICY"] == "NO_WRAP"
        assert environment["FSDP_CPU_RAM_EFFICIENT_LOADING"] == "false"


def launched(file: Path) -> dict[str, str]:
    """The environment that ``accelerate launch`` gives to the processes."""
    arguments: argparse.Namespace = launch_command_parser().parse_args(["--config_file", str(file), "train.py"])
    arguments, _, _ = _validate_launch_command(arguments)
    return prepare_multi_gpu_env(arguments)


@pytest.mark.parametrize("file", RUNS, ids=lambda file: file.stem)
def test_train_takes_the_file(file):
    given, settings = yaml.safe_load(file.read_text()), parse_settings(["--config", str(file)])
    assert settings.size == file.stem
    assert all(getattr(settings, key) == value for key, value in given.items())
    units = settings.batch_size // resolve_micro_batch(settings, 1, UNITS).micro_batch
    assert units == (16 if file.stem == "base" else 4)
