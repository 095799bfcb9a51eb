"""The downloaded tests are importable as ``hf_tests``; without them (see ``fetch.py``) there is nothing to collect."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .fetch import TARGET

if TARGET.is_dir():
    sys.path.append(str(TARGET.parent))

# transformers declares them in its own conftest, which its source distribution leaves out.
MARKERS = (
    "accelerate_tests",
    "flash_attn_3_test",
    "flash_attn_4_test",
    "flash_attn_test",
    "is_agent_test",
    "is_expert_parallel_test",
    "is_fsdp_test",
    "is_pipeline_test",
    "is_staging_test",
    "is_tensor_parallel_test",
    "is_training_test",
    "order",
    "torch_compile_test",
)


def pytest_configure(config: pytest.Config) -> None:
    for name in MARKERS:
        config.addinivalue_line("markers", f"{name}: of transformers' own tests")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Importing these tests takes many seconds: only where they are asked for."""
    asked = config.option.markexpr == "conformance" and TARGET.is_dir()
    return True if collection_path.name.startswith("test_") and not asked else None
