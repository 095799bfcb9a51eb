"""The downloaded tests are importable as ``hf_tests``; without them (see ``fetch.py``) there is nothing to collect."""

from __future__ import annotations

import sys

from .fetch import TARGET

if TARGET.is_dir():
    sys.path.append(str(TARGET.parent))
else:
    collect_ignore_glob = ["test_*.py"]
