"""Simulated recordings beside real ones: spectra, coherence by distance, and where on the scalp rhythms are.

    python benchmarks/simulation.py --real eegmmidb --output comparison

EEGMMIDB holds S001R01.edf (eyes open) and S001R02.edf (eyes closed) of each person; as many people are simulated with
the same electrodes and rate. A table is printed; OUTPUT/simulation.html shows both sides.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dare_eeg_hf.evaluation.tasks import TASKS
from dare_eeg_hf.html_page import HtmlPage
from dare_eeg_hf.recordings.recordings import load_recording
from dare_eeg_hf.recordings.signal_statistics import ANGLES, BANDS, SignalStatistics, describe_signal
from dare_eeg_hf.recordings.simulation import simulate_recordings
from dare_eeg_hf.visualization import Curve, Panel, plot_curves, plot_scalp_map

STATES = ("eyes open", "eyes closed")
NUMBERS = {
    "amplitude (uV)": lambda one: one.amplitude,
    "slope": lambda one: one.slope,
    "alpha (Hz)": lambda one: one.alpha_frequency,
    "alpha over background": lambda one: one.alpha_ratio,
    "correlation below 30 degrees": lambda one: one.correlation[0],
    "correlation at 60 to 80": lambda one: one.correlation[3],
    "alpha coherence at 30 to 45": lambda one: one.coherence["alpha"][1],
    "beta coherence at 30 to 45": lambda one: one.coherence["beta"][1],
}
Described = Mapping[str, Sequence[SignalStatistics]]


def describe_folder(folder: Path) -> Described:
    """State to the statistics of each recording in that state."""
    described = {state: [] for state in STATES}
    for recording in TASKS["eyes-eegmmidb"].recordings(folder):
        closed = "R02" in recording.path.name
        described[STATES[closed]].append(describe_signal(load_recording(recording.path).raw))
    return described


def rows(described: Mapping[str, Described]) -> list[list[str]]:
    """A row of the table for each kind of recording and state: median, and least to greatest."""
    table = []
    for kind, by_state in described.items():
        for state, all_of_it in by_state.items():
            values = [np.array([number(one) for one in all_of_it]) for number in NUMBERS.values()]
            cells = [f"{np.median(value):.2f} ({value.min():.2f} to {value.max():.2f})" for value in values]
            table.append([kind, state, str(len(all_of_it)), *cells])
    return table


def spectra(described: Mapping[str, Described]) -> list[Panel]:
    """A panel for each state; the band is the standard deviation over recordings."""
    panels = []
    for state in STATES:
        curves = []
        for kind, by_state in described.items():
            decibels = np.array([10 * np.log10(one.spectrum) for one in by_state[state]])
            frequencies = by_state[state][0].frequencies
            curves.append(Curve(frequencies, decibels.mean(0), kind, spread=decibels.std(0), marker=""))
        panels.append(Panel(curves, state, "Frequency (Hz)", "Power (dB re 1 uV²/Hz)"))
    return panels


def coherences(described: Mapping[str, Described]) -> list[Panel]:
    """A panel for each band, eyes closed."""
    middles = (np.array(ANGLES[1:]) + ANGLES[:-1]) / 2
    panels = []
    for band in BANDS:
        curves = []
        for kind, by_state in described.items():
            values = np.array([one.coherence[band] for one in by_state[STATES[1]]])
            curves.append(Curve(middles, values.mean(0), kind, spread=values.std(0)))
        panels.append(Panel(curves, f"{band}, eyes closed", "Angle between electrodes (degrees)", "Coherence"))
    return panels


def alpha_map(all_of_it: Sequence[SignalStatistics]) -> dict[str, float]:
    """Mean alpha power in dB of the electrodes that every recording has, against their mean."""
    names = [name for name in all_of_it[0].maps["alpha"] if all(name in one.maps["alpha"] for one in all_of_it)]
    decibels = np.array([[10 * np.log10(one.maps["alpha"][name]) for name in names] for one in all_of_it])
    return dict(zip(names, (decibels - decibels.mean(1, keepdims=True)).mean(0).tolist(), strict=True))


def main() -> None:
    """Describe both, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, help="folder of recordings named as in EEGMMIDB")
    parser.add_argument("--output", type=Path, default=Path("comparison"), help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    real = describe_folder(options.real)
    simulate_recordings(options.output / "simulated", subjects=len(real[STATES[0]]), seed=options.seed)
    described = {"real": real, "simulated": describe_folder(options.output / "simulated")}
    header, table = ["", "", "recordings", *NUMBERS], rows(described)
    for line in table:
        print(*line[:3])
        for name, cell in zip(header[3:], line[3:], strict=True):
            print(f"  {name:<30}{cell}")
    page = HtmlPage("Simulated recordings beside real ones").paragraph(
        f"Real: {options.real.name}. Medians, and the least and greatest recording."
    )
    page.table(header, table)
    page.figure(plot_curves(spectra(described), share_y=True, size=4.5), "Spectra, real and simulated")
    page.figure(plot_curves(coherences(described), share_y=True), "Coherence by angle between electrodes")
    for kind, by_state in described.items():
        figure = plot_scalp_map(alpha_map(by_state[STATES[1]]), f"{kind}: alpha power, eyes closed", "dB to mean")
        page.figure(figure, f"Alpha power over the scalp, {kind}")
    print(page.write(options.output / "simulation.html"))


if __name__ == "__main__":
    main()
