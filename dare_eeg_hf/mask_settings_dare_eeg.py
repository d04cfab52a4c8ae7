"""How much pre-training hides, and how far two views overlap: the settings of masks, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass

_PROBABILITIES = (
    "patch_drop_probability",
    "visible_channel_ratio",
    "target_probability",
    "min_view_overlap",
    "max_view_overlap",
)
_CHOICES = {"scope": ("batch", "sample"), "second_view_patches": ("same", "reference")}


@dataclass(frozen=True)
class MaskSettings:
    """How masks are drawn (METHOD.md, "Masks"). Defaults are the published values.

    Args:
        patch_drop_probability: Probability that a time patch is hidden whole; all its channels are then reconstructed.
        visible_channel_ratio: Share of a kept time patch's channels that stays visible (12 of the 58 of the
            pre-training montage).
        target_probability: Probability that a hidden channel of a kept time patch is reconstructed.
        scope: `"batch"`: all windows of a batch share one mask. `"sample"`: every window has its own; half of the time
            patches and `target_probability` of the hidden channels are then taken as exact counts.
        min_view_overlap: Smallest overlap (intersection over union) of the channels visible in the two views.
        max_view_overlap: Largest.
        second_view_patches: `"same"`: the second view's new channels come from the time patch of the first view's, as
            the paper describes. `"reference"`: the public implementation's indexing, which takes them from the time
            patch whose index is the row number among the kept patches.

    Raises:
        ValueError: A value is out of its range, or two do not go together.
    """

    patch_drop_probability: float = 0.5
    visible_channel_ratio: float = 12 / 58
    target_probability: float = 0.2
    scope: str = "batch"
    min_view_overlap: float = 0.2
    max_view_overlap: float = 0.8
    second_view_patches: str = "same"

    def __post_init__(self) -> None:
        for name in _PROBABILITIES:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {value!r}.")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}.")
        if self.visible_channel_ratio == 0:
            raise ValueError("visible_channel_ratio must be above 0: a kept time patch needs a visible channel.")
        if self.min_view_overlap > self.max_view_overlap:
            raise ValueError(
                f"min_view_overlap ({self.min_view_overlap}) must not exceed max_view_overlap "
                f"({self.max_view_overlap})."
            )
        if self.second_view_patches == "reference" and self.scope == "sample":
            raise ValueError('second_view_patches="reference" is defined for scope="batch" only.')
