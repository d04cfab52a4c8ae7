"""Sleep-EDF Expanded 1.0.0 (PhysioNet): whole-night recordings with sleep stages; two channels.

Layout      sleep-cassette/SC4001E0-PSG.edf with SC4001EC-Hypnogram.edf (healthy; SC4ssN..., subject ss, night N), and
            sleep-telemetry/ST7011J0-PSG.edf with ST7011JP-Hypnogram.edf. The hypnogram is an EDF+ file of annotations
            only. EEG: "EEG Fpz-Cz" and "EEG Pz-Oz", bipolar derivations at 100 Hz, microvolts; other signals have
            other rates and are left out.
Electrodes  the two derivations are not sites of the vocabulary: their names stay unchanged, nothing is re-referenced,
            and a model needs a learned spatial projection (electrode_names=["EEG Fpz-Cz", "EEG Pz-Oz"]).
Labels      W, N1, N2, N3, R after the AASM: stages 3 and 4 of the files are N3; "?" and movement time are left out.
Windows     30 s; of the waking hours before and after sleep, half an hour each stays, as in published results.
Splits      none: results are published in folds over subjects.
Access      open, --download gets it (8 GB).
Tried on    small files in this layout; of the real corpus only the hypnogram SC4001EC.
Unchecked   layout, file names and citation were not compared with the corpus' own documentation.
"""

import mne

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.corpus import EegCorpus, Segment
from dare_eeg_hf.corpora.windows import Event, Rejection, events_from_annotations
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.recordings.recordings import Recording, RecordingReport

STAGES = {
    "Sleep stage W": "W",
    "Sleep stage 1": "N1",
    "Sleep stage 2": "N2",
    "Sleep stage 3": "N3",
    "Sleep stage 4": "N3",
    "Sleep stage R": "R",
}
WAKE_MARGIN = 30 * 60


class SleepEdf(EegCorpus):
    """Five sleep stages from two bipolar derivations."""

    name = "sleep_edf"
    title = "Sleep-EDF Database Expanded (PhysioNet 1.0.0)"
    license = "odc-by"
    citation = (
        "Kemp B, Zwinderman AH, Tuk B, Kamphuisen HAC, Oberye JJL. Analysis of a sleep-dependent neuronal feedback "
        "loop: the slow-wave microcontinuity of the EEG. IEEE Trans Biomed Eng 47(9):1185-1194, 2000. Goldberger et "
        "al. PhysioBank, PhysioToolkit, and PhysioNet. Circulation 101(23):e215-e220, 2000."
    )
    homepage = "https://physionet.org/content/sleep-edfx/1.0.0/"
    access = "Open: --download gets it from PhysioNet."
    physionet = "sleep-edfx/1.0.0"
    name_pattern = r"(?:^|/)(?P<subject>(?:SC4|ST7)\d{2})(?P<session>\d)[A-Z]\d-PSG\.edf$"
    electrode_names = ("EEG Fpz-Cz", "EEG Pz-Oz")
    sampling_rate = 100
    reference = "bipolar"
    line_frequency = 50
    label_names = ("W", "N1", "N2", "N3", "R")
    window_seconds = 30.0
    rejection = Rejection(None, None, None)
    bad_channels = ()
    interpolate = ()
    tried_on = "small files in the layout of the authors, and one real hypnogram"

    def __init__(self):
        # Two derivations, of which an average reference would make one signal and its mirror image.
        super().__init__(DareEegFeatureExtractor(reference=None))

    def wanted(self, name):
        """A download needs the hypnograms as well."""
        return super().wanted(name) or name.endswith("-Hypnogram.edf")

    def companions(self, recording):
        """The hypnogram, whose last letter tells who scored it."""
        return sorted(recording.path.parent.glob(f"{recording.path.name[:7]}?-Hypnogram.edf"))

    def segments(self, recording):
        """The two derivations with the stages of the hypnogram beside the recording."""
        raw = mne.io.read_raw_edf(recording.path, include=list(self.electrode_names), verbose="error")
        hypnograms = self.companions(recording)
        if len(hypnograms) != 1:
            raise ValueError(f"{recording.name} needs one hypnogram beside it; there are {len(hypnograms)}")
        yield Segment(raw.set_annotations(mne.read_annotations(hypnograms[0]), verbose="error"))

    def normalize(self, raw, recording):
        """Filter and resample; names and references stay."""
        report = RecordingReport(
            file=recording.name,
            format="EDF",
            sampling_rate=raw.info["sfreq"],
            duration=raw.n_times / raw.info["sfreq"],
            recorded_channels=list(raw.ch_names),
            channels=list(raw.ch_names),
            line_frequency=self.line_frequency,
        )
        signal = self.feature_extractor.filter_and_resample(
            raw.get_data().astype("float32"), raw.info["sfreq"], report, notch=self.line_frequency
        )
        info = mne.create_info(raw.ch_names, self.feature_extractor.sampling_rate, "eeg")
        result = mne.io.RawArray(signal.astype("float64"), info, verbose="error")
        result.set_meas_date(raw.info["meas_date"]).set_annotations(raw.annotations, verbose="error")
        return Recording(result, report)

    def events(self, raw, recording):
        """The stages, without most of the waking hours before the first and after the last sleep."""
        stages = events_from_annotations(raw, STAGES)
        asleep = [stage for stage in stages if stage.label != "W"]
        if not asleep:
            raise ValueError(f"{recording.name}: the hypnogram contains no sleep")
        begin = asleep[0].onset - WAKE_MARGIN
        end = asleep[-1].onset + asleep[-1].duration + WAKE_MARGIN
        return [
            _inside(stage, begin, end)
            for stage in stages
            if begin < stage.onset + stage.duration and stage.onset < end
        ]


def _inside(stage: Event, begin: float, end: float) -> Event:
    """The part of a stage between two moments, in whole windows counted from the stage's own start."""
    window = SleepEdf.window_seconds
    skipped = -(-max(0.0, begin - stage.onset) // window) * window
    start = stage.onset + skipped
    return Event(start, min(stage.onset + stage.duration, end) - start, stage.label)


if __name__ == "__main__":
    raise SystemExit(main(SleepEdf()))
