"""One self-contained HTML page about a run: what was trained, how the losses went, what the model reconstructs.

    python -m dare_eeg_hf.pretraining.report runs/nano
    python -m dare_eeg_hf.pretraining.report runs/nano --data windows/ --output nano.html

The page needs no other file and no network: figures are embedded, text is escaped. Reconstructions and scalp
maps need windows to look at: by default those the run prepared itself (RUN/windows), or `--data`.
"""

import argparse
import base64
import json
import math
import sys
import time
from pathlib import Path

import jinja2
import numpy as np
import torch
from matplotlib.figure import Figure

from dare_eeg_hf.atomic_files import write_text
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.corpora.loading import WindowCollator, load_windows, split_names
from dare_eeg_hf.masking_dare_eeg import draw_masks
from dare_eeg_hf.metrics_log import FILE_NAME, best_validation, read_metrics
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining, split_patches
from dare_eeg_hf.pretraining.checkpointing import CheckpointStore
from dare_eeg_hf.pretraining.run_state import chosen_step
from dare_eeg_hf.pretraining.step_inputs import model_inputs
from dare_eeg_hf.randomness import generator_for
from dare_eeg_hf.visualization import (
    plot_invariance,
    plot_loss_curves,
    plot_probes,
    plot_reconstruction,
    plot_scalp_map,
    png_of,
)

SHOWN_LOSS_ROWS = 2000
SHOWN_CHANNELS = 16


def write_report(run: str | Path, output: str | Path | None = None, data: str | Path | None = None) -> Path:
    """Write the report of a run, finished or under way.

    Args:
        run: the run's folder.
        output: the HTML file; `RUN/report.html` when None.
        data: windows for reconstructions; those below `RUN/windows` when None; without any, none are shown.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: when the folder holds no metrics.
    """
    run = Path(run)
    if not (run / FILE_NAME).is_file():
        raise FileNotFoundError(f"{run} holds no {FILE_NAME}: is it the folder of a run?")
    records = read_metrics(run / FILE_NAME)
    training = [record for record in records if record["split"] == "train"]
    validations = [record for record in records if record["split"] == "validation"]
    checkpoint = CheckpointStore(run / "checkpoints").latest()
    state = None if checkpoint is None else json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
    page = _template().render(
        name=run.resolve().name,
        written=time.strftime("%d %B %Y, %H:%M"),
        facts=_facts(checkpoint, state, training, validations),
        losses=_image(plot_loss_curves(_thin(training) + validations)) if records else None,
        probes=_probes(state, validations),
        invariance=_invariance(validations),
        collapsed=[record["step"] for record in validations if record.get("collapsed")],
        validations=validations[-20:],
        **_reconstruction(run, data),
    )
    return write_text(Path(output) if output else run / "report.html", page)


def _thin(records: list[dict]) -> list[dict]:
    """At most `SHOWN_LOSS_ROWS` records, evenly spaced: a figure has no points for more."""
    return records[:: max(1, math.ceil(len(records) / SHOWN_LOSS_ROWS))]


def _facts(
    checkpoint: Path | None, state: dict | None, training: list[dict], validations: list[dict]
) -> dict[str, object]:
    """The contents of the table at the top, from the newest checkpoint and its state, and the log."""
    facts: dict[str, object] = {}
    if checkpoint is not None:
        shown = {name: value for name, value in state["setup"].items() if value is not None and name != "probe_data"}
        facts |= {name.replace("_", " "): value for name, value in shown.items()}
        facts["newest checkpoint"] = checkpoint.name
    if training:
        facts["steps done"] = training[-1]["step"]
        speeds = [record["windows_per_second"] for record in training if record.get("windows_per_second")]
        facts["windows per second (median)"] = round(float(np.median(speeds)), 1) if speeds else "unknown"
    if best := best_validation(validations):
        facts["best validation loss"] = f"{best['loss']:.4f} at step {best['step']}"
    if probed := [record for record in validations if record.get("probe") is not None]:
        highest = max(probed, key=lambda record: record["probe"])
        facts["highest probe (balanced accuracy)"] = f"{highest['probe']:.4f} at step {highest['step']}"
    return facts


def _probes(state: dict | None, validations: list[dict]) -> dict[str, object] | None:
    """The figure of the probes, and the step they chose: the newest checkpoint knows when another judge began."""
    if not any(record.get("probe") is not None for record in validations):
        return None
    step = chosen_step(validations) if state is None else state["progress"]["best_step"]
    return {"image": _image(plot_probes(validations, step)), "step": step}


def _invariance(validations: list[dict]) -> dict[str, object] | None:
    """The newest invariance curve, its retrieval table, and the first one to compare it with."""
    measured = [record for record in validations if record.get("invariance")]
    if not measured:
        return None
    newest, first = measured[-1], measured[0]
    similarity = ("overlap", "similarity", "similarity_std")
    others = ("other_windows_similarity", "other_windows_similarity_std")
    curve = [{key: point[key] for key in (*similarity, *others)} for point in newest["invariance"]]
    return {
        "image": _image(plot_invariance(curve)),
        "step": newest["step"],
        "first_step": first["step"],
        "points": list(zip(newest["invariance"], first["invariance"], strict=False)),
        "chance": newest["chance"],
        "effective_rank": newest["effective_rank"],
        "feature_std": newest["feature_std"],
    }


def _reconstruction(run: Path, data: str | Path | None) -> dict[str, object]:
    """What the page shows of reconstructions; nothing without model or data."""
    drawn = draw_reconstruction(run, data)
    if drawn is None:
        return {"reconstruction": None, "scalp": None}
    figure, scalp, count = drawn
    scalp = None if scalp is None else _image(scalp)
    return {"reconstruction": _image(figure), "scalp": scalp, "windows_shown": count}


def draw_reconstruction(run: Path, data: str | Path | None = None) -> tuple[Figure, Figure | None, int] | None:
    """Draw a window with its reconstruction, and the reconstruction error over the scalp.

    Args:
        run: the run's folder.
        data: prepared windows, of which the validation split is drawn, or else train, or else the first; those below
            `RUN/windows` when None.

    Returns:
        Both figures (no scalp map for fewer than four channels) and the number of windows the error is the mean of;
        None where there is no model or there are no windows.
    """
    folder = _model_folder(run)
    source = Path(data) if data else next(iter(sorted((run / "windows").glob("*"))), None)
    if folder is None or source is None:
        return None
    model = DareEegForPreTraining.from_pretrained(folder).eval()
    splits = split_names(source)
    split = next((name for name in ("validation", "train") if name in splits), splits[0])
    windows = load_windows(source, split=split)
    batch = _first_windows(windows, model.config)
    values, names = _reconstruct(model, batch)
    shown = slice(0, SHOWN_CHANNELS)
    figure = plot_reconstruction(
        values["window"][0][shown],
        values["reconstruction"][0][shown],
        values["context"][:, shown],
        names[shown],
        model.config.sampling_rate,
        title=f"{run.resolve().name}, first window of {source.name} ({split})",
    )
    scalp = None
    if len(names) >= 4:
        error = dict(zip(names, values["error"].tolist(), strict=True))
        scalp = plot_scalp_map(error, f"{run.resolve().name}: error of hidden patches", "mean squared error")
    return figure, scalp, len(batch["input_values"])


def _model_folder(run: Path) -> Path | None:
    if (run / "model.safetensors").is_file():
        return run
    return CheckpointStore(run / "checkpoints").latest()


def _first_windows(windows, config, count: int = 32) -> dict[str, torch.Tensor]:
    """Up to `count` windows of the first window's montage and length."""
    rows = [windows[number] for number in range(min(len(windows), count))]
    layout = (rows[0]["channel_names"], len(rows[0]["signal"]))
    alike = [row for row in rows if (row["channel_names"], len(row["signal"])) == layout]
    collator = WindowCollator(config.channel_names, config.patch_size, sampling_rate=config.sampling_rate)
    return model_inputs(collator(alike), config)


@torch.no_grad()
def _reconstruct(model: DareEegForPreTraining, batch: dict[str, torch.Tensor]) -> tuple[dict, list[str]]:
    """Hide and reconstruct windows.

    Returns:
        `window` and `reconstruction (B, C, T)`, in units of each patch's own spread, NaN where nothing was hidden;
        `context (N, C)`, True where the encoder saw a patch; `error (C,)`; and the channels' names.
    """
    config = model.config
    patches = split_patches(batch["input_values"], config.patch_size)
    count, num_patches, num_channels, _ = patches.shape
    generator = generator_for(0, "report")
    # Every hidden patch is a target, so that the picture and the map are complete.
    masks = draw_masks(config.mask_settings, num_patches, num_channels, batch_size=count, generator=generator)
    context = masks.context_mask[:1]
    target = ~context
    output = model(**batch, context_mask=context, second_context_mask=context, target_mask=target, return_dict=True)
    normalised = torch.nn.functional.layer_norm(patches, patches.shape[-1:], eps=1e-5)
    rebuilt = torch.full_like(patches, torch.nan)
    rebuilt[:, target[0]] = output.reconstruction
    squares = (rebuilt - normalised).square().mean(-1)
    arrays = {
        name: grid.transpose(1, 2).flatten(2).numpy()
        for name, grid in (("window", normalised), ("reconstruction", rebuilt))
    }
    names = [config.channel_names[number] for number in batch["channel_ids"].tolist()]
    return {**arrays, "context": context[0].numpy(), "error": np.nanmean(squares.numpy(), axis=(0, 1))}, names


def _image(figure: Figure) -> str:
    """A figure as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png_of(figure, dpi=110)).decode()


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["short"] = lambda value: f"{value:.4g}" if isinstance(value, float) else value
    return environment.get_template("report.html")


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = CommandParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder of the run")
    parser.add_argument("--output", help="the page to write (default: RUN/report.html)")
    parser.add_argument("--data", help="folder of prepared windows to reconstruct (default: RUN/windows)")
    options = parser.parse_args(argv)
    try:
        print(write_report(options.run, options.output, options.data))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
