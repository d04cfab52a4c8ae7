"""Signals of any sizes as one batch of a model's input, with masks that tell what is padding."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from transformers.feature_extraction_utils import BatchFeature

from .signal_reports_dare_eeg import SignalReport


class EegBatchFeature(BatchFeature):
    """A batch of model inputs; `reports` holds one `SignalReport` per input."""

    def __init__(self, data: dict, tensor_type: str | None = None, reports: Sequence[SignalReport] = ()):
        self.reports = list(reports)
        super().__init__(data, tensor_type=tensor_type)

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "reports": self.reports}

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self.reports = state["reports"]


def collate_signals(
    contract: Any,
    signals: list[np.ndarray],
    reports: list[SignalReport],
    padding: bool,
    return_tensors: str | None,
) -> EegBatchFeature:
    """Pad signals to one size.

    Args:
        contract: The feature extractor, for its rate, patches and channels.
        signals: (channels, samples) each, at the contract's rate.
        reports: One per signal; samples left out are noted there.
        padding: Whether sizes may differ.
        return_tensors: "pt" or "np".

    Raises:
        ValueError: Sizes differ although they must not, or a signal holds no whole patch.
    """
    shapes = {signal.shape for signal in signals}
    if len(shapes) > 1 and not padding:
        raise ValueError(f"the inputs differ in channels or samples {sorted(shapes)}: pass padding=True")
    shortest = min(shape[1] for shape in shapes)
    if shortest < contract.patch_size:
        raise ValueError(
            f"a signal of {shortest / contract.sampling_rate:.3f} s is too short: "
            f"one patch takes {contract.patch_size / contract.sampling_rate:g} s"
        )
    channels = max(shape[0] for shape in shapes)
    patches = max(math.ceil(shape[1] / contract.patch_size) for shape in shapes)
    values = np.zeros((len(signals), channels, patches * contract.patch_size), np.float32)
    ids = np.zeros((len(signals), channels), np.int64)
    channel_mask = np.zeros((len(signals), channels), bool)
    patch_mask = np.zeros((len(signals), patches), bool)
    position = {name: index for index, name in enumerate(contract.channel_names)}
    for row, (signal, report) in enumerate(zip(signals, reports, strict=True)):
        whole, rest = divmod(signal.shape[1], contract.patch_size)
        values[row, : len(signal), : whole * contract.patch_size] = signal[:, : whole * contract.patch_size]
        patch_mask[row, :whole] = True
        if rest:
            report.steps.append(f"the last {rest} samples fill no patch and are left out")
        channel_mask[row, : len(signal)] = True
        if contract.electrode_names is None:
            ids[row, : len(signal)] = [position[name] for name in report.channels]
            channel_mask[row, [report.channels.index(name) for name in report.flat]] = False
    data = {"input_values": values, "channel_ids": ids, "channel_mask": channel_mask, "patch_mask": patch_mask}
    return EegBatchFeature(data, return_tensors, reports)
