"""The training loop: Accelerate moves and wraps, this file says what a step is, when to save and when to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from . import checkpoint
from .history import History
from .optimization import WeightAverage, make_optimizer
from .schedule import Schedule
from .settings import TrainSettings, sources_of

MAX_SKIPPED_IN_A_ROW = 20

# What a resumed run may not change: the batches or the meaning of the optimiser's state would be others.
FIXED = (
    "size",
    "stage",
    "seed",
    "batch_size",
    "micro_batch",
    "online",
    "stream",
    "weight_decay",
    "beta1",
    "beta2",
    "ema_decay",
    "optimizer",
)
FIXED_SECTIONS = ("model", "noise", "conditioning", "simulation", "adaptation", "finetuning")


class DivergedError(RuntimeError):
    """The loss stayed non-finite."""


@dataclass
class Progress:
    """Counters of a run; all that ``state.json`` needs besides settings and schedule."""

    step: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    seconds: float = 0.0
    valid_loss: float | None = None
    stopped: bool = field(default=False, compare=False)


class Loop:
    """One run of training.

    Args:
        model: Called as ``model(**batches(step, unit))``; gives an output with ``loss``.
        batches: Inputs as a pure function of (step, unit); see ``batches.py``.
        validation: Fixed inputs; this process averages over its share of them.
        save: Writes the model and the tokenizer into a folder, given the record of the run.
        settings: With ``micro_batch`` resolved.
        accelerator: Moves, wraps, reduces.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Callable[[int, int], dict[str, torch.Tensor]],
        validation: Sequence[dict[str, torch.Tensor]],
        save: Callable[[Path, dict[str, Any]], None],
        settings: TrainSettings,
        accelerator: Accelerator,
    ) -> None:
        self.settings, self.accelerator, self.batches, self.validation, self.save = (
            settings,
            accelerator,
            batches,
            validation,
            save,
        )
        units = settings.batch_size // settings.micro_batch
        if units % accelerator.num_processes:
            raise ValueError(
                f"{units} micro-batches a step cannot be shared evenly by {accelerator.num_processes} processes"
            )
        self.units = range(accelerator.process_index, units, accelerator.num_processes)
        self.raw = model.to(accelerator.device)
        optimizer = make_optimizer(
            self.raw, settings.lr, settings.weight_decay, (settings.beta1, settings.beta2), settings.optimizer
        )
        self.model, self.optimizer = accelerator.prepare(self.raw, optimizer)
        self.average = WeightAverage(self.raw.parameters(), settings.ema_decay)
        self.progress, self.schedule = Progress(), self._plan()
        if settings.resume:
            self._restore()

    def _plan(self) -> Schedule:
        s = self.settings
        return Schedule.plan(s.total_steps, s.warmup, s.decay_fraction, s.schedule)

    def _restore(self) -> None:
        state = checkpoint.latest(self.settings.out)
        if state is None:
            raise ValueError(
                f"{self.settings.out}: no training state to resume in it; leave out --resume to start anew"
            )
        saved = checkpoint.read_counters(state)
        defaults = TrainSettings(
            data=self.settings.data, online=self.settings.online, size=self.settings.size
        ).to_dict()
        for key in (*FIXED, *FIXED_SECTIONS):
            # A setting that the run did not know had the effect of today's default.
            was, now = saved["settings"].get(key, defaults[key]), getattr(self.settings, key)
            if was != now:
                raise ValueError(f"--resume: {key} was {was!r} and cannot become {now!r}; use a new --out")
        was, now = ([share for _, share in sources_of(d)] for d in (saved["settings"]["data"], self.settings.data))
        if was != now:
            raise ValueError(f"--resume: the shares of --data were {was} and cannot become {now}; use a new --out")
        checkpoint.load_state(state, self.raw, self.average, self.optimizer)
        self.progress = Progress(**saved["progress"])
        if self.progress.step > self.settings.total_steps:
            seen, wanted = (n * self.settings.batch_size for n in (self.progress.step, self.settings.total_steps))
            raise ValueError(
                f"--resume: the run has seen {seen:,} galaxies already, more than the {wanted:,} asked for"
            )
        self.schedule = Schedule(**saved["schedule"]).prolong(self.progress.step, self._plan())

    def run(self) -> Progress:
        """Train to the last step, or to a signal to stop; what is reached is saved either way.

        Raises:
            DivergedError: after many steps in a row whose loss was not finite.
        """
        s, began = self.settings, self.progress.step
        if self.accelerator.is_main_process:
            Path(s.out).mkdir(parents=True, exist_ok=True)
        self.history = History(self.accelerator, s.out, began, self.schedule.end, s.batch_size)
        self.model.train()
        try:
            with _stop_signals() as stop:
                self._train(stop)
                if self.progress.step > began or not (Path(s.out) / "training.json").exists():
                    self._finish()
        finally:
            self.history.close()
        return self.progress

    def _train(self, stop: threading.Event) -> None:
        saved = time.monotonic()
        while self.progress.step < self.schedule.end and not self.progress.stopped:
            save_due = time.monotonic() - saved > 60 * self.settings.save_every
            save_now = self._step(stop.is_set(), save_due)
            if save_now and self.progress.step < self.schedule.end and not self.progress.stopped:
                self._save()
                saved = time.monotonic()

    def _finish(self) -> None:
        if not self.progress.stopped and self.progress.step % self.settings.valid_every:
            self._validate()
        self._save()

    def _step(self, stop: bool, save_due: bool) -> bool:
        """One optimiser step; says whether to save. All processes come to the same answer."""
        clock = time.monotonic()
        lr = self.settings.lr * self.schedule.factor(self.progress.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        loss = self._gradients()
        norm = self.accelerator.clip_grad_norm_(self.raw.parameters(), self.settings.grad_clip)
        told = torch.stack(
            [loss, norm.detach().float(), loss.new_tensor(float(stop)), loss.new_tensor(float(save_due))]
        )
        loss, norm, stop, save_due = self.accelerator.reduce(told, "mean").tolist()
        self._update(loss, norm)
        p = self.progress
        p.step, p.stopped = p.step + 1, stop > 0
        p.seconds += time.monotonic() - clock
        self.history.advance()
        if p.step % self.settings.log_every == 0:
            self._log(lr, norm)
        if p.step % self.settings.valid_every == 0:
            self._validate()
        every = self.settings.save_every_steps
        return save_due > 0 or bool(every and p.step % every == 0)

    def _gradients(self) -> torch.Tensor:
        """Accumulate the gradient over the units of this process; the mean loss over them."""
        total = torch.zeros((), device=self.accelerator.device)
        for i, unit in enumerate(self.units):
            inputs = self.batches(self.progress.step, unit)
            last = i == len(self.units) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                loss = self.model(**inputs).loss / len(self.units)
                self.accelerator.backward(loss)
            total += loss.detach().float()
        return total

    def _update(self, loss: float, norm: float) -> None:
        """Move the weights, unless the step is not finite: then skip it, and give up after many in a row."""
        p = self.progress
        if torch.isfinite(torch.tensor([loss, norm])).all():
            self.optimizer.step()
            self.average.update(p.step)
            p.loss_sum, p.loss_count, p.skipped_in_a_row = p.loss_sum + loss, p.loss_count + 1, 0
        else:
            p.skipped, p.skipped_in_a_row = p.skipped + 1, p.skipped_in_a_row + 1
        self.optimizer.zero_grad(set_to_none=True)
        if p.skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
            raise DivergedError(
                f"the loss was not finite in {p.skipped_in_a_row} steps in a row, up to step {p.step}: lower --lr "
                "(or look for absurd values in the data) and resume from the last save"
            )

    def _log(self, lr: float, norm: float) -> None:
        p = self.progress
        loss = p.loss_sum / p.loss_count if p.loss_count else None
        p.loss_sum, p.loss_count = 0.0, 0
        rate = self.history.rate()
        self.history.log(p.step, loss=loss, lr=lr, grad_norm=norm, galaxies_per_second=rate, skipped=p.skipped)

    @torch.no_grad()
    def _validate(self) -> None:
        """Loss of the mean weights on the fixed validation questions."""
        if not self.validation:
            return
        a = self.accelerator
        self.raw.eval()
        with self.average, a.autocast():
            mine = list(self.validation)[a.process_index :: a.num_processes]
            losses = [self.raw(**inputs).loss.float() * len(next(iter(inputs.values()))) for inputs in mine]
        self.raw.train()
        rows = sum(len(next(iter(inputs.values()))) for inputs in mine)
        total = a.reduce(
            torch.stack([sum(losses, torch.zeros((), device=a.device)), torch.tensor(float(rows), device=a.device)]),
            "sum",
        )
        self.progress.valid_loss = float(total[0] / total[1])
        self.history.log(self.progress.step, valid_loss=self.progress.valid_loss)

    def _save(self) -> None:
        """State first, then the model folder; the main process writes, the others wait."""
        if self.accelerator.is_main_process:
            s, p = self.settings, self.progress
            progress = {k: v for k, v in asdict(p).items() if k != "stopped"}
            counters = {
                "step": p.step,
                "progress": progress,
                "settings": s.to_dict(),
                "schedule": asdict(self.schedule),
            }
            checkpoint.save_state(s.out, self.raw, self.average, self.optimizer, counters)
            with self.average:
                checkpoint.export(s.out, self.save, self._record())
        self.accelerator.wait_for_everyone()

    def _record(self) -> dict[str, Any]:
        """What ``training.json`` tells a reader of the model folder."""
        s, p = self.settings, self.progress
        # Only the last part of a path: the folders of one machine mean nothing elsewhere, and may say too much.
        paths = {k: v and Path(v).name for k, v in s.to_dict().items() if k in ("valid_data", "out", "init_from")}
        names = [Path(name).name + (f":{share:g}" if share else "") for name, share in s.sources]
        paths["data"] = names if len(names) > 1 else next(iter(names), None)
        return {
            "galaxies_seen": p.step * s.batch_size,
            "steps": p.step,
            "finished": p.step >= self.schedule.end,
            "valid_loss": p.valid_loss,
            "skipped_steps": p.skipped,
            "seconds": round(p.seconds, 1),
            "processes": self.accelerator.num_processes,
            "device": self.accelerator.device.type,
            "mixed_precision": self.accelerator.mixed_precision,
            "settings": s.to_dict() | paths,
        }


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
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
