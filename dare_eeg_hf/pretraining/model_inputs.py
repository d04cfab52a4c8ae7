"""From a loader's batch to the model's input: the pre-training montage, and no masks that mask nothing."""

import torch

from dare_eeg_hf.configuration_dare_eeg import DareEegConfig


def model_inputs(batch: dict[str, torch.Tensor], config: DareEegConfig) -> dict[str, torch.Tensor]:
    """Keep the channels of the pre-training montage, and drop padding masks where nothing is padded.

    A mask of ones costs attention its fast path, and ids that are the same in every window need one row only.

    Args:
        batch: as `WindowCollator` makes it: `input_values (B, C, T)`, `channel_ids (B, C)`, `channel_mask (B, C)`,
            `patch_mask (B, N)`; labels are ignored.
        config: its `pretraining_channel_names` are the channels to keep.

    Returns:
        `input_values`, `channel_ids` of shape `(C,)` or `(B, C)`, and the masks that mask something.

    Raises:
        ValueError: when a window has no channel of the pre-training montage.
    """
    ids, present = batch["channel_ids"], batch["channel_mask"]
    wanted = torch.tensor([config.channel_names.index(name) for name in config.pretraining_channel_names])
    present = present & torch.isin(ids, wanted)
    without = (~present.any(1)).nonzero().flatten()
    if len(without):
        own = ids[without[0]][batch["channel_mask"][without[0]]]
        raise ValueError(
            f"A window of the channels {', '.join(config.channel_names[number] for number in own)} has none of the "
            "pre-training montage: leave it out, or set pretraining_channel_names=all in the model's configuration."
        )
    columns = present.any(0)
    values = batch["input_values"]
    if not bool(columns.all()):
        values, ids, present = values[:, columns], ids[:, columns], present[:, columns]
    inputs = {"input_values": values, "channel_ids": ids}
    if not bool(present.all()):
        # What a masked channel holds must not reach the average or the targets.
        inputs["input_values"] = values * present[..., None]
        inputs["channel_mask"] = present
    elif bool((ids == ids[:1]).all()):
        inputs["channel_ids"] = ids[0]
    if not bool(batch["patch_mask"].all()):
        inputs["patch_mask"] = batch["patch_mask"]
    return inputs
