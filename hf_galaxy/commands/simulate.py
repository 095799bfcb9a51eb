"""``hf-galaxy simulate``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np
import torch
from astropy.table import Column, Table, vstack

from hf_galaxy.commands.arguments import add_output, count, index
from hf_galaxy.commands.pieces import check_table_output, chunks
from hf_galaxy.data.column_names import ERROR_SUFFIX
from hf_galaxy.data.table_io import write_table
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.physics.settings import SimulationSettings
from hf_galaxy.physics.simulate import Simulator
from hf_galaxy.variables_galaxy import PROPERTIES, default_variables


def add(subparsers: argparse._SubParsersAction) -> None:
    """Declare the arguments."""
    parser = subparsers.add_parser("simulate", help="a simulated catalogue with its truth")
    parser.add_argument("n", type=count, metavar="N", help="number of galaxies")
    parser.add_argument("--population", choices=["survey", "broad", "mixed"], default="survey")
    parser.add_argument("--noise", choices=["nominal", "varied"], default="nominal",
                        help="the assumed depths, or depths, calibration and gaps as varied in training")  # fmt: skip
    parser.add_argument("--seed", type=index, default=0, help="(%(default)s)")
    add_output(parser, "table to write: <band>, <band>_err, true_<name>")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """A simulated catalogue: what a survey would see, and the truth."""
    check_table_output(arguments)
    simulator = Simulator(SimulationSettings(population=arguments.population))
    settings = NoiseSettings.nominal() if arguments.noise == "nominal" else NoiseSettings.survey()
    noise = NoiseModel(settings, simulator.bands)
    parts = []
    for rows in chunks(arguments.n, "simulate"):
        drawn = simulator.rows(arguments.seed, rows.start, rows.stop - rows.start)
        generator = torch.Generator().manual_seed(arguments.seed + rows.start)
        seen = noise.observe(drawn.flux, generator)
        parts.append(_simulated_table(rows, simulator.bands, drawn, seen))
    table = vstack(parts)
    table.meta["comments"] = [f"Simulated by hf-galaxy: {simulator.settings}, seed {arguments.seed}, {noise.settings}."]
    write_table(table, arguments.output, arguments.overwrite)


def _simulated_table(rows: slice, bands: Sequence[str], drawn: Any, seen: Any) -> Table:
    units = {v.name: v.unit for v in default_variables()}
    table = Table({"row": np.arange(rows.start, rows.stop), "population": drawn.survey})
    for i, band in enumerate(bands):
        table[band] = Column(seen.flux[:, i].numpy(), unit=u.nJy)
        table[band + ERROR_SUFFIX] = Column(seen.error[:, i].numpy(), unit=u.nJy)
    for i, name in enumerate(PROPERTIES):
        table[f"true_{name}"] = Column(drawn.properties[:, i].numpy(), unit=units[name] or None)
    return table
