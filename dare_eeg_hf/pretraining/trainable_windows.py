"""Before the first step: can a model be pre-trained on these windows? What cannot be is named with its corpus."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from datasets import Dataset, IterableDataset

from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.corpora.rows import WindowKind, WindowRows
from dare_eeg_hf.masking_dare_eeg import check_that_masks_can_be_drawn

STREAMED_ROWS = 64
"""So many rows of a stream are looked at; what comes later is only known when it comes."""

NAMED_CHANNELS = 8

WHOLE_VOCABULARY = (
    "pretraining_channel_names=all in the model's configuration (with examples/pretrain.py: --set "
    "pretraining_channel_names=all)"
)


def check_trainable(
    datasets: Sequence[Dataset | IterableDataset], config: DareEegConfig, crop_patches: int | None = None
) -> list[str]:
    """Look at every montage and length of some data sets of windows, without reading the signals.

    Args:
        datasets: windows to train or validate on. Of a stream only the first rows are looked at.
        config: its vocabulary, rate, pre-training montage and masks.
        crop_patches: length of the pieces that are trained on; None for whole windows.

    Returns:
        Sentences on channels that are left out because they are not in the pre-training montage.

    Raises:
        ValueError: naming corpus, recording and channels, when there are windows that cannot be trained on.
    """
    left_out: dict[str, dict[str, None]] = {}
    for dataset in datasets:
        rows = dataset if isinstance(dataset, Dataset) else _first_rows(dataset)
        for kind in WindowRows([rows]).kinds() if len(rows) else ():
            described = rows.select_columns(["corpus", "recording"])[kind.first]
            check_kind(kind, config, crop_patches, f"{described['corpus']} (the first in {described['recording']})")
            outside = [name for name in kind.channel_names if name not in config.pretraining_channel_names]
            left_out.setdefault(described["corpus"], {}).update(dict.fromkeys(outside))
    return [
        f"{corpus}: {', '.join(names)} of its channels are not in the pre-training montage and are left out; to train "
        f"on them too, set {WHOLE_VOCABULARY}."
        for corpus, names in left_out.items()
        if names
    ]


def check_kind(kind: WindowKind, config: DareEegConfig, crop_patches: int | None, where: str) -> None:
    """Raise a ValueError where windows of this kind, the first of which is `where`, cannot be trained on."""
    windows = f"{kind.count} windows of the corpus {where}"
    if not kind.samples or kind.samples % 1:
        raise ValueError(
            f"{windows} are damaged: {kind.signal_bytes} bytes are no whole number of samples for each of "
            f"{len(kind.channel_names)} channels. Build the windows again."
        )
    if kind.sampling_rate != config.sampling_rate:
        raise ValueError(
            f"{windows} are stored at {kind.sampling_rate:g} Hz, and the model works at {config.sampling_rate} Hz: "
            "build the windows again with the model's rate, or set sampling_rate in the model's configuration."
        )
    named = ", ".join(kind.channel_names[:NAMED_CHANNELS]) + (
        f" and {len(kind.channel_names) - NAMED_CHANNELS} more" if len(kind.channel_names) > NAMED_CHANNELS else ""
    )
    if unknown := [name for name in kind.channel_names if name not in config.channel_names]:
        raise ValueError(
            f"{windows} have channels outside the model's vocabulary: {', '.join(unknown)}. Build the windows without "
            "them, or leave the corpus out."
        )
    channels = [name for name in kind.channel_names if name in config.pretraining_channel_names]
    if not channels:
        raise ValueError(
            f"{windows} have the channels {named}, none of which is in the pre-training montage. To train on the "
            f"whole vocabulary, set {WHOLE_VOCABULARY}; or leave the corpus out."
        )
    patches = -(-int(kind.samples) // config.patch_size)
    try:
        check_that_masks_can_be_drawn(config.mask_settings, min(patches, crop_patches or patches), len(channels))
    except ValueError as error:
        cropped = " Raise crop_patches" if crop_patches and crop_patches < patches else " Cut longer windows"
        raise ValueError(f"{windows} (channels {named}): {error}{cropped}, or leave the corpus out.") from error


def _first_rows(stream: IterableDataset) -> Dataset:
    """The first rows of a stream as a data set, without labels and whatever else is not needed here."""
    return Dataset.from_list(list(islice(stream.with_format(None), STREAMED_ROWS)), features=stream.features)
