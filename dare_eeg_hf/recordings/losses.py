"""The parts of a recording that carry no signal: found, bridged, and described for its report."""

from dataclasses import asdict

import mne
import numpy as np

from dare_eeg_hf.lost_samples_dare_eeg import (
    SHORTEST_LOSS,
    bridge,
    common_loss,
    dead_channels,
    find_lost_samples,
    is_broken,
    runs,
)
from dare_eeg_hf.montage import list_by_reason
from dare_eeg_hf.recordings.quality import BROKEN_SHARE
from dare_eeg_hf.recordings.report import RecordingReport
from dare_eeg_hf.usability_dare_eeg import Loss, losses_from_annotations, stretches


def find_losses(
    signal: np.ndarray, breaks: list[tuple[float, float]], verify: bool, report: RecordingReport
) -> np.ndarray:
    """Codes (channels, samples) of what carries no signal, 0 elsewhere; channels that hardly ever do are bad."""
    lost = find_lost_samples(signal, report.sampling_rate)
    if lost is None:
        return np.zeros(signal.shape, np.uint8)
    if not verify:
        return lost
    heard = heard_samples(lost, breaks, report.sampling_rate)
    share = is_broken(lost[:, heard]).mean(axis=1)
    for index in np.flatnonzero(share > BROKEN_SHARE):
        report.bad[report.channels[index]] = f"{share[index]:.1%} of the samples are NaN, infinite or absurd"
    if len(report.bad) == len(signal):
        raise ValueError(f"no channel is usable: {list_by_reason(report.bad)}")
    return lost


def heard_samples(lost: np.ndarray, breaks: list[tuple[float, float]], rate: float) -> np.ndarray:
    """Mark the samples (T,) from which something can be learned about the channels: all, if there is none."""
    dead = dead_channels(lost)
    heard = ~common_loss(lost[~dead]) if not dead.all() else np.ones(lost.shape[1], bool)
    for begin, end in breaks:
        heard[round(begin * rate) : round(end * rate)] = False
    return heard if heard.any() else np.ones(lost.shape[1], bool)


def bridge_losses(signal: np.ndarray, lost: np.ndarray, report: RecordingReport) -> list[tuple[int, int]]:
    """Bridge lost samples in place; returns the short stretches [start, stop) in which a few broken ones were."""
    if not lost.any():
        return []
    bridge(signal, lost)
    short = np.zeros(lost.shape, bool)
    for index, name in enumerate(report.channels):
        for start, stop in runs(is_broken(lost[index])) if name not in report.bad else ():
            short[index, start:stop] = stop - start < SHORTEST_LOSS * report.sampling_rate
        if short[index].any():
            report.repaired[name] = int(short[index].sum())
    if report.repaired:
        counts = ", ".join(f"{name} ({count})" for name, count in report.repaired.items())
        report.warn(f"NaN, infinite or absurd samples were bridged and annotated BAD_repaired: {counts}")
    return runs(short.any(axis=0))


def at_new_rate(mask: np.ndarray, samples: int) -> np.ndarray:
    """Stretch a mask (..., samples) to another number of samples."""
    if mask.shape[-1] == samples:
        return mask
    return mask[..., np.arange(samples) * mask.shape[-1] // samples]


def describe_losses(lost: np.ndarray, rate: float, report: RecordingReport) -> list[Loss]:
    """Join what is lost into stretches, and put them on the report."""
    losses = stretches(lost, rate, report.channels)
    report.no_signal = [asdict(loss) for loss in losses]
    if losses:
        listed = "; ".join(map(str, losses[:5])) + (f"; and {len(losses) - 5} more" if len(losses) > 5 else "")
        report.warn(f"no signal from {listed}: windows there are unusable, and channels there left out")
    return losses


def carried_losses(raw: mne.io.BaseRaw, report: RecordingReport) -> list[Loss]:
    """The losses of a Raw that was normalised before: its annotations have them, so none are added."""
    report.no_signal = [asdict(loss) for loss in losses_from_annotations(raw.annotations, raw.first_time)]
    return []
