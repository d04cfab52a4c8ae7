"""TSU: the Tsinghua SSVEP benchmark, 35 subjects who spell with 40 flickering targets, 6 blocks each.

Layout      S1.mat ... S35.mat, MATLAB; `data` (64, 1500, 40, 6): electrodes, samples, targets, blocks. A trial lasts
            6 s: 0.5 s of cue, 5 s of flicker, 0.5 s of rest. 64 electrodes (M1, M2, CB1, CB2 are not sites of the
            vocabulary and are dropped; 64-channels.loc of the authors has the order), 250 Hz, microvolts, reference:
            vertex. The authors removed the 50 Hz hum.
Labels      the flicker's frequency: 8 to 15.8 Hz in steps of 0.2 Hz, targets 1-8 being 8, 9, ... 15 Hz, targets 9-16
            8.2, 9.2, ... (Freq_Phase.mat of the authors has the order).
Windows     4 s, beginning with the flicker and one second later.
Splits      none.
Access      open at https://bci.med.tsinghua.edu.cn/download.html; the site states no licence, so nothing built from it
            is uploaded where others can see it.
Tried on    small files in this layout only.
Unchecked   the order of frequencies was not compared with Freq_Phase.mat, nor layout, order of electrodes and citation
            with the corpus' own documentation.
"""

from pymatreader import read_mat

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.corpus import EegCorpus, Segment, raw_from_array
from dare_eeg_hf.corpora.windows import Event

FREQUENCIES = [f"{8 + target % 8 + 0.2 * (target // 8):.1f}_hz" for target in range(40)]
CUE_SECONDS, FLICKER_SECONDS = 0.5, 5.0


class TsuSsvep(EegCorpus):
    """The Tsinghua benchmark: each trial is a stretch of its own."""

    name = "tsu_ssvep"
    title = "Tsinghua SSVEP benchmark (TSU)"
    license_note = "The authors offer it for research; no licence is stated."
    citation = (
        "Wang Y, Chen X, Gao X, Gao S. A Benchmark Dataset for SSVEP-Based Brain-Computer Interfaces. IEEE Trans "
        "Neural Syst Rehabil Eng 25(10):1746-1752, 2017."
    )
    homepage = "https://bci.med.tsinghua.edu.cn/download.html"
    access = "Open at https://bci.med.tsinghua.edu.cn/download.html."
    restricted = True
    name_pattern = r"(?:^|/)(?P<subject>S\d{1,2})\.mat$"
    electrode_names = (
        "FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 "
        "T7 C5 C3 C1 CZ C2 C4 C6 T8 M1 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 M2 P7 P5 P3 P1 PZ P2 P4 P6 P8 "
        "PO7 PO5 PO3 POZ PO4 PO6 PO8 CB1 O1 OZ O2 CB2"
    ).split()
    sampling_rate = 250
    reference = "vertex"
    line_frequency = 50
    label_names = tuple(sorted(FREQUENCIES, key=lambda name: float(name.removesuffix("_hz"))))
    overlap = 0.75
    tried_on = "small files in the layout of the authors"

    def segments(self, recording):
        """One stretch per trial, block after block; onsets count the trials one after the other."""
        data = read_mat(str(recording.path), variable_names=["data"])["data"]
        if data.ndim != 4 or data.shape[0] != len(self.electrode_names):
            raise ValueError(f"{recording.name}: data has shape {data.shape}, not (64, samples, targets, blocks)")
        seconds = data.shape[1] / self.sampling_rate
        for block in range(data.shape[3]):
            for target in range(data.shape[2]):
                raw = raw_from_array(data[:, :, target, block], self.electrode_names, self.sampling_rate, self.unit)
                yield Segment(raw, FREQUENCIES[target], onset=(block * data.shape[2] + target) * seconds)

    def events(self, raw, recording):
        """The flicker; the label is the segment's."""
        return [Event(CUE_SECONDS, FLICKER_SECONDS)]


if __name__ == "__main__":
    raise SystemExit(main(TsuSsvep()))
