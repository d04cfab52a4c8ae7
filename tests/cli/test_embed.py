"""`dare-eeg embed`."""

import numpy as np

from dare_eeg_hf.cli.main import main


def test_embed_writes_features_that_numpy_reads(eyes_classifier, eyes_recordings, tmp_path):
    options = ["--output", str(tmp_path), "--window-seconds", "10", "--pooling", "none"]
    assert main(["embed", str(eyes_classifier), str(eyes_recordings[0]), *options]) == 0
    features = np.load(tmp_path / "S001R01.npz", allow_pickle=False)
    assert features["features"].shape == (7, 40, 64)
    assert features["partial"].tolist() == [False] * 6 + [True]
