"""Settings of fine-tuning that do not go together."""

import pytest

from dare_eeg_hf.adaptation.finetuning import FinetuningArguments, finetune
from tests.adaptation.conftest import easy_windows, quick


def test_channel_subsets_and_projections_do_not_go_together(tiny_encoder):
    with pytest.raises(ValueError, match="without projections"):
        FinetuningArguments(channel_subsets=1, spatial_projection=True)
    with pytest.raises(ValueError, match="must not be negative"):
        FinetuningArguments(channel_subsets=-1)
    with pytest.raises(ValueError, match="set that too"):
        FinetuningArguments(amplitude_spread=0.3)
    unknown = easy_windows(12, ["A", "B", "C", "D"])
    with pytest.raises(ValueError, match="without projections"):
        finetune(tiny_encoder, unknown, None, quick(channel_subsets=1), progress=False)
