"""The Space: drop a recording, see what was done to it, what the model says along time, and which channels matter.

    DARE_EEG_MODEL=model_cards/dare-eeg-nano-eyes python -m dare_eeg_hf.hub.space.app

Variables: DARE_EEG_MODEL, a checkpoint folder or Hub id of a fine-tuned classifier; DARE_EEG_MAX_MEGABYTES and
DARE_EEG_MAX_MINUTES, the limits on recordings.
"""

import html
import logging
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

# Before gradio is imported: otherwise it reports starts and uses to its developers.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
import mne

from dare_eeg_hf.caps_dare_eeg import known_caps
from dare_eeg_hf.channel_importance import importance_of_channels, plot_importance
from dare_eeg_hf.checkpoints import load_pipeline
from dare_eeg_hf.hub.handler import RequestError, file_suffix
from dare_eeg_hf.predictions import save_annotations, save_predictions
from dare_eeg_hf.recordings.recordings import RecordingReport, normalize_raw, read_raw
from dare_eeg_hf.recordings.simulation import simulate_recordings
from dare_eeg_hf.remedies_dare_eeg import PAGE, message_on
from dare_eeg_hf.visualization import plot_classification, plot_traces

MAX_MEGABYTES = int(os.environ.get("DARE_EEG_MAX_MEGABYTES", 100))
MAX_MINUTES = float(os.environ.get("DARE_EEG_MAX_MINUTES", 60))
TRACE_SECONDS = 10
KEEP_SECONDS = 3600

INTRODUCTION = """# EEG along time
Drop a recording (EDF, BDF or GDF) to see which of its channels are used, what the model says about every few seconds
of it, and which channels it listens to.
**For research only: this is not a medical device, and nothing here is a diagnosis.**
"""
NO_MODEL = """# This Space has no model yet
Set the variable `DARE_EEG_MODEL` in the Space's settings to the Hub id of a fine-tuned DARE-EEG classifier.
"""
PRIVACY = (
    "Files stay on this machine. Uploads are deleted within two hours, results at the first analysis an hour or more "
    "after them. At most {megabytes} MB and {minutes:g} minutes."
)

logger = logging.getLogger(__name__)


AS_RECORDED = "as the file says"
UNITS = (AS_RECORDED, "V", "mV", "uV", "nV")
NOT_NUMBERED = "channels have names"


def open_upload(path: str | None) -> mne.io.BaseRaw:
    """Open an uploaded file after checking its size, format and duration.

    Raises:
        ValueError: With a sentence for the person who uploaded it.
    """
    if path is None:
        raise RequestError("Choose a recording first.")
    size = os.path.getsize(path)
    if size > MAX_MEGABYTES * 1e6:
        raise RequestError(f"The file has {size / 1e6:.0f} MB; at most {MAX_MEGABYTES} MB are accepted here.")
    with open(path, "rb") as file:
        file_suffix(file.read(16))
    raw = read_raw(path)
    minutes = raw.n_times / raw.info["sfreq"] / 60
    if minutes > MAX_MINUTES:
        raise RequestError(f"The recording lasts {minutes:.0f} minutes; at most {MAX_MINUTES:g} are accepted here.")
    return raw


def describe_montage(report: RecordingReport) -> list[list[str]]:
    """Return one row per recorded channel: its name, the electrode it stands for, what became of it."""
    rows = []
    electrode_of = {name: name for name in report.recorded_channels} | report.renamed
    for name in report.recorded_channels:
        electrode = electrode_of[name]
        if name in report.dropped:
            rows.append([name, "", f"not used: {report.dropped[name]}"])
        elif electrode in report.bad:
            rows.append([name, electrode, f"not used: {report.bad[electrode]}"])
        else:
            rows.append([name, electrode, "used"])
    return rows


def describe_recording(report: RecordingReport, electrodes: str) -> str:
    """Return a summary as HTML, every text of the file escaped; `electrodes` says how many the model knows."""
    used = len(report.channels)
    lines = [
        f"{report.duration / 60:.1f} minutes at {report.sampling_rate:g} Hz; {used} of "
        f"{len(report.recorded_channels)} channels are used.",
        f"{electrodes[:1].upper()}{electrodes[1:]}.",
        f"Missing electrodes of the model: {', '.join(report.missing) or 'none'}.",
        f"Steps: {'; '.join(report.steps)}.",
        *(f"Note: {warning}" for warning in report.warnings),
    ]
    return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>"


def sentence(text: str, error: bool = False) -> str:
    """Return one sentence as HTML, escaped."""
    color = "#B00020" if error else "inherit"
    return f'<p id="outcome" style="color: {color}; font-weight: 600">{html.escape(text)}</p>'


class Analysis:
    """What happens to an upload; holds the model and the folder for downloads."""

    def __init__(self, classify: Any, folder: Path) -> None:
        self.classify = classify
        self.folder = folder

    def __call__(
        self, path: str | None, overlap: float, unit: str = AS_RECORDED, montage: str = NOT_NUMBERED
    ) -> list[Any]:
        """Analyse a file; returns the values of the page's outputs, or a sentence and empty ones."""
        try:
            known = {
                "unit": None if unit == AS_RECORDED else unit,
                "montage": None if montage == NOT_NUMBERED else montage,
            }
            return self.analyse(open_upload(path), overlap, {name: value for name, value in known.items() if value})
        except (ValueError, OSError) as error:
            return [sentence(self._without_path(message_on(PAGE, error), path), error=True)] + [None] * 6
        except Exception:
            # The cause belongs in the log: its text could hold paths of this machine.
            logger.exception("An analysis failed.")
            return [sentence("The recording could not be analysed.", error=True)] + [None] * 6

    def _without_path(self, message: str, path: str | None) -> str:
        return message.replace(f"{Path(path).parent}{os.sep}", "") if path else message

    def analyse(self, raw: mne.io.BaseRaw, overlap: float, known: dict[str, str] | None = None) -> list[Any]:
        """Normalise, label, and ask for the importance of each channel.

        Args:
            raw: The recording.
            overlap: Of the windows.
            known: `unit` and `montage`, where the visitor has said them.
        """
        known = known or {}
        normalised, report = normalize_raw(raw, self.classify.feature_extractor, **known)
        # A classifier adapted to the electrodes of one data set needs the recording as it is.
        as_it_is = self.classify.feature_extractor.electrode_names is not None
        recording, known = (raw, known) if as_it_is else (normalised, {})
        predictions = self.classify(recording, overlap=overlap, progress=False, **known)
        report.warnings += predictions.report.warnings
        return [
            sentence(self._verdict(predictions)),
            describe_recording(report, predictions.report.electrodes),
            describe_montage(report),
            self._draw_traces(normalised),
            self._draw_predictions(predictions),
            self._draw_importance(recording, predictions, known),
            self._save(predictions),
        ]

    def _verdict(self, predictions: list[dict[str, Any]]) -> str:
        if "label" not in predictions[0]:
            return f"{len(predictions)} windows; the values are in the table below."
        labels = [window["label"] for window in predictions if window["usable"]]
        shares = {label: labels.count(label) / len(labels) for label in dict.fromkeys(labels)}
        parts = [f"{label} in {share:.0%}" for label, share in sorted(shares.items(), key=lambda item: -item[1])]
        unusable = len(predictions) - len(labels)
        note = f" {unusable} more hold no usable signal and got no label." if unusable else ""
        return f"{len(labels)} windows: {', '.join(parts) or 'none with a label'}.{note}"

    def _draw_traces(self, normalised: mne.io.BaseRaw):
        rate = normalised.info["sfreq"]
        signal = normalised.get_data(stop=min(normalised.n_times, int(TRACE_SECONDS * rate)))
        return plot_traces(signal * 1e6, normalised.ch_names, rate)

    def _draw_predictions(self, predictions: list[dict[str, Any]]):
        if "scores" not in predictions[0]:
            return None
        return plot_classification(predictions)

    def _draw_importance(self, recording: mne.io.BaseRaw, predictions: list[dict[str, Any]], known: dict[str, str]):
        return plot_importance(importance_of_channels(self.classify, recording, predictions, progress=False, **known))

    def _save(self, predictions: list[dict[str, Any]]) -> list[str]:
        """Write the files to download; those of analyses an hour or more ago are deleted, as the page says."""
        for old in self.folder.iterdir():
            if time.time() - old.stat().st_mtime > KEEP_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        files = [save_predictions(predictions, folder / f"predictions{suffix}") for suffix in (".csv", ".json")]
        if "label" in predictions[0]:
            files.append(save_annotations(predictions, folder / "annotations.csv"))
        return [str(file) for file in files]


def figure_under(heading: str, elem_id: str) -> gr.Plot:
    """Add a heading and a place for a figure; a label inside the figure would cover its first row."""
    gr.Markdown(f"### {heading}")
    return gr.Plot(show_label=False, format="png", elem_id=elem_id)


def build_app(model: str | None, folder: Path) -> gr.Blocks:
    """Return the page for a model; `folder` holds examples and downloads."""
    # Every hour gradio deletes uploads, and its copies of results, that are older than an hour.
    with gr.Blocks(title="DARE-EEG", analytics_enabled=False, delete_cache=(KEEP_SECONDS, KEEP_SECONDS)) as app:
        if not model:
            gr.Markdown(NO_MODEL)
            return app
        classify = load_pipeline(model)
        if classify.task != "eeg-classification":
            raise ValueError(f"{model} has no classifier; DARE_EEG_MODEL must name a fine-tuned one.")
        downloads = folder / "downloads"
        downloads.mkdir()
        examples = simulate_recordings(folder / "examples", subjects=1, seconds=60)
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column(scale=1):
                upload = gr.File(label="Recording", file_types=[".edf", ".bdf", ".gdf"], elem_id="upload")
                overlap = gr.Slider(0, 0.75, value=0, step=0.25, label="Overlap of windows")
                unit = gr.Dropdown(UNITS, value=AS_RECORDED, label="Unit of the numbers", elem_id="unit")
                cap = gr.Dropdown(
                    [NOT_NUMBERED, *known_caps()],
                    value=NOT_NUMBERED,
                    label="Cap, where channels are numbered",
                    elem_id="cap",
                )
                analyse = gr.Button("Analyse", variant="primary", elem_id="analyse")
                gr.Examples(
                    [[str(path)] for path in examples],
                    inputs=[upload],
                    example_labels=["Simulated, eyes open", "Simulated, eyes closed"],
                )
                gr.Markdown(PRIVACY.format(megabytes=MAX_MEGABYTES, minutes=MAX_MINUTES))
            with gr.Column(scale=3):
                outcome = gr.HTML(elem_id="outcome-box")
                predictions = figure_under("Predictions along time", "predictions")
                importance = figure_under("Importance of the channels", "importance")
                traces = figure_under(f"First {TRACE_SECONDS} seconds, as the model sees them", "traces")
                with gr.Accordion("What was done to the recording", open=True):
                    summary = gr.HTML(elem_id="summary")
                    montage = gr.Dataframe(
                        headers=["Channel in the file", "Electrode", "Outcome"],
                        datatype=["str", "str", "str"],
                        interactive=False,
                        elem_id="montage",
                    )
                files = gr.File(label="Results", file_count="multiple", interactive=False, elem_id="downloads")
        analyse.click(
            Analysis(classify, downloads),
            inputs=[upload, overlap, unit, cap],
            outputs=[outcome, summary, montage, traces, predictions, importance, files],
            api_name="analyse",
        )
    return app


def main() -> None:
    """Serve the page until interrupted; host and port are gradio's, GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    # Fonts by name only: gradio's usual ones are fetched from another company's server by every visitor.
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    with tempfile.TemporaryDirectory(prefix="dare_eeg_space_") as folder:
        app = build_app(os.environ.get("DARE_EEG_MODEL"), Path(folder))
        app.queue(default_concurrency_limit=1, max_size=20)
        app.launch(max_file_size=f"{MAX_MEGABYTES}mb", ssr_mode=False, theme=theme, footer_links=[])


if __name__ == "__main__":
    main()
