"""Does a pre-trained model put the right signal into hidden patches, and is that more than neighbours tell?

Patches are compared as the objective compares them, each at zero mean and unit variance. The error is relative: the
channel's mean, a flat line, has 1, and a perfect reconstruction 0. Neighbours tell much: an electrode can be
interpolated from those that are visible at the same time by spherical splines (Perrin et al. 1989, as in MNE), which
is how the field fills in a bad channel. A model that has learned something about EEG does better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from dare_eeg_hf.masking_dare_eeg import draw_masks, select_targets
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining, split_patches
from dare_eeg_hf.randomness import generator_for
from dare_eeg_hf.recordings.head_model import HEAD_RADIUS, electrode_places

CHANNEL_MEAN = "channel's mean"
INTERPOLATION = "spherical splines"
BATCH_SIZE = 32
NORM_EPSILON = 1e-5
"""The objective's: it keeps patches of a few microvolts from being blown up."""
SPLINE_STIFFNESS, SPLINE_TERMS, SPLINE_NOISE = 4, 50, 1e-5


@dataclass
class Reconstructions:
    """Windows, what was hidden of them, and what each method put there.

    Attributes:
        truth: `(B, C, T)`, each patch as the objective normalises it.
        mean, spread: `(B, C, T)`, what each patch's truth times its spread and plus its mean is in millivolts.
        visible: boolean `(B, N, C)`, True where a patch was shown.
        filled: method to `(B, C, T)`, NaN where nothing was hidden.
    """

    truth: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    visible: np.ndarray
    filled: dict[str, np.ndarray]

    def error(self, method: str, windows: slice | np.ndarray = slice(None)) -> float:
        """Squared error of a method on the hidden patches of these windows, relative to a flat line's."""
        truth, filled = self.truth[windows], self.filled[method][windows]
        return float(np.nanmean((filled - truth) ** 2) / np.mean(truth[~np.isnan(filled)] ** 2))

    def in_millivolts(self, method: str | None = None) -> np.ndarray:
        """What a method filled in, or the signal itself: `(B, C, T)`, at the true patches' mean and spread."""
        return (self.truth if method is None else self.filled[method]) * self.spread + self.mean


@torch.no_grad()
def reconstruct(
    models: Mapping[str, DareEegForPreTraining],
    inputs: Mapping[str, torch.Tensor],
    *,
    seed: int = 0,
    patches_at_once: int | None = None,
) -> Reconstructions:
    """Hide patches of windows and let models and baselines fill them in.

    Args:
        models: name to model, all of one patch size; masks are drawn as for the first, one for each window.
        inputs: windows without padding, `input_values (B, C, T)` and `channel_ids (B, C)` or `(C,)`, all alike.
        seed: of the masks.
        patches_at_once: cut windows into so many patches first, as a model was trained (`crop_patches`); None shows
            the models whole windows. A divisor of N.

    Returns:
        Reconstructions by each model, by `INTERPOLATION` and by `CHANNEL_MEAN`. The interpolated patches, brought to
        unit variance, are shrunk by the one factor that suits these very windows best: nothing is lost to their scale.
    """
    network = next(iter(models.values()))
    config = network.config
    patches = split_patches(inputs["input_values"], config.patch_size)
    windows, num_patches, num_channels, _ = patches.shape
    ids = inputs["channel_ids"].reshape(-1, num_channels)[0]
    settings = replace(config.mask_settings, scope="sample")
    # Drawn for the pieces, so that each of them shows something and hides something.
    at_once = patches_at_once or num_patches
    pieces = windows * num_patches // at_once
    generator = generator_for(seed, "reconstruction")
    masks = draw_masks(settings, at_once, num_channels, batch_size=pieces, generator=generator)
    visible = masks.context_mask.view(windows, num_patches, num_channels)
    truth = _normalised(patches)
    filled = {name: _fill(model.eval(), patches, ids, visible, at_once) for name, model in models.items()}
    splines = _normalised(_interpolate(patches, visible, [config.channel_names[number] for number in ids]))
    hidden = ~visible
    filled[INTERPOLATION] = splines * (splines[hidden] * truth[hidden]).mean() / splines[hidden].square().mean()
    filled[CHANNEL_MEAN] = torch.zeros_like(truth)
    spread = (patches.var(-1, unbiased=False, keepdim=True) + NORM_EPSILON).sqrt()
    return Reconstructions(
        _as_windows(truth),
        _as_windows(patches.mean(-1, keepdim=True).expand_as(patches)),
        _as_windows(spread.expand_as(patches)),
        visible.numpy(),
        {name: _as_windows(values.masked_fill(visible[..., None], torch.nan)) for name, values in filled.items()},
    )


def _normalised(patches: torch.Tensor) -> torch.Tensor:
    """Each patch `(..., P)` at zero mean and unit variance, as the objective has them."""
    return torch.nn.functional.layer_norm(patches, patches.shape[-1:], eps=NORM_EPSILON)


def _as_windows(patches: torch.Tensor) -> np.ndarray:
    """`(B, N, C, P)` as `(B, C, N * P)`."""
    return patches.transpose(1, 2).flatten(2).numpy()


def _fill(
    model: DareEegForPreTraining, patches: torch.Tensor, ids: torch.Tensor, visible: torch.Tensor, at_once: int
) -> torch.Tensor:
    """What a model puts into every hidden patch of `(B, N, C, P)`; zero elsewhere."""
    num_channels, patch_size = patches.shape[2:]
    pieces = patches.reshape(-1, at_once, num_channels, patch_size)
    shown = visible.reshape(-1, at_once, num_channels)
    filled = torch.zeros_like(pieces)
    for start in range(0, len(pieces), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        output = model(
            input_values=pieces[part].transpose(1, 2).flatten(2),
            channel_ids=ids,
            context_mask=shown[part],
            second_context_mask=shown[part],
            target_mask=~shown[part],
            return_dict=True,
        )
        # Pieces that hide fewer patches than others are padded.
        valid = select_targets(~shown[part])[1]
        values = output.reconstruction
        filled[part][~shown[part]] = values.flatten(0, 1) if valid is None else values[valid]
    return filled.view_as(patches)


def _interpolate(patches: torch.Tensor, visible: torch.Tensor, names: list[str]) -> torch.Tensor:
    """Fill hidden patches of `(B, N, C, P)` from the visible ones of the same time by spherical splines."""
    directions = electrode_places(names) / HEAD_RADIUS
    terms = np.arange(1, SPLINE_TERMS + 1)
    weights = (2 * terms + 1) / (4 * np.pi * (terms * (terms + 1.0)) ** SPLINE_STIFFNESS)
    spline = np.polynomial.legendre.legval(directions @ directions.T, [0, *weights])
    filled = patches.numpy().copy()
    for place in np.ndindex(*visible.shape[:2]):
        shown = visible[place].numpy()
        known = np.ones((shown.sum() + 1, shown.sum() + 1))
        known[:-1, :-1] = spline[np.ix_(shown, shown)] + SPLINE_NOISE * np.eye(shown.sum())
        known[-1, -1] = 0
        wanted = np.column_stack([spline[np.ix_(~shown, shown)], np.ones((~shown).sum())])
        filled[place][~shown] = (wanted @ np.linalg.pinv(known)[:, :-1]) @ filled[place][shown]
    return torch.from_numpy(filled)
