"""The figures of the site, each drawn by a function of its own from simulated recordings and the repository's models.

    python docs/scripts/gallery.py FOLDER

writes them all. The page "Figures" shows each with its docstring and its code.
"""

import ast
import inspect
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "model_cards"
TEN_TWENTY = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()

FIGURES: list[Callable] = []
"""Functions that draw a figure; the first sentence of the docstring is its title."""

INTRODUCTION = """# Figures

All figures are plain matplotlib `Figure` objects without pyplot state, in colours that people with any colour vision
tell apart. These are drawn from simulated recordings when the site is built; the code below each is all it takes.
[The reference](reference/visualization.md) has every argument.
"""


def figure(draw_figure: Callable) -> Callable:
    """Put a function's figure on the page."""
    FIGURES.append(draw_figure)
    return draw_figure


@cache
def folder():
    """Where the simulated recordings lie until the program ends."""
    return tempfile.TemporaryDirectory(prefix="gallery_")


@cache
def recordings():
    """A person's recordings with eyes open and with eyes closed, as paths of EDF files."""
    from dare_eeg_hf.recordings.simulation import simulate_recordings

    return simulate_recordings(folder().name, subjects=1, montage=TEN_TWENTY, sampling_rate=200, seconds=60)


@cache
def loaded(number):
    """One of the two recordings, normalised."""
    from dare_eeg_hf.recordings.recordings import load_recording

    return load_recording(recordings()[number]).raw


@cache
def open_then_closed():
    """Both recordings one after the other, as recorded, with ten seconds without signal."""
    import mne

    raws = [mne.io.read_raw(path, preload=True, verbose="error") for path in recordings()]
    raw = mne.concatenate_raws(raws, verbose="error").set_annotations(None)
    signal, held = raw.get_data(), slice(18_000, 20_000)
    signal[:, held] = signal[:, held.start : held.start + 1]
    return mne.io.RawArray(signal, raw.info, verbose="error")


@cache
def windows_of_people():
    """Features (W, F) of five people's windows, the state in each, and who it is."""
    import numpy as np

    from dare_eeg_hf.checkpoints import load_pipeline
    from dare_eeg_hf.recordings.simulation import simulate_recordings

    cap = "Fp1 Fp2 F7 F3 Fz F4 F8 C3 Cz C4".split()  # without the back of the head, so that it is not too easy
    encode = load_pipeline(MODELS / "dare-eeg-nano", "eeg-feature-extraction")
    features, labels, persons = [], [], []
    for path in simulate_recordings(f"{folder().name}/people", subjects=5, montage=cap, sampling_rate=200, seconds=24):
        features.append(encode(path)["features"])
        labels += ["eyes closed" if path.stem.endswith("R02") else "eyes open"] * len(features[-1])
        persons += [path.parent.name] * len(features[-1])
    return np.concatenate(features), labels, persons


@cache
def predicted_labels():
    """What a logistic regression says of each window, trained on the other people."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, labels, persons = windows_of_people()
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    return cross_val_predict(classifier, features, labels, groups=persons, cv=LeaveOneGroupOut())


@figure
def timeline():
    """What a classifier says, window by window.

    Probabilities, and below them the winning class. The person has open eyes for a minute and closed ones for another.
    Around the 90th second the amplifier held its last value: such windows get no answer, and are hatched.
    """
    from dare_eeg_hf.checkpoints import load_pipeline
    from dare_eeg_hf.visualization import plot_classification

    classify = load_pipeline(MODELS / "dare-eeg-nano-eyes", "eeg-classification")
    return plot_classification(classify(open_then_closed()))


@figure
def overview():
    """A recording before and after normalisation.

    Ten seconds of traces, both spectra, and the amplitude at each electrode. `dare-eeg inspect FILE --plot FILE.png`
    draws it.
    """
    from dare_eeg_hf.recordings.overview import plot_recording
    from dare_eeg_hf.recordings.readers import read_raw

    path = recordings()[1]
    return plot_recording(read_raw(path), loaded(1), path.name)


@figure
def traces():
    """Traces.

    One scale serves all channels, and the bar says which.
    """
    from dare_eeg_hf.visualization import plot_traces

    raw = loaded(1)
    return plot_traces(raw.get_data(tmax=10) * 1e6, raw.ch_names, raw.info["sfreq"])


@figure
def spectrum():
    """Spectra side by side.

    The line is the median over channels, the band their 10th to 90th percentile. Closed eyes are alpha power around
    10 Hz.
    """
    from dare_eeg_hf.visualization import plot_spectrum

    signals = {"eyes open": loaded(0).get_data() * 1e6, "eyes closed": loaded(1).get_data() * 1e6}
    return plot_spectrum(signals, loaded(0).info["sfreq"])


@figure
def scalp_map():
    """A value at each electrode, over the head.

    Here alpha power with the eyes closed against open, in decibels.
    """
    import numpy as np

    from dare_eeg_hf.visualization import plot_scalp_map

    power = [raw.compute_psd(fmin=8, fmax=12, verbose="error").get_data().mean(axis=1) for raw in map(loaded, (0, 1))]
    gain = dict(zip(loaded(0).ch_names, 10 * np.log10(power[1] / power[0]), strict=True))
    return plot_scalp_map(gain, "Alpha power (8-12 Hz), eyes closed against open", "dB")


@figure
def losses():
    """The losses of a pre-training run.

    One panel per loss, training and validation together. The thin line is what was logged, the thick one its running
    mean. The page of a run (`report.html`) begins with it; this is the run that made `model_cards/dare-eeg-nano`.
    """
    from dare_eeg_hf.metrics_log import FILE_NAME, read_metrics
    from dare_eeg_hf.visualization import plot_loss_curves

    return plot_loss_curves(read_metrics(MODELS / "dare-eeg-nano" / FILE_NAME))


@figure
def importance():
    """Which electrodes an answer rests on.

    How much the probability of the winning class falls when the classifier is not given an electrode. It tells what
    this model used here, not where in the brain something comes from. `dare-eeg predict ... --importance` draws it.
    """
    from dare_eeg_hf.channel_importance import plot_importance
    from dare_eeg_hf.checkpoints import load_pipeline

    classify = load_pipeline(MODELS / "dare-eeg-nano-eyes", "eeg-classification")
    return plot_importance(classify.channel_importance(loaded(1)))


@figure
def embedding_map():
    """How an encoder sees windows.

    Each point is a window; windows with similar features lie close together. Here five people, coloured by state.
    `dare-eeg embed ... --map` draws it, by label, person or file.
    """
    from dare_eeg_hf.visualization import plot_embedding_map, project_to_plane

    features, labels, _ = windows_of_people()
    points, method = project_to_plane(features)
    return plot_embedding_map(points, labels, "Windows by state", "state", method)


@figure
def people():
    """Who was told apart.

    A dot for each person and contestant, each person tested by a classifier that was trained on the others. The page
    of `dare-eeg evaluate` has it, with the baselines.
    """
    import numpy as np

    from dare_eeg_hf.visualization import plot_people

    _, labels, persons = windows_of_people()
    right = np.equal(predicted_labels(), labels)
    accuracies = {person: right[np.equal(persons, person)].mean() for person in sorted(set(persons))}
    return plot_people({"frozen encoder, logistic regression": accuracies}, 0.5, label="Accuracy")


@figure
def confusion():
    """What was taken for what.

    Each row adds up to 100 %; the lower number counts windows.
    """
    from sklearn.metrics import confusion_matrix

    from dare_eeg_hf.visualization import plot_confusion

    _, labels, _ = windows_of_people()
    classes = sorted(set(labels))
    return plot_confusion(confusion_matrix(labels, predicted_labels(), labels=classes), classes)


def page() -> str:
    """The Markdown of the page that shows all figures."""
    lines = [INTRODUCTION]
    for draw_figure in FIGURES:
        title, _, text = inspect.getdoc(draw_figure).partition(".\n\n")
        lines += [f"## {title}", "", f"![{title}](figures/{draw_figure.__name__}.png)", "", text, ""]
        lines += ['??? note "Code"', "    ```python", textwrap.indent(_body(draw_figure), "    "), "    ```", ""]
    return "\n".join(lines)


def _body(function: Callable) -> str:
    """The source of a function below its docstring."""
    source = textwrap.dedent(inspect.getsource(function))
    body = ast.parse(source).body[0].body
    return textwrap.dedent("\n".join(source.splitlines()[body[1].lineno - 1 :]))


def draw(output: Path) -> None:
    """Write every figure as a PNG file."""
    output.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of gaps and missing electrodes, which are there on purpose
        _draw(output)


def _draw(output: Path) -> None:
    for draw_figure in FIGURES:
        draw_figure().savefig(output / f"{draw_figure.__name__}.png", dpi=110)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
