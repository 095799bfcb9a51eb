"""Signals that ask a run to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """SIGTERM and SIGINT set an event while this is open; a second one ends the process as usual."""
    event, kept = threading.Event(), {}

    def note(number: int, _frame: object) -> None:
        event.set()
        signal.signal(number, kept[number])

    if threading.current_thread() is threading.main_thread():
        kept.update({number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)})
    try:
        yield event
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


__all__ = ["stop_signals"]
