"""How many galaxies a second are simulated with all their labels, beside bagpipes, and how far the photometry differs.

    python benchmarks/simulate.py [--rows 20000] [--peer 100] [--processes 2]

Rates of hf_galaxy are whole rows of the mixed population: drawn, selected, photometry in 62 bands, 19 properties.
Rates of bagpipes are updates of one model object, photometry alone. Needs ``hf-galaxy[sim]``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from harness import RESULTS, machine_facts
from peers.bagpipes_comparison import Comparison, compare

from hf_galaxy.physics.simulate import Simulator
from hf_galaxy.physics.synthesis import Synthesizer

RESOLUTIONS = (1000.0, 4000.0)
OTHERS = ("FUV", "NUV", "uJAVA", "uJPAS", "J1007", "gSDSS", "rSDSS", "iSDSS")


def cpu_rate(rows: int, seed: int) -> tuple[float, float]:
    """Galaxies a second, and a second of processor time, of one process with one thread, its simulator made before."""
    torch.set_num_threads(1)
    simulator = Simulator()
    simulator.rows(seed, 0, 512)
    start = time.perf_counter(), time.process_time()
    simulator.rows(seed, 1000, rows)
    return rows / (time.perf_counter() - start[0]), rows / (time.process_time() - start[1])


def processes_rate(rows: int, processes: int) -> float:
    """Galaxies a second of several processes together, one thread each."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return sum(rate for rate, _ in pool.map(cpu_rate, [rows // processes] * processes, range(processes)))


def device_rate(rows: int) -> float | None:
    """Galaxies a second on a GPU, or ``None`` where there is none."""
    if not torch.cuda.is_available():
        return None
    simulator = Simulator(device="cuda")
    simulator.rows(0, 0, rows)
    torch.cuda.synchronize()
    start = time.perf_counter()
    simulator.rows(1, 0, rows)
    torch.cuda.synchronize()
    return rows / (time.perf_counter() - start)


def difference_facts(found: Comparison) -> dict[str, dict[str, float]]:
    """Absolute differences in mmag: of all narrow bands together, and of each other band."""
    narrow = [i for i, name in enumerate(found.bands) if name.startswith("J") and name != "J1007"]
    columns = {"narrow bands": narrow} | {name: [found.bands.index(name)] for name in OTHERS}
    facts = {}
    for name, places in columns.items():
        values = np.abs(found.difference[:, places])
        p50, p95, p99 = np.percentile(values, [50, 95, 99])
        facts[name] = {"p50": p50, "p95": p95, "p99": p99, "max": values.max()}
    return {name: {k: round(float(v), 3) for k, v in one.items()} for name, one in facts.items()}


def pixel_facts(simulator: Simulator, rows: int) -> dict[str, float]:
    """Narrow bands, mmag: the spectra as used against half the pixel and an almost complete basis.

    Without displaced filters and motions: their parabola spans two pixels, whatever these are (see the tests of the
    filter bank).
    """
    fine = Synthesizer(simulator.filters, simulator.settings.redshift_max, simulator.settings.step / 2, tolerance=1e-5)
    drawn = simulator.rows(11, 0, rows)
    p = simulator.parameters(11, drawn)
    del p["filter_shift"], p["velocity_dispersion"]
    flux, used = (x.photometry(p, x.rest_frame(p)) for x in (fine, simulator.synthesizer))
    used = used[:, : len(simulator.bands)]
    narrow = [i for i, name in enumerate(simulator.bands) if name.startswith("J") and name != "J1007"]
    values = 2500 * np.abs(np.log10((flux / used)[:, narrow].numpy()))
    return {"p99": round(float(np.percentile(values, 99)), 3), "max": round(float(values.max()), 3)}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--peer", type=int, default=100, help="galaxies of the comparison")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=RESULTS / "simulate.json")
    a = parser.parse_args()
    load = os.getloadavg()[0]
    simulator = Simulator()
    alone, processor = cpu_rate(a.rows // 2, 7)
    facts = {
        "machine": machine_facts() | {"bagpipes": version("bagpipes"), "load before": round(load, 2)},
        "galaxies per second, one process": round(alone),
        "galaxies per second of processor time": round(processor),
        f"galaxies per second, {a.processes} processes": round(processes_rate(a.rows, a.processes)),
        "galaxies per second, GPU": device_rate(200_000),
        "half the pixel, narrow bands, mmag": pixel_facts(simulator, 512),
    }
    for resolution in RESOLUTIONS:
        found = compare(simulator.synthesizer, simulator.filters, a.peer, resolution)
        facts[f"bagpipes at R_phot = {resolution:.0f}"] = {
            "galaxies per second": round(found.galaxies_per_second, 1),
            "galaxies per second of processor time": round(found.galaxies_per_processor_second, 1),
            "galaxies": a.peer,
            "difference, mmag": difference_facts(found),
            "log mass, largest difference": float(f"{np.abs(found.log_mass).max():.2g}"),
            "line fluxes, largest relative difference": float(f"{np.abs(found.lines - 1).max():.2g}"),
        }
    text = json.dumps(facts, indent=2)
    print(text)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    a.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
