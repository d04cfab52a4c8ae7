"""SSVEP for an exoskeleton (Kalunga 2016): twelve people look at one of three flickering lights, or at none.

Layout      subject01_2012.07.06-19.02.16.edf ...: person, then date and time of the session; two to five sessions a
            person, four to seven minutes each. 8 electrodes over the back of the head, 256 Hz, unfiltered. EDF made
            from the FIF files that the authors distribute. Their numbers, read as volts, are 3.5 to 7.5 mV (a factor
            of the amplifier) and were taken as a thousandth of that: the scale is a guess, the shape is right.
Labels      rest, 13_hz, 17_hz, 21_hz: the light of each trial, 8 trials of each in a session.
Windows     4 s, from half a second after the start of a trial of 5 s, when the person has found the light.
            --throughout: everything in windows of 4 s without labels, for pre-training.
Splits      none: leave one person out.
Access      open; CC0 1.0 (MOABB: CC BY 4.0). https://zenodo.org/records/2392979 and https://github.com/sylvchev/dataset-ssvep-exoskeleton
            have the FIF files, MOABB has them as Kalunga2016.
Tried on    the real recordings of nine people, as EDF.
Unchecked   the address at Zenodo is from memory.
"""

from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import events_from_annotations

LIGHTS = {"rest": "rest", "13Hz": "13_hz", "17Hz": "17_hz", "21Hz": "21_hz"}
"""Annotation -> class."""


class SsvepExoskeleton(EegCorpus):
    """Three frequencies and rest, from eight occipital electrodes."""

    name = "ssvep_exoskeleton"
    title = "SSVEP for an exoskeleton (Kalunga 2016)"
    license = "cc0-1.0"
    license_note = "As its repository says; MOABB calls it CC BY 4.0, so cite it in any case."
    citation = (
        "Kalunga EK, Chevallier S, Barthelemy Q, Djouani K, Monacelli E, Hamam Y. Online SSVEP-based BCI using "
        "Riemannian geometry. Neurocomputing 191:55-68, 2016. arXiv:1501.03227."
    )
    homepage = "https://github.com/sylvchev/dataset-ssvep-exoskeleton"
    access = "Open at https://github.com/sylvchev/dataset-ssvep-exoskeleton."
    name_pattern = r"(?:^|/)(?P<subject>subject\d{2})_(?P<session>\d{4}\.\d\d\.\d\d-\d\d\.\d\d\.\d\d)\.edf$"
    electrode_names = "OZ O1 O2 PO3 POZ PO7 PO8 PO4".split()
    sampling_rate = 256
    reference = "right mastoid"
    line_frequency = 50
    label_names = tuple(LIGHTS.values())
    tmin, tmax = 0.5, 4.5
    tried_on = "the real recordings of nine people, as EDF"

    def add_arguments(self, parser):
        """Between the trials there is signal as well."""
        parser.add_argument(
            "--throughout", action="store_true", help="cut everything, not the trials only, and without labels"
        )

    def configure(self, options):
        """Without labels there are no trials."""
        if options.throughout:
            self.label_names, self.tmin, self.tmax = (), None, None

    def events(self, raw, recording):
        """The trials, where they are asked for."""
        return events_from_annotations(raw, LIGHTS) if self.label_names else None
