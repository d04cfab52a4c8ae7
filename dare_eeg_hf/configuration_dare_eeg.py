"""What a DARE-EEG model is: sizes, channel vocabulary, objective, adapter; and the five published sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from huggingface_hub.dataclasses import strict, validated_field
from transformers import PreTrainedConfig
from transformers.utils import logging

from .argument_names import refuse_misspelt_names, refuse_unknown_names, suggest
from .class_labels_dare_eeg import require_distinct_labels, shared_labels, tell_labels_apart
from .lora_targets_dare_eeg import enter_lora_targets
from .mask_settings_dare_eeg import MaskSettings
from .montage import CHANNEL_VOCABULARY, PRETRAINING_CHANNELS, require_distinct, require_known
from .removed_fields_dare_eeg import refuse_removed_fields, without_removed_fields

logger = logging.get_logger(__name__)

PRESETS: dict[str, dict[str, int]] = {
    name: {
        "hidden_size": hidden_size,
        "num_summary_tokens": num_summary_tokens,
        "num_hidden_layers": layers[0],
        "predictor_num_hidden_layers": layers[1],
        "reconstructor_num_hidden_layers": layers[2],
        "num_attention_heads": heads,
    }
    for name, hidden_size, num_summary_tokens, layers, heads in [
        ("nano", 64, 1, (2, 2, 4), 4),
        ("light", 128, 1, (6, 6, 6), 4),
        ("small", 256, 1, (6, 6, 6), 4),
        ("base", 256, 4, (8, 8, 8), 4),
        ("deep", 512, 4, (8, 8, 8), 8),
    ]
}
"""Width, summary tokens, blocks of encoder, predictor and reconstructor, and heads of the published sizes."""

_POSITIVE = (
    "hidden_size num_summary_tokens num_hidden_layers predictor_num_hidden_layers reconstructor_num_hidden_layers "
    "num_attention_heads patch_size sampling_rate window_size contrastive_hidden_size contrastive_projection_size "
    "spectral_kernel_size probe_hidden_size mlp_ratio layer_norm_eps initializer_range rotary_theta "
    "rotary_interpolation_factor contrastive_temperature"
).split()
_LOSS_WEIGHTS = (
    "reconstruction_loss_weight spectrum_loss_weight anchor_loss_weight mask_alignment_loss_weight "
    "activation_loss_weight"
).split()
_NAMES_OF_TRANSFORMERS = frozenset(
    "attn_implementation auto_map custom_pipelines experts_implementation model_type name_or_path num_labels "
    "output_attentions per_layer_config quantization_config tie_last_hidden_states tie_word_embeddings torch_dtype "
    "use_cache".split()
)
"""What Transformers gives a configuration, or stores in its file, besides the fields of the class."""


@strict
class DareEegConfig(PreTrainedConfig):
    r"""
    Configuration of every DARE-EEG model. The defaults are the published *base* size;
    [`DareEegConfig.from_preset`] gives the others.

    Args:
        hidden_size (`int`, *optional*, defaults to 256):
            Width D of the encoder, predictor and reconstructor.
        num_summary_tokens (`int`, *optional*, defaults to 4):
            Number S of learned tokens that summarise the channels of one time patch.
        num_hidden_layers (`int`, *optional*, defaults to 8):
            Blocks of the encoder (and of the momentum encoder, also called target encoder).
        predictor_num_hidden_layers, reconstructor_num_hidden_layers (`int`, *optional*, default to 8):
            Blocks of the predictor and of the reconstructor.
        num_attention_heads (`int`, *optional*, defaults to 4):
            Attention heads of every block. It changes the shape of no tensor, so weights load with any value that
            divides `hidden_size`, but only one value gives the right output.
        mlp_ratio (`float`, *optional*, defaults to 4.0):
            Width of the MLPs as a multiple of `hidden_size`.
        hidden_act (`str`, *optional*, defaults to `"gelu"`):
            Activation of the MLPs; `"gelu"` is the exact one.
        layer_norm_eps (`float`, *optional*, defaults to 1e-6):
            Epsilon of the layer normalisations that have parameters.
        initializer_range (`float`, *optional*, defaults to 0.02):
            Standard deviation of the (truncated) normal initialisation.
        rotary_theta, rotary_interpolation_factor (`float`, *optional*, default to 10000.0 and 2.0):
            Base of the rotary position embedding on time (predictor and reconstructor), and what times are divided by.
        patch_size (`int`, *optional*, defaults to 64):
            Samples of one channel in one patch.
        sampling_rate (`int`, *optional*, defaults to 256):
            Samples per second the encoder expects.
        window_size (`int`, *optional*, defaults to 1024):
            Samples of a pre-training window, and of the windows a classification head reads. A multiple of
            `patch_size`. The encoder itself takes any whole number of patches.
        channel_names (`list[str]`, *optional*):
            Channel vocabulary: row i of the channel embeddings belongs to the i-th name. Defaults to the 62 names of
            `montage.CHANNEL_VOCABULARY`.
        pretraining_channel_names (`list[str]` or `"all"`, *optional*):
            Montage of pre-training: other channels of a window are left out. Defaults to the 58 names of
            `montage.PRETRAINING_CHANNELS`; `"all"` stands for the whole vocabulary.
        masking (`dict`, *optional*):
            Settings of [`MaskSettings`] that differ from the published ones, such as `{"scope": "sample"}`: how the
            masks of pre-training are drawn. The attribute holds them all.
        use_anchor_alignment (`bool`, *optional*, defaults to `True`):
            Align the predictor's output with the momentum encoder's features.
        normalize_targets (`bool`, *optional*, defaults to `True`):
            Layer-normalise the anchor targets over D and the target patches over their samples.
        use_skip_connection (`bool`, *optional*, defaults to `True`):
            Give the reconstructor the encoder's own output at visible time patches, rather than the predictor's.
        use_mask_alignment (`bool`, *optional*, defaults to `True`):
            Contrast the embeddings of two masked views of a window (InfoNCE).
        reconstruction_loss_weight, anchor_loss_weight, mask_alignment_loss_weight, activation_loss_weight (`float`,
            *optional*, default to 1.0, 1.0, 0.1 and 1e-4): Weights of the four losses.
        spectrum_loss_weight (`float`, *optional*, defaults to 0.0):
            Weight of a loss that is not in the paper: the reconstructor also tells the log amplitude spectrum of each
            target patch (Hann window, from a microvolt up), which normalised samples leave out. 0: no such output.
        contrastive_temperature (`float`, *optional*, defaults to 0.1):
            Temperature of InfoNCE.
        contrastive_hidden_size, contrastive_projection_size (`int`, *optional*, default to 512 and 256):
            Widths of the two layers that project S*D features before InfoNCE.
        electrode_names (`list[str]`, *optional*):
            Electrodes of the data set a classifier was adapted to, in the order of its input rows. Needed by the
            adapter; any names will do for the spatial projection.
        projected_channel_names (`list[str]`, *optional*):
            Positions of the vocabulary the spatial projection maps to. Defaults to the electrodes, where all of them
            are in the vocabulary, and to the 19 positions of the 10-20 system otherwise.
        use_spatial_projection (`bool`, *optional*, defaults to `False`):
            Learn a projection from the data set's electrodes to `projected_channel_names`.
        use_spectral_projection (`bool`, *optional*, defaults to `False`):
            Learn a temporal filter for each (projected) channel.
        spatial_projection_channels (`list[int]`, *optional*, defaults to `[]`):
            Widths of hidden layers of the spatial projection, each followed by batch normalisation and GELU.
        spectral_kernel_size (`int`, *optional*, defaults to 15):
            Samples of the temporal filters; odd, so that they do not shift the signal.
        probe_hidden_size (`int`, *optional*, defaults to 16):
            Features the probe makes of each time patch.
        normalize_probe_features (`bool`, *optional*, defaults to `False`):
            Standardise each of the encoder's features before the probe, with the mean and deviation given to
            `DareEegForSequenceClassification.fit_feature_standardization`. The paper's probe does not; without it,
            features that vary little compared with their mean are learned very slowly.
        probe_dropout (`float`, *optional*, defaults to 0.5):
            Dropout on the encoder's features.
        statistics_stride (`int`, *optional*):
            Have a classifier of windows of any length read mean and spread of patches, one every so many samples.
        use_power_maps (`bool`, *optional*, defaults to `False`):
            Have that classifier also read how strong the rhythms are, where, and what goes together (`power_maps`).

    Example:

    ```python
    >>> from dare_eeg_hf import DareEegConfig, DareEegModel

    >>> config = DareEegConfig.from_preset("nano")
    >>> model = DareEegModel(config)
    >>> model.config.hidden_size
    64
    ```"""

    model_type = "dare_eeg"

    hidden_size: int = 256
    num_summary_tokens: int = 4
    num_hidden_layers: int = 8
    predictor_num_hidden_layers: int = 8
    reconstructor_num_hidden_layers: int = 8
    num_attention_heads: int = 4
    mlp_ratio: float | int = 4.0
    hidden_act: str = "gelu"
    layer_norm_eps: float | int = 1e-6
    initializer_range: float | int = 0.02
    rotary_theta: float | int = 10000.0
    rotary_interpolation_factor: float | int = 2.0

    patch_size: int = 64
    sampling_rate: int = 256
    window_size: int = 1024
    channel_names: list[str] | tuple[str, ...] | None = None
    pretraining_channel_names: list[str] | tuple[str, ...] | str | None = None

    masking: dict[str, Any] | None = None
    use_anchor_alignment: bool = True
    normalize_targets: bool = True
    use_skip_connection: bool = True
    use_mask_alignment: bool = True
    reconstruction_loss_weight: float | int = 1.0
    spectrum_loss_weight: float | int = 0.0
    anchor_loss_weight: float | int = 1.0
    mask_alignment_loss_weight: float | int = 0.1
    activation_loss_weight: float | int = 1e-4
    contrastive_temperature: float | int = 0.1
    contrastive_hidden_size: int = 512
    contrastive_projection_size: int = 256

    electrode_names: list[str] | tuple[str, ...] | None = None
    projected_channel_names: list[str] | tuple[str, ...] | None = None
    use_spatial_projection: bool = False
    use_spectral_projection: bool = False
    spatial_projection_channels: list[int] | tuple[int, ...] = ()
    spectral_kernel_size: int = 15
    probe_hidden_size: int = 16
    normalize_probe_features: bool = False
    probe_dropout: float | int = 0.5
    statistics_stride: int | None = None
    use_power_maps: bool = False
    id2label: dict[int, str] | dict[str, str] | None = validated_field(require_distinct_labels, default=None)

    def __post_init__(self, **kwargs):
        public = [name for name in kwargs if not name.startswith("_")]  # the others are Transformers' own
        self.refuse_names_without_field(public)
        refuse_unknown_names(self.masking or {}, [field.name for field in fields(MaskSettings)], "masking")
        self.masking = asdict(MaskSettings()) | (self.masking or {})
        if self.channel_names is None:
            self.channel_names = list(CHANNEL_VOCABULARY)
        if self.pretraining_channel_names is None:
            self.pretraining_channel_names = [name for name in PRETRAINING_CHANNELS if name in self.channel_names]
        elif self.pretraining_channel_names == "all":
            self.pretraining_channel_names = list(self.channel_names)
        elif isinstance(self.pretraining_channel_names, str):
            raise ValueError(
                f'pretraining_channel_names must be a list of names or "all", not {self.pretraining_channel_names!r}.'
            )
        if self.projected_channel_names is None and self.electrode_names is not None:
            known = all(name in self.channel_names for name in self.electrode_names)
            self.projected_channel_names = (
                list(self.electrode_names)
                if known or not self.use_spatial_projection
                else [name for name in _TEN_TWENTY if name in self.channel_names]
            )
        for name in _LISTS:
            if getattr(self, name) is not None:
                setattr(self, name, list(getattr(self, name)))
        if not __name__.startswith("transformers_modules."):
            # The package registers its pipelines itself; for the same tasks this entry of a repository would make
            # Transformers ask for consent to run the repository's code.
            kwargs.pop("custom_pipelines", None)
        super().__post_init__(**kwargs)

    @classmethod
    def from_preset(cls, name: str, **overrides) -> DareEegConfig:
        """Return the configuration of a published size: nano, light, small, base or deep.

        Args:
            name: The size.
            overrides: Fields that differ from the preset.

        Raises:
            ValueError: If there is no such size.
        """
        if name not in PRESETS:
            raise ValueError(f"There is no size {name!r}; choose one of {', '.join(PRESETS)}.")
        return cls(**{**PRESETS[name], **overrides})

    @classmethod
    def known_names(cls) -> set[str]:
        """All names that the constructor takes: the fields, and what Transformers adds to them."""
        return {field.name for field in fields(cls)} | _NAMES_OF_TRANSFORMERS

    @classmethod
    def refuse_names_without_field(cls, given: Iterable[str]) -> None:
        """Refuse names that the constructor does not take, and say where a removed field went.

        Raises:
            UnknownNameError: With the nearest field, or with what replaces one that was removed.
        """
        given = list(given)
        refuse_removed_fields(given)
        refuse_unknown_names(given, cls.known_names(), "DareEegConfig")

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs) -> DareEegConfig:
        """Build a configuration from a dictionary, such as a file holds, and overrides, which are validated together.

        A file may come from another version: fields removed since then are read as `removed_fields_dare_eeg`
        describes, names that this version does not know are kept, with a warning, and labels that several classes
        share get the number of the class. Overrides of `masking` change the file's, one by one.

        Raises:
            UnknownNameError: If an override is a misspelt or removed field.
            ValueError: If the file asks for what this version cannot compute.
        """
        names = cls.known_names()
        refuse_removed_fields(kwargs)
        refuse_misspelt_names(kwargs, names, "DareEegConfig")
        overrides = {field.name: kwargs.pop(field.name) for field in fields(cls) if field.name in kwargs}
        config_dict = without_removed_fields(config_dict)
        if overrides.get("masking"):
            overrides["masking"] = (config_dict.get("masking") or {}) | overrides["masking"]
        unknown = {n: v for n, v in config_dict.items() if n not in names and not n.startswith("_")}
        if unknown:
            listed = ", ".join(suggest(name, names) for name in unknown)
            logger.warning(f"The configuration holds {listed}, which DareEegConfig does not know and does not use.")
        stored = {name: value for name, value in config_dict.items() if name not in unknown}
        labels = stored.get("id2label")
        if labels and "id2label" not in overrides and shared_labels(labels):
            stored["id2label"] = tell_labels_apart(labels)
            stored["label2id"] = {label: int(index) for index, label in stored["id2label"].items()}
            logger.warning(f"Several classes share a label; they are told apart as {stored['id2label']}.")
        loaded = super().from_dict({**stored, **overrides}, **kwargs)
        config = loaded[0] if isinstance(loaded, tuple) else loaded
        for name, value in unknown.items():
            setattr(config, name, value)
        return loaded

    def to_dict(self) -> dict[str, Any]:
        """The fields; PEFT, too, reads a model's type here, before it looks up which modules to adapt."""
        enter_lora_targets()
        return super().to_dict()

    @property
    def num_patches(self) -> int:
        """Time patches of one window."""
        return self.window_size // self.patch_size

    @property
    def mask_settings(self) -> MaskSettings:
        """How the masks of pre-training are drawn."""
        return MaskSettings(**(self.masking or {}))

    def get_channel_ids(self, channel_names: list[str] | tuple[str, ...]) -> list[int]:
        """Return the rows of the channel vocabulary that belong to these names.

        Raises:
            ValueError: If a name is not in the vocabulary.
        """
        rows = {name: row for row, name in enumerate(self.channel_names)}
        require_known(channel_names, self.channel_names, "channel_names")
        return [rows[name] for name in channel_names]

    def validate_sizes(self):
        """Check that numbers lie in their ranges, widths divide and windows hold whole patches."""
        for name in _POSITIVE:
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or value <= 0:
                raise ValueError(f"{name} must be a positive number, got {value!r}.")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size ({self.hidden_size}) must be a multiple of num_attention_heads "
                f"({self.num_attention_heads}): every head takes an equal share of the width."
            )
        head_size = self.hidden_size // self.num_attention_heads
        if head_size % 4:
            raise ValueError(
                f"The head size, hidden_size / num_attention_heads = {head_size}, must be a multiple of 4: rotary "
                "position embedding rotates half of it, in pairs."
            )
        if self.window_size % self.patch_size:
            raise ValueError(
                f"window_size ({self.window_size} samples) must be a multiple of patch_size ({self.patch_size}); "
                f"the nearest are {self.window_size // self.patch_size * self.patch_size} and "
                f"{(self.window_size // self.patch_size + 1) * self.patch_size}."
            )

    def validate_objective(self):
        """Check masks, loss weights and the probe's dropout."""
        for name in _LOSS_WEIGHTS:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}.")
        if not 0 <= self.probe_dropout < 1:
            raise ValueError(f"probe_dropout must be at least 0 and below 1, got {self.probe_dropout}.")
        MaskSettings(**(self.masking or {}))

    def validate_channels(self):
        """Check that channel lists name known, distinct channels."""
        if self.channel_names is None:
            return
        for name in _LISTS:
            require_distinct(getattr(self, name), name)
        require_known(self.pretraining_channel_names, self.channel_names, "pretraining_channel_names")
        require_known(self.projected_channel_names, self.channel_names, "projected_channel_names")

    def validate_adapter(self):
        """Check that the adapter's parts fit together."""
        if any(width <= 0 for width in self.spatial_projection_channels):
            raise ValueError(f"spatial_projection_channels must be positive, got {self.spatial_projection_channels}.")
        if self.spectral_kernel_size % 2 == 0:
            raise ValueError(f"spectral_kernel_size must be odd, got {self.spectral_kernel_size}.")
        if self.statistics_stride is not None:
            if self.statistics_stride < 1:
                raise ValueError(f"statistics_stride must be at least 1, got {self.statistics_stride}.")
            if self.use_spatial_projection or self.use_spectral_projection:
                raise ValueError("statistics_stride needs a classifier without projections; leave one of the two out.")
        elif self.use_power_maps:
            raise ValueError("use_power_maps needs statistics_stride: the paper's probe reads the encoder alone.")
        if (self.use_spatial_projection or self.use_spectral_projection) and not self.electrode_names:
            raise ValueError(
                "The spatial and the spectral projection need electrode_names: the names of the data "
                "set's electrodes, in the order of the input rows."
            )
        if self.use_spatial_projection and not self.projected_channel_names:
            raise ValueError("The spatial projection needs projected_channel_names: names from the vocabulary.")
        if self.electrode_names is not None and not self.use_spatial_projection and self.channel_names is not None:
            require_known(
                self.electrode_names,
                self.channel_names,
                "electrode_names",
                hint=" Set use_spatial_projection=True to learn a projection from electrodes of any name.",
            )


_LISTS = ("channel_names", "pretraining_channel_names", "electrode_names", "projected_channel_names")
_TEN_TWENTY = tuple("FP1 FP2 F7 F3 FZ F4 F8 T7 C3 CZ C4 T8 P7 P3 PZ P4 P8 O1 O2".split())
