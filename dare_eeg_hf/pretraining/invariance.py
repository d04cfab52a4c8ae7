"""Mask invariance, measured: do two masked views of one window land in the same place, and do windows stay apart?

This is the paper's claim (METHOD.md, "What problem it solves"), so it is watched while training. A collapsed encoder
is perfectly invariant and useless; therefore retrieval and the spread of the features are measured beside similarity.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
import torch.nn.functional as F

from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.mask_settings_dare_eeg import MaskSettings
from dare_eeg_hf.masking_dare_eeg import PretrainingMasks, draw_masks

OVERLAPS = (0.05, 0.2, 0.4, 0.6, 0.8)
# Below these the features of different windows hardly differ; a healthy untrained or trained encoder is far above.
COLLAPSED_STD = 1e-3
COLLAPSED_RANK_SHARE = 0.02


@torch.no_grad()
def measure_invariance(
    network: torch.nn.Module,
    batches: Sequence[dict[str, torch.Tensor]],
    *,
    seed: int = 0,
    overlaps: Sequence[float] = OVERLAPS,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, object]:
    """Compare two masked views of the same windows, and each with the views of other windows.

    Args:
        network: a `DareEegForPreTraining`; its mode is left as it is.
        batches: model inputs, `input_values (B, C, T)`, `channel_ids` and, where there is padding, the padding masks.
        seed: masks and nothing else depend on it.
        overlaps: intersections over union of the visible patches at which to measure.
        autocast: context for the forward passes, such as `accelerator.autocast`.

    Returns:
        `invariance`: for each overlap a dict with
            `overlap`, as the masks have it (whole channels come near what was asked for); `similarity`, the mean
            cosine between the two views of one window; `other_windows_similarity`, the same between views of different
            windows; both after the mean over windows is removed, so that what all windows share does not count as
            likeness; `retrieval_accuracy`, how often a first view's nearest second view is that of its own window;
        `retrieval_accuracy`: its mean over overlaps; `chance`: what guessing gives;
        `feature_std`: standard deviation of the features over windows, mean over features, relative to their root mean
            square; `effective_rank`: of their covariance (see `effective_rank`); `collapsed`: the warning.

    Raises:
        ValueError: with fewer than two windows.
    """
    if sum(len(batch["input_values"]) for batch in batches) < 2:
        raise ValueError("Invariance compares windows with each other: at least two are needed.")
    points, features = [], torch.empty(0)
    for overlap in overlaps:
        first, second, measured = views_at_overlap(network, batches, overlap, seed=seed, autocast=autocast)
        points.append({"overlap": measured, **compare_views(first, second)})
        features = first
    std = relative_std(features)
    rank = effective_rank(features)
    windows, width = features.shape
    return {
        "invariance": points,
        "retrieval_accuracy": sum(point["retrieval_accuracy"] for point in points) / len(points),
        "chance": 1 / windows,
        "feature_std": std,
        "effective_rank": rank,
        "collapsed": std < COLLAPSED_STD or rank < max(1.5, COLLAPSED_RANK_SHARE * min(windows - 1, width)),
    }


def views_at_overlap(
    network: torch.nn.Module,
    batches: Sequence[dict[str, torch.Tensor]],
    overlap: float,
    *,
    seed: int = 0,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """The online encoder's features of two views whose visible patches overlap by `overlap`.

    Returns:
        Two float32 tensors on the CPU, `(windows, S*D)`: the mean of the summary tokens over kept time patches; and
        the overlap that the masks have.
    """
    pooled: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    shared, covered = 0, 0
    settings = settings_at_overlap(network.config, overlap)
    for number, batch in enumerate(batches):
        masks = _masks(settings, network.config.patch_size, batch, torch.Generator().manual_seed(seed + number))
        with autocast():
            output = network(
                **batch,
                context_mask=masks.context_mask,
                second_context_mask=masks.second_context_mask,
                views_only=True,
                return_dict=True,
            )
        shared += int((masks.context_mask & masks.second_context_mask).sum())
        covered += int((masks.context_mask | masks.second_context_mask).sum())
        kept = masks.context_mask.any(-1).sum(-1)
        for view, features in zip(pooled, (output.first_view_features, output.second_view_features), strict=True):
            view.append(_mean_over_kept(features.float().cpu(), kept))
    return torch.cat(pooled[0]), torch.cat(pooled[1]), shared / covered


def settings_at_overlap(config: DareEegConfig, overlap: float) -> MaskSettings:
    """The masks a model was trained with, but for the overlap of the two views."""
    return replace(
        config.mask_settings, min_view_overlap=overlap, max_view_overlap=overlap, second_view_patches="same"
    )


def _masks(
    settings: MaskSettings, patch_size: int, batch: dict[str, torch.Tensor], generator: torch.Generator
) -> PretrainingMasks:
    batch_size, num_channels, num_samples = batch["input_values"].shape
    padding = {name: batch.get(name) for name in ("channel_mask", "patch_mask")}
    num_patches = num_samples // patch_size
    return draw_masks(settings, num_patches, num_channels, batch_size=batch_size, generator=generator, **padding)


def _mean_over_kept(features: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Mean of `(B, K, S, D)` over each window's first `kept` `(1 or B,)` rows, as `(B, S*D)`."""
    weights = (torch.arange(features.shape[1]) < kept[:, None]).float()[..., None]
    return (features.flatten(2) * weights).sum(1) / kept[:, None]


def compare_views(first: torch.Tensor, second: torch.Tensor) -> dict[str, float]:
    """Similarity of matching and of other rows, and retrieval, for two views `(windows, features)`."""
    first, second = (F.normalize(view - view.mean(0), dim=1) for view in (first, second))
    cosine = first @ second.T
    windows = len(cosine)
    own = cosine.diagonal()
    others = cosine[~torch.eye(windows, dtype=torch.bool)]
    hits = (cosine.argmax(1) == torch.arange(windows)).float()
    return {
        "similarity": own.mean().item(),
        "similarity_std": own.std().item(),
        "other_windows_similarity": others.mean().item(),
        "other_windows_similarity_std": others.std().item() if len(others) > 1 else 0.0,
        "retrieval_accuracy": hits.mean().item(),
    }


def relative_std(features: torch.Tensor) -> float:
    """Spread of features `(windows, features)` over windows, relative to their root mean square; 0 is collapse."""
    scale = features.square().mean().sqrt().clamp(min=1e-12)
    return (features.std(0).mean() / scale).item()


def effective_rank(features: torch.Tensor) -> float:
    """How many directions features `(windows, features)` really use: exp of the entropy of their singular values.

    Roy and Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007, applied to the
    centred features. Between 1 (all on a line) and min(windows - 1, features); 0 when all windows are the same.
    """
    centred = features.double() - features.double().mean(0)
    singular = torch.linalg.svdvals(centred)
    if singular.sum() <= 1e-9 * max(features.abs().max().item(), 1e-12):
        return 0.0
    share = singular / singular.sum()
    share = share[share > 0]
    return torch.exp(-(share * share.log()).sum()).item()
