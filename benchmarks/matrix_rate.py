"""The rate of matrix products: what a machine reaches, and how many operations a piece of work asks for.

Rates are those of one thread per second of its own processor time, which other work on the machine hardly touches, or
of a GPU per second of wall clock. The fraction of the rate that some work reaches is then comparable between machines.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

LARGE = (2048, 2048, 2048)
SECONDS = 0.15  # of each measurement


@contextmanager
def threads(count: int):
    """So many threads of torch while this is open."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fastest(job: Callable[[], Any], device: str = "cpu", repeat: int = 3, clock: Callable | None = None) -> float:
    """Seconds of the fastest of some runs, after one to warm up."""
    clock, times = clock or (time.thread_time if device == "cpu" else time.perf_counter), []
    for _ in range(repeat + 1):
        start = clock()
        job()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(clock() - start)
    return min(times[1:])


def operations(job: Callable[[], Any]) -> int:
    """Floating-point operations in the matrix products of some work (forward and backward), two for a multiply-add."""
    with FlopCounterMode(display=False) as counter:
        job()
    return counter.get_total_flops()


def product_rate(shape: tuple[int, int, int], dtype: torch.dtype, device: str = "cpu") -> float:
    """Operations a second of a linear map: (rows, inner, outer), by the kernels that inference uses."""
    rows, inner, outer = shape
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(n, inner, generator=generator).to(device, dtype) for n in (rows, outer))
    work = 2 * rows * inner * outer
    linear = torch.nn.functional.linear
    if device == "cpu" and hasattr(torch.ops.mkldnn, "_linear_pointwise"):

        def linear(x, weight):
            return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "none")

    with torch.inference_mode():
        single = fastest(lambda: linear(x, weight), device)
        count = max(1, round(SECONDS / single))
        return work * count / fastest(lambda: [linear(x, weight) for _ in range(count)], device)


def rates(widths: list[int], dtypes: dict[str, torch.dtype], device: str = "cpu", rows: int = 3072) -> dict[str, Any]:
    """Rate of large products, and of those of the feed-forward layers of each width, by type."""
    shapes = {"large": LARGE, **{f"width {width}": (rows, width, 4 * width) for width in widths}}
    with threads(1):
        return {
            name: {what: product_rate(shape, dtype, device) for what, shape in shapes.items()}
            for name, dtype in dtypes.items()
        }
