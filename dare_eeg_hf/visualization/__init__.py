"""Figures of recordings, predictions, masks and training, as plain matplotlib Figures (no pyplot state).

Colours are the eight of Okabe and Ito, which people with any colour vision tell apart, and perceptually even maps.
Every function returns a Figure; keep it with `figure.savefig("name.png", dpi=150)`.
"""

from dare_eeg_hf.visualization.confusion import plot_confusion
from dare_eeg_hf.visualization.curves import (
    Curve,
    Panel,
    plot_curves,
    plot_invariance,
    plot_loss_curves,
    plot_probes,
)
from dare_eeg_hf.visualization.embedding_map import plot_embedding_map, project_to_plane
from dare_eeg_hf.visualization.people import plot_people
from dare_eeg_hf.visualization.predictions import plot_classification, plot_predictions
from dare_eeg_hf.visualization.scalp import plot_scalp_map
from dare_eeg_hf.visualization.signals import plot_reconstruction, plot_spectrum, plot_traces
from dare_eeg_hf.visualization.style import OKABE_ITO, png_of

__all__ = [
    "OKABE_ITO",
    "Curve",
    "Panel",
    "plot_classification",
    "plot_confusion",
    "plot_curves",
    "plot_embedding_map",
    "plot_invariance",
    "plot_loss_curves",
    "plot_people",
    "plot_predictions",
    "plot_probes",
    "plot_reconstruction",
    "plot_scalp_map",
    "plot_spectrum",
    "plot_traces",
    "png_of",
    "project_to_plane",
]
