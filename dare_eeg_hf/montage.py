"""Electrode names: the channel vocabulary of DARE-EEG, aliases, vendor decorations, and 10-20 to 10-10."""

CHANNEL_VOCABULARY: tuple[str, ...] = tuple(
    (
        "FP1 FPZ FP2 AF7 AF3 AF4 AF8 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 "
        "T7 C5 C3 C1 CZ C2 C4 C6 T8 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 "
        "PO7 PO5 PO3 POZ PO4 PO6 PO8 O1 OZ O2"
    ).split()
)
"""The 62 names of the 10-10 system, in the order of the rows of the channel embedding table."""

PRETRAINING_CHANNELS: tuple[str, ...] = tuple(
    name for name in CHANNEL_VOCABULARY if name not in {"AF7", "AF8", "PO5", "PO6"}
)
"""The 58 channels of the pre-training montage."""
