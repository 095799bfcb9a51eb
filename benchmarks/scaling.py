"""How the cost of an answer grows: with the bands known, the questions asked, the galaxies at once and the catalogue.

    python benchmarks/scaling.py [--sizes tiny small] [--dtype auto] [--device cuda]

Random weights; processor time of one thread (on a GPU the wall clock), the fastest of some runs. One thing varies at a
time, from 62 bands (8 where questions vary, so that bands are left to ask), 19 questions and 128 galaxies at once.
The memory is the peak of a process of its own for every length of a catalogue, which it makes, reads and answers.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from harness import RESULTS, machine_facts
from infer import load, mock_catalogue
from matrix_rate import fastest, threads

from hf_galaxy import inference
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.plotting.style import PALETTE, new_figure, save_figure, styled
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

AXES = {
    "bands": ("bands known", (2, 8, 16, 32, 48, 62)),
    "questions": ("questions", (1, 5, 10, 19, 40, 70)),
    "at_once": ("galaxies at once", (1, 4, 16, 64, 128, 256, 1024)),
}
LENGTHS = (1_000, 4_000, 16_000)


def main(argv: list[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sizes", nargs="+", default=["tiny", "small"])
    arguments.add_argument("--dtype", default="auto")
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--n", type=int, default=256, help="galaxies of a measurement")
    arguments.add_argument("--repeat", type=int, default=2)
    arguments.add_argument("--lengths", nargs="*", type=int, default=LENGTHS, help="of catalogues, for the memory")
    arguments.add_argument("--catalogue", type=int, help=argparse.SUPPRESS)
    arguments.add_argument("--out", type=Path, default=RESULTS / "scaling.json")
    given = arguments.parse_args(argv)
    if given.catalogue:
        return print(*whole_catalogue(given))
    with threads(1):
        metrics: dict[str, Any] = {size: {axis: measure(axis, size, given) for axis in AXES} for size in given.sizes}
    for size in given.sizes:
        metrics[size]["catalogue"] = [memory(length, size, given) for length in given.lengths]
    print_rows(metrics)
    settings = {"dtype": given.dtype, "device": given.device, "checkpoint": "random weights"}
    data = {"galaxies": given.n, "bands": len(BANDS), "properties": len(PROPERTIES)}
    machine = machine_facts() | {"load_average": round(os.getloadavg()[0], 1)}
    write_report(given.out, assemble_report(model=settings, data=data, machine=machine, metrics=metrics))
    save_figure(draw(metrics), given.out.with_suffix(".png"))


def measure(axis: str, size: str, given: argparse.Namespace) -> list[dict[str, float]]:
    """Seconds a galaxy along one axis."""
    galaxy, points = load(None, size, given.dtype, given.device), []
    variables = [v.name for v in galaxy.variables if not v.categories]
    for value in AXES[axis][1]:
        table = mock_catalogue(
            max(given.n, 1024), value if axis == "bands" else 8 if axis == "questions" else len(BANDS)
        )
        # Properties first, then bands that are not known: what is evidence needs a reading of its own.
        free = [name for name in dict.fromkeys([*PROPERTIES, *variables]) if name not in table.colnames]
        asked = free[: value if axis == "questions" else len(PROPERTIES)]
        rows = value if axis == "at_once" else given.n
        posterior = galaxy.condition(table[:rows])
        most = value if axis == "at_once" else inference.ROWS_ON_CPU
        with mock.patch.multiple(inference, ROWS_ON_CPU=most):
            seconds = fastest(lambda p=posterior, a=asked: p.quantiles_of(a, [0.16, 0.5, 0.84]), given.device)
        points.append({"value": value, "seconds_per_galaxy": seconds / rows})
    return points


def memory(length: int, size: str, given: argparse.Namespace) -> dict[str, float]:
    """Peak memory in bytes and seconds a galaxy of a process that answers a whole catalogue."""
    command = [sys.executable, __file__, "--catalogue", str(length), "--sizes", size]
    command += ["--dtype", given.dtype, "--device", given.device]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, start, peak = (float(x) for x in done.stdout.split())
    return {"value": length, "seconds_per_galaxy": seconds, "bytes": peak, "bytes_before": start}


def whole_catalogue(given: argparse.Namespace) -> tuple[float, float, float]:
    """Seconds a galaxy for the redshift, and peak memory in bytes before and after."""
    torch.set_num_threads(1)
    galaxy = load(None, given.sizes[0], given.dtype, given.device)
    table = mock_catalogue(given.catalogue)
    before = _peak()
    posterior = galaxy.condition(table)
    seconds = fastest(lambda: posterior.quantiles("redshift", [0.16, 0.5, 0.84]), given.device, 1)
    return seconds / given.catalogue, before, _peak()


def _peak() -> float:
    """Bytes that this process has held at most."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except OSError:
        # Where there is no /proc; Linux would count the memory of the parent.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024.0)


def print_rows(metrics: dict[str, Any]) -> None:
    for size, axes in metrics.items():
        for axis, points in axes.items():
            line = ", ".join(f"{p['value']:,}: {1e3 * p['seconds_per_galaxy']:.2f} ms" for p in points)
            print(f"{size:6s} {axis:10s} {line}")
            if axis == "catalogue":
                print(" " * 18 + ", ".join(f"{p['value']:,}: {p['bytes'] / 1e9:.2f} GB" for p in points))


@styled
def draw(metrics: dict[str, Any]) -> Any:
    """Four panels: time a galaxy along three axes, memory along the length of a catalogue."""
    figure, axes = new_figure(2, 2, width=7.1, height=4.6)
    for (axis, (label, _)), ax in zip(AXES.items(), axes.flat[:3], strict=True):
        for colour, marker, (size, rows) in zip(PALETTE, "os^D", metrics.items(), strict=False):
            x, y = ([p[key] for p in rows[axis]] for key in ("value", "seconds_per_galaxy"))
            ax.plot(x, [1e3 * t for t in y], color=colour, marker=marker, ms=4, label=size)
        ax.set(xlabel=label, ylabel="processor time [ms / galaxy]")
        if axis == "at_once":
            ax.set(xscale="log", yscale="log")
            for side in (ax.xaxis, ax.yaxis):
                side.set_major_formatter("{x:g}")
        else:
            ax.set(xlim=(0, None), ylim=(0, None))
    axes[0, 0].legend()
    _draw_memory(metrics, axes[1, 1])
    return figure


def _draw_memory(metrics: dict[str, Any], ax: Any) -> None:
    if not any(rows["catalogue"] for rows in metrics.values()):
        return ax.set_axis_off()
    for colour, marker, (_, rows) in zip(PALETTE, "os^D", metrics.items(), strict=False):
        x, y = ([p[key] for p in rows["catalogue"]] for key in ("value", "bytes"))
        ax.plot(x, [b / 1e9 for b in y], color=colour, marker=marker, ms=4)
    ax.axhline(2.0, color="0.5", ls="--", lw=0.8)
    ax.text(0.97, 1.95, "target", ha="right", va="top", transform=ax.get_yaxis_transform(), color="0.4")
    ax.set(xlabel="galaxies in the catalogue", ylabel="peak memory [GB]", xlim=(0, None), ylim=(0, 2.2))
    return None


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError, subprocess.CalledProcessError) as error:
        sys.exit(f"scaling.py: {error}")
