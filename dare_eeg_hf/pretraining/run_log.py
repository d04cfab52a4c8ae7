"""Where a run's numbers go: metrics.jsonl, Accelerate's trackers, the progress bar."""

import math
import time
from pathlib import Path

import torch
from accelerate import Accelerator
from tqdm.auto import tqdm

from dare_eeg_hf.metrics_log import FILE_NAME, MetricsLog
from dare_eeg_hf.pretraining.processes import ProcessGroup
from dare_eeg_hf.progress import progress_bar


class NotFiniteError(ArithmeticError):
    """A step's numbers contain NaN or infinity.

    Attributes:
        steps_ago: how many steps after it were taken before its numbers were read.
        values: its numbers.
    """

    def __init__(self, steps_ago: int, values: dict[str, float]) -> None:
        super().__init__(str(values))
        self.steps_ago, self.values = steps_ago, values


class RunLog:
    """The numbers of one run.

    Args:
        accelerator: knows the trackers.
        processes: who writes, and whose numbers are averaged.
        output_dir: the run's folder.
        windows_per_step: for the throughput.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        processes: ProcessGroup,
        output_dir: Path,
        windows_per_step: int,
    ) -> None:
        self.accelerator = accelerator
        self.processes = processes
        self.names: list[str] = []
        self.rates: dict[str, float] = {}
        self.windows_per_step = windows_per_step
        self.metrics = MetricsLog(output_dir / FILE_NAME if processes.is_main else None)
        self._recent: list[torch.Tensor] = []
        self._said: set[str] = set()

    def open(self, step: int, total_steps: int, settings: dict[str, object]) -> None:
        """Start the trackers, the progress bar and the clock."""
        if self.accelerator.log_with:
            simple = {
                name: value if isinstance(value, (int, float, str, bool)) else str(value)
                for name, value in settings.items()
            }
            self.accelerator.init_trackers("pretraining", config=simple)
        self._bar = progress_bar(total=total_steps, initial=step, unit="step", show=self.processes.is_main)
        self.restart_clock(step)

    def close(self) -> None:
        """Finish the bar and the trackers."""
        self._bar.close()
        try:
            self.accelerator.end_training()
        except OSError as error:  # the run is over, and its outcome matters more than the last points of a curve
            self.say(f"Warning: the trackers may lack the last steps, which {FILE_NAME} holds: {error}.")

    def restart_clock(self, step: int) -> None:
        """Measure throughput from here on."""
        self._clock, self._clock_step = time.monotonic(), step

    def note_step(self, losses: dict[str, torch.Tensor], gradient_norm: torch.Tensor, rates: dict[str, float]) -> None:
        """Keep a step's numbers on the device; reading them here would make the device wait at every step."""
        self.names, self.rates = [*losses, "gradient_norm"], rates
        self._recent.append(torch.stack([*losses.values(), gradient_norm]))
        self._bar.update()

    def collect(self) -> list[list[float]]:
        """The newest steps' numbers, averaged over processes, one row a step.

        A gradient scaler finds its factor by trial: where the gradient overflows it skips the step and takes a
        smaller one. Such a step has a loss, but no meaningful gradient norm.

        Raises:
            NotFiniteError: for the first step whose numbers are not finite.
        """
        if not self._recent:
            return []
        rows = torch.stack(self._recent).double().cpu()
        self._recent.clear()
        sums = self.processes.sum(rows.flatten().tolist())
        rows = (torch.tensor(sums, dtype=torch.float64) / self.processes.world_size).view(rows.shape)
        judged = rows if self.accelerator.scaler is None else rows[:, :-1]
        broken = (~judged.isfinite()).any(1).nonzero().flatten().tolist()
        if broken:
            values = dict(zip(self.names, rows[broken[0]].tolist(), strict=True))
            raise NotFiniteError(len(rows) - 1 - broken[0], values)
        return rows.tolist()

    def is_skipped(self, row: list[float]) -> bool:
        """Whether the gradient scaler skipped the step of this row."""
        return self.accelerator.scaler is not None and not math.isfinite(row[-1])

    def write_training(self, step: int, epoch: int, rows: list[list[float]]) -> None:
        """Write the mean of some steps' rows, and show it on the bar."""
        *losses, norms = torch.tensor(rows, dtype=torch.float64).unbind(1)
        taken = torch.tensor([not self.is_skipped(row) for row in rows])
        means = [*(loss.mean().item() for loss in losses), norms[taken].mean().item()]
        values = dict(zip(self.names, means, strict=True))
        if self.accelerator.scaler is not None:
            values["skipped_steps"] = len(rows) - int(taken.sum())
        elapsed = max(time.monotonic() - self._clock, 1e-9)
        speed = (step - self._clock_step) * self.windows_per_step / elapsed
        self.restart_clock(step)
        record = {"step": step, "epoch": epoch, "split": "train", **values, **self.rates}
        self.write({**record, "windows_per_second": speed})
        self._bar.set_postfix({"loss": f"{values['loss']:.4f}", "windows/s": f"{speed:.1f}"}, refresh=False)

    def write(self, record: dict[str, object]) -> None:
        """Append a record to metrics.jsonl and give its numbers to the trackers."""
        self.metrics.write(record)
        numbers = {key: value for key, value in record.items() if isinstance(value, (int, float)) and key != "step"}
        self.accelerator.log({f"{record['split']}/{key}": number for key, number in numbers.items()}, record["step"])

    def say(self, message: str) -> None:
        """Print in one process, above the progress bar."""
        if self.processes.is_main:
            tqdm.write(message)

    def say_once(self, message: str) -> None:
        """Print a message the first time only."""
        if message not in self._said:
            self._said.add(message)
            self.say(message)
