"""Which electrodes an answer rests on: what leaving each of them out takes from the winning class, over the head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dare_eeg_hf.montage import CHANNEL_VOCABULARY, normalize_channel_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST_CHANNELS = 2
"""Without its only channel a recording holds nothing to compare with."""

WHAT_IT_IS = (
    "How much the probability of the winning class falls, on average over up to 12 whole windows spread over the "
    "recording, when the model is not given an electrode. It tells what this model used here, not where in the brain "
    "something comes from: neighbours that carry the same signal stand in for each other."
)


def importance_of_channels(
    classify: Any, recording: Any, predictions: Sequence[Mapping[str, Any]], **options: Any
) -> dict[str, float]:
    """Return the importance of each channel for the answers about a recording; nothing where there is none to tell.

    That is for a regression, a single channel, and a recording without one whole window that is usable.

    Args:
        classify: The pipeline of the classifier.
        recording: What it labelled.
        predictions: Its answers.
        options: Of `EegClassificationPipeline.channel_importance`.
    """
    if not predictions or "scores" not in predictions[0]:
        return {}
    if not any(each["usable"] and not each["partial"] for each in predictions):
        return {}
    if max(each["channels"] for each in predictions) < FEWEST_CHANNELS:
        return {}
    return classify.channel_importance(recording, **options)


def plot_importance(importance: Mapping[str, float], title: str = "") -> Figure | None:
    """Draw importance over the head; None where fewer than two of the channels have a place on it."""
    from dare_eeg_hf.visualization import plot_scalp_map

    on_scalp = {normalize_channel_name(name): value for name, value in importance.items()}
    on_scalp = {name: value for name, value in on_scalp.items() if name in CHANNEL_VOCABULARY}
    if len(on_scalp) < FEWEST_CHANNELS:
        return None
    return plot_scalp_map(on_scalp, title or "What leaving an electrode out takes away", "fall in probability")
