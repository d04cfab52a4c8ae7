"""Simulated recordings with known content: real EDF+ files for tests, examples and first steps without a download.

Cortex, eyes and muscles are current dipoles in a spherical head (head_model.py), so that neighbouring electrodes share
what real ones share; simulated_sources.py says what they do, simulated_people.py what is each person's own, and
benchmarks/simulation.py compares the outcome with real recordings.

What it is not: a brain. Sources are Gaussian noise with the spectra and the places of real ones. Nothing in them
travels, locks to anything or couples one frequency with another; there is no task, no sleep, no illness and no
development. All heads are the same sphere, all skulls conduct alike. A method that works here has passed a test of its
mechanics. Whether it finds anything in EEG only EEG can tell.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import mne
import numpy as np

from dare_eeg_hf.montage import PRETRAINING_CHANNELS
from dare_eeg_hf.recordings import simulated_sources as sources
from dare_eeg_hf.recordings.head_model import Cap
from dare_eeg_hf.recordings.simulated_people import draw_person

RUNS = {"R01": False, "R02": True}
"""Run name -> whether the eyes are closed, as in the two resting runs of PhysioNet EEGMMIDB."""


def simulate_recordings(
    folder: str | Path,
    *,
    subjects: int = 4,
    montage: Sequence[str] = PRETRAINING_CHANNELS,
    sampling_rate: float = 160.0,
    seconds: float = 60.0,
    line_frequency: float = 60.0,
    seed: int = 0,
    prefix: str = "S",
) -> list[Path]:
    """Write two EDF+ files per subject, eyes open (`S001/S001R01.edf`) and eyes closed (`S001/S001R02.edf`).

    The same arguments give the same bytes. See `simulate_raw` for what is in the recordings.

    Args:
        folder: where to write; one folder per subject is made in it.
        subjects: how many subjects.
        montage: electrode names of the 10-20, 10-10 or 10-05 system, written into the files as they are given.
        sampling_rate: hertz.
        seconds: length of each recording; EDF keeps whole seconds, so it is rounded down.
        line_frequency: hertz of the mains hum.
        seed: everything random follows from it.
        prefix: first letters of the subjects' names.

    Returns:
        The paths written, in order of subject and run.

    Raises:
        ValueError: if a name of the montage has no position in the 10-05 system.
    """
    written = []
    for number in range(1, subjects + 1):
        subject = f"{prefix}{number:03d}"
        for run, eyes_closed in RUNS.items():
            raw = simulate_raw(
                (seed, number),
                montage=montage,
                eyes_closed=eyes_closed,
                sampling_rate=sampling_rate,
                seconds=seconds,
                line_frequency=line_frequency,
            )
            path = Path(folder) / subject / f"{subject}{run}.edf"
            path.parent.mkdir(parents=True, exist_ok=True)
            mne.export.export_raw(path, raw, fmt="edf", physical_range="channelwise", overwrite=True, verbose="error")
            written.append(path)
    return written


def simulate_raw(
    person: Sequence[int],
    *,
    montage: Sequence[str] = PRETRAINING_CHANNELS,
    eyes_closed: bool = False,
    sampling_rate: float = 160.0,
    seconds: float = 60.0,
    line_frequency: float = 60.0,
) -> mne.io.RawArray:
    """A person at rest, against linked earlobes.

    The background of the cortex falls with the frequency; the posterior alpha rhythm has the person's own frequency
    and is several times stronger with eyes closed; there is a central mu and a frontal theta rhythm, eyes that blink
    and turn (open) or roll (closed), muscles, slow drifts, mains hum, noise and pops of single electrodes. Annotations
    say what is known: `T0` over the whole recording, `blink`, `eye movement`, `muscle` and `pop Fz` (of that
    electrode) where they are.

    Args:
        person: whole numbers from which the person's traits and everything random follow; under another montage the
            same person does the same.
        montage: electrode names of the 10-20, 10-10 or 10-05 system.
        eyes_closed: whether the eyes are closed.
        sampling_rate: hertz.
        seconds: length, rounded down to whole seconds.
        line_frequency: hertz of the mains hum; none where the rate is too low for it.

    Raises:
        ValueError: if a name of the montage has no position in the 10-05 system.
    """
    cap = Cap(montage)
    clock = sources.Clock(int(seconds) * int(sampling_rate), sampling_rate)
    traits = draw_person(*person)
    # Each kind of source has its own generator, so that a change of one leaves the others as they are.
    rng = iter(np.random.default_rng([*person, int(eyes_closed)]).spawn(6))
    signal = sources.background(next(rng), cap, clock, traits)
    signal += sources.alpha(next(rng), cap, clock, traits, eyes_closed)
    signal += sources.mu(next(rng), cap, clock, traits)
    signal += sources.theta(next(rng), cap, clock, traits)
    moments = [sources.Moment(0.0, clock.samples / clock.rate, "T0")]
    for part, known in (
        sources.eyes(next(rng), cap, clock, traits, eyes_closed),
        sources.muscles(next(rng), cap, clock, traits),
        sources.electrodes((*person, int(eyes_closed)), montage, clock, line_frequency),
    ):
        signal += part.astype(np.float32)
        moments += known
    raw = mne.io.RawArray(1e-6 * signal, mne.create_info(list(montage), sampling_rate, "eeg"), verbose="error")
    raw.set_meas_date(datetime(2009, 8, 12, 16, 15, tzinfo=UTC))
    onsets, durations, descriptions = zip(*sorted(moments), strict=True)
    return raw.set_annotations(mne.Annotations(onsets, durations, descriptions, orig_time=raw.info["meas_date"]))
