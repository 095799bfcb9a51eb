"""The training loop: Accelerate moves and wraps, this file says what a step is, when to save and when to stop."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import nn

from . import checkpoint, diagnosis, sharding
from .history import History
from .optimization import WeightAverage, make_optimizer
from .progress import Progress
from .resuming import plan_of, refuse_other_run, resumed_schedule
from .schedule import Schedule
from .settings import TrainSettings
from .signals import stop_signals
from .trouble import DivergedError, OutOfMemoryError, SaveError


class Loop:
    """One run of training.

    Args:
        model: Called as ``model(**batches(step, unit))``; gives an output with ``loss``.
        batches: Inputs as a pure function of (step, unit); see ``batches.py``.
        validation: Fixed inputs; this process averages over its share of them.
        save: Writes the model and the tokenizer into a folder, given the record of the run.
        settings: With ``micro_batch`` resolved.
        accelerator: Moves, wraps, reduces; one process or more, each with all weights (DDP) or with a part (FSDP2).

    Raises:
        ValueError: the processes cannot share the batch, there is too little disk, or nothing that could be resumed.
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
        self.sharded = sharding.is_sharded(accelerator)
        # A sharded model cannot be saved as it is: the one that was given stays whole, and takes the weights to save.
        self.given = model
        self.raw = (deepcopy(model) if self.sharded else model).to(accelerator.device)
        if self.sharded:
            sharding.shard(self.raw, accelerator)
        optimizer = make_optimizer(
            self.raw, settings.lr, settings.weight_decay, (settings.beta1, settings.beta2), settings.optimizer
        )
        self.model, self.optimizer = accelerator.prepare(self.raw, optimizer)
        self.average = WeightAverage(self.raw.parameters(), settings.ema_decay)
        self.progress, self.schedule = Progress(), plan_of(settings)
        checkpoint.check_room(settings.out, model)
        if settings.resume:
            self._restore()

    def _restore(self) -> None:
        state = checkpoint.latest(self.settings.out)
        if state is None:
            raise ValueError(
                f"{self.settings.out}: no training state to resume in it; leave out --resume to start anew"
            )
        saved = checkpoint.read_counters(state)
        refuse_other_run(saved["settings"], self.settings)
        self.progress = Progress(**saved["progress"])
        own = Schedule(**saved["schedule"])
        self.schedule = resumed_schedule(saved["settings"], self.settings, own, self.progress.step)
        checkpoint.load_state(state, self.raw, self.average, self.optimizer)

    def run(self) -> Progress:
        """Train to the last step, to a signal to stop, or till validation no longer improves; then save.

        Raises:
            DivergedError: a loss or a gradient that is not finite; names the galaxies.
            OutOfMemoryError: says how many galaxies would fit.
            SaveError: the disk is full, or gone.
        """
        s, began = self.settings, self.progress.step
        try:
            if self.accelerator.is_main_process:
                Path(s.out).mkdir(parents=True, exist_ok=True)
            self.history = History(self.accelerator, s.out, began, self.schedule.end, s.batch_size)
            self.model.train()
            with stop_signals() as stop:
                self._train(stop)
                if self.progress.step > began or not (Path(s.out) / "training.json").exists():
                    self._finish()
        except OSError as error:
            raise SaveError(f"{error.filename or s.out}: {error.strerror or error}; {self._last_state()}") from error
        finally:
            if hasattr(self, "history"):
                self.history.close()
        return self.progress

    def _train(self, stop: threading.Event) -> None:
        saved = time.monotonic()
        while self.progress.step < self.schedule.end and not self.progress.stopped:
            save_due = time.monotonic() - saved > 60 * self.settings.save_every
            full = ""
            try:
                save_now = self._step(stop.is_set(), save_due)
            except (RuntimeError, MemoryError) as error:
                if not diagnosis.is_out_of_memory(error):
                    raise
                full = str(error).split("\n")[0] or type(error).__name__
            if full:  # out here, because the error holds the tensors of the step
                self._out_of_memory(full)
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
        norm = sharding.whole(self.accelerator.clip_grad_norm_(self.raw.parameters(), self.settings.grad_clip))
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
                with self.accelerator.autocast() if self.sharded else nullcontext():
                    loss = self.model(**inputs).loss / len(self.units)
                self.accelerator.backward(loss)
            total += loss.detach().float()
        return total

    def _update(self, loss: float, norm: float) -> None:
        """Move the weights, unless the step is not finite: then stop, or pass over a few such steps if told to."""
        p = self.progress
        if math.isfinite(loss) and math.isfinite(norm):
            self.optimizer.step()
            self.average.update(p.step)
            p.loss_sum, p.loss_count, p.skipped_in_a_row = p.loss_sum + loss, p.loss_count + 1, 0
            for warning in p.watch.step(loss, norm):
                self.history.warn(p.step + 1, warning)
        else:
            self._not_finite(loss, norm)
        self.optimizer.zero_grad(set_to_none=True)

    def _not_finite(self, loss: float, norm: float) -> None:
        """Name the galaxies of a step without finite loss; the weights have not been moved by it."""
        p, s = self.progress, self.settings
        p.skipped, p.skipped_in_a_row = p.skipped + 1, p.skipped_in_a_row + 1
        with self.accelerator.autocast():
            galaxies = diagnosis.bad_galaxies(self.raw, self.batches, p.step, self.units)
        what = f"not finite (loss {loss:g}, norm of its gradient {norm:g}: "
        what += f"{diagnosis.in_words(galaxies, s.batch_size)})"
        give_up = p.skipped_in_a_row > s.max_skipped
        self.history.warn(p.step + 1, what + ("" if give_up else "; passed over"), galaxies=galaxies)
        if give_up:
            number = f", {p.skipped_in_a_row} such steps in a row" if s.max_skipped else ""
            raise DivergedError(
                f"step {p.step + 1} is {what}{number}; {self._last_state()}. Mend the galaxies, or lower --lr, and "
                f"resume; --max-skipped {max(5, 2 * s.max_skipped)} passes over such steps"
            )

    def _last_state(self) -> str:
        """The last save, in words."""
        state = checkpoint.latest(self.settings.out)
        return f"the last save is whole: {state}" if state else "nothing was saved yet"

    def _out_of_memory(self, reason: str) -> None:
        """Say how many galaxies at a time would fit into the memory."""
        s, p, many = self.settings, self.progress, self.accelerator.num_processes
        self.optimizer.zero_grad(set_to_none=True)
        sizes = diagnosis.smaller_batches(s.batch_size, s.micro_batch, many)
        if self.sharded:  # a trial needs all processes, and the others are waiting elsewhere
            advice = f"try --micro-batch {sizes[0]}" if sizes else "use a smaller model"
        else:
            with self.accelerator.autocast():
                inputs = self.batches(p.step, self.units[0])
                fits = diagnosis.largest_that_fits(self.raw, inputs, sizes)
            advice = f"{fits} fit: --micro-batch {fits}" if fits else "not even one fits: use a smaller --size"
            advice += f" (a step keeps its {s.batch_size} galaxies)" if fits else ""
        raise OutOfMemoryError(
            f"out of memory in step {p.step + 1} with {s.micro_batch} galaxies at a time ({reason}); {advice}; "
            f"{self._last_state()}"
        )

    def _log(self, lr: float, norm: float) -> None:
        p = self.progress
        loss = p.loss_sum / p.loss_count if p.loss_count else None
        p.loss_sum, p.loss_count = 0.0, 0
        rate = self.history.rate()
        self.history.log(p.step, loss=loss, lr=lr, grad_norm=norm, galaxies_per_second=rate, skipped=p.skipped)

    @torch.no_grad()
    def _validate(self) -> None:
        """Loss of the mean weights on the fixed validation questions; warn, keep the best, stop if it is time."""
        if not self.validation:
            return
        a, p = self.accelerator, self.progress
        self.raw.eval()
        total = torch.zeros(2, device=a.device)
        with self.average, a.autocast():
            # All processes take as many batches, which sharded weights need; what is over counts nothing.
            for start in range(0, len(self.validation), a.num_processes):
                number = start + a.process_index
                inputs = self.validation[min(number, len(self.validation) - 1)]
                rows = len(next(iter(inputs.values()))) * (number < len(self.validation))
                loss = self.raw(**inputs).loss.float()
                total += torch.stack([loss * rows, loss.new_tensor(float(rows))])
        self.raw.train()
        total = a.reduce(total, "sum")
        p.valid_loss = float(total[0] / total[1])
        self.history.log(p.step, valid_loss=p.valid_loss)
        for warning in p.watch.validation(p.step, p.valid_loss):
            self.history.warn(p.step, warning)
        if p.watch.best_step == p.step:
            self._write(lambda: self._export(Path(self.settings.out) / checkpoint.BEST))
        patience = self.settings.patience
        if patience and p.watch.unimproved >= patience and not p.stopped:
            p.stopped = True
            p.reason = f"no better validation in {patience}; the best, {p.watch.best:.4f} at step {p.watch.best_step}"

    def _save(self) -> None:
        """State first, then the model folder; the main process writes, the others wait."""
        s, p = self.settings, self.progress
        if not p.watch.worse:
            p.good_step = p.step
        counters = {
            "step": p.step,
            "progress": p.to_dict(),
            "settings": s.to_dict(),
            "schedule": asdict(self.schedule),
        }
        parts = (self.raw, self.average, self.optimizer)
        write = self.accelerator.is_main_process
        self._write(lambda: checkpoint.save_state(s.out, *parts, counters, keep=p.good_step, write=write))
        self._write(lambda: self._export(Path(s.out)))

    def _export(self, folder: Path) -> None:
        """The model with its mean weights, for use."""
        main = self.accelerator.is_main_process
        if self.sharded:
            named = [name for name, q in self.raw.named_parameters() if q.requires_grad]
            mean = dict(zip(named, map(sharding.whole, self.average.mean), strict=True))
            with torch.no_grad():
                for name, parameter in self.given.named_parameters():
                    if name in mean:
                        parameter.copy_(mean[name])
            if main:
                checkpoint.export(folder, self.save, self._record())
        elif main:
            with self.average:
                checkpoint.export(folder, self.save, self._record())

    def _write(self, write: Callable[[], Any]) -> None:
        """Do what writes, on all processes; if the disk refuses, all of them stop."""
        failed = [""]
        try:
            write()
        except SaveError as error:
            failed = [str(error)]
        failed = broadcast_object_list(failed)
        if failed[0]:
            raise SaveError(f"{failed[0]}; {self._last_state()}")

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
            "best_valid_loss": p.watch.best,
            "best_step": p.watch.best_step,
            "skipped_steps": p.skipped,
            "seconds": round(p.seconds, 1),
            "processes": self.accelerator.num_processes,
            "device": self.accelerator.device.type,
            "mixed_precision": self.accelerator.mixed_precision,
            "settings": s.to_dict() | paths,
        }
