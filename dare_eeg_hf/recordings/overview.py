"""One figure of what normalisation did to a recording: traces and spectrum before and after, amplitudes over the
head."""

import mne
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dare_eeg_hf.montage import match_channels
from dare_eeg_hf.visualization import plot_scalp_map, plot_spectrum, plot_traces

SHOWN_SECONDS = 10.0
SPECTRUM_SECONDS = 300.0


def plot_recording(before: mne.io.BaseRaw, after: mne.io.BaseRaw, title: str = "") -> Figure:
    """Show a recording before and after normalisation.

    Args:
        before: the Raw as it was read. Its scalp channels are shown.
        after: the Raw that `normalize_raw` made of it.
        title: such as the file's name.

    Returns:
        A Figure with ten seconds of traces from the middle (before and after), both spectra, and the standard
        deviation at each electrode after normalisation.
    """
    match = match_channels(before.ch_names)
    picks = list(match.indices.values()) or mne.pick_types(before.info, eeg=True, exclude=())
    names = list(match.indices) or [before.ch_names[pick] for pick in picks]
    middle = max(0.0, before.n_times / before.info["sfreq"] / 2 - SHOWN_SECONDS / 2)
    deviation = after.get_data().std(axis=1) * 1e6
    panels = [
        [
            plot_traces(_cut(before, picks, middle, SHOWN_SECONDS), names, before.info["sfreq"], middle),
            plot_traces(_cut(after, None, middle, SHOWN_SECONDS), after.ch_names, after.info["sfreq"], middle),
        ],
        [
            plot_spectrum(
                {"before": _around(before, picks), "after": _around(after, None)},
                {"before": before.info["sfreq"], "after": after.info["sfreq"]},
                (after.info["highpass"], after.info["lowpass"]),
            ),
            plot_scalp_map(dict(zip(after.ch_names, deviation, strict=True)), "Amplitude after normalisation", "µV"),
        ],
    ]
    return _arrange(panels, ["Before", "After"], title)


def _cut(raw: mne.io.BaseRaw, picks: list[int] | None, onset: float, seconds: float) -> np.ndarray:
    """(channels, samples) in microvolts of a stretch, as far as the recording goes."""
    rate = raw.info["sfreq"]
    start = min(int(onset * rate), max(0, raw.n_times - 2))
    return raw.get_data(picks, start, min(raw.n_times, start + max(2, int(seconds * rate)))) * 1e6


def _around(raw: mne.io.BaseRaw, picks: list[int] | None) -> np.ndarray:
    """The middle of a recording, enough of it for a spectrum."""
    duration = raw.n_times / raw.info["sfreq"]
    return _cut(raw, picks, max(0.0, (duration - SPECTRUM_SECONDS) / 2), SPECTRUM_SECONDS)


def _arrange(panels: list[list[Figure]], headings: list[str], title: str) -> Figure:
    """Put finished figures on one page, as pictures: each keeps the layout it was made with."""
    pictures = [[_picture(figure) for figure in row] for row in panels]
    heights = [max(picture.shape[0] / picture.shape[1] for picture in row) for row in pictures]
    width = 16.0
    page = Figure(figsize=(width, width / 2 * sum(heights) + 0.8), dpi=110, layout="constrained")
    grid = page.subplots(len(panels), len(panels[0]), height_ratios=heights)
    for axes_row, picture_row in zip(grid, pictures, strict=True):
        for axes, picture in zip(axes_row, picture_row, strict=True):
            axes.imshow(picture, interpolation="antialiased")
            axes.axis("off")
    for axes, heading in zip(grid[0], headings, strict=True):
        axes.set_title(heading, loc="left", fontweight="bold")
    if title:
        page.suptitle(title)
    return page


def _picture(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(130)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())
