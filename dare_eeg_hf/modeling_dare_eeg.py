"""DARE-EEG models: the encoder, its pre-training with dual alignment, and the conv-linear-probe classifier.

Shapes are written with B windows, C channels, T samples, N time patches of P samples, S summary tokens, width D.
The method is that of Shao et al., "DARE-EEG: A Foundation Model for Mining Dual-Aligned Representation of EEG",
arXiv 2605.18298.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import repeat

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPooling, SequenceClassifierOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs, logging
from transformers.utils.generic import can_return_tuple, maybe_autocast, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .argument_names import refuse_unknown_arguments
from .configuration_dare_eeg import DareEegConfig
from .masking_dare_eeg import PatchSelection, draw_masks, select_targets, select_visible
from .power_maps_dare_eeg import power_maps
from .readout_dare_eeg import DareEegStatisticsProbe, FeatureStandardization, overlapping_mask, overlapping_patches

logger = logging.get_logger(__name__)


@dataclass
class DareEegForPreTrainingOutput(ModelOutput):
    """Output of [`DareEegForPreTraining`].

    Args:
        loss (`torch.FloatTensor` of shape `()`): Weighted sum of the losses.
        loss_reconstruction (`torch.FloatTensor` of shape `()`): Mean squared error of the reconstructed patches.
        loss_spectrum (`torch.FloatTensor` of shape `()`): Mean squared error of their log spectra; None where
            `spectrum_loss_weight` is 0.
        loss_anchor (`torch.FloatTensor` of shape `()`): Anchor alignment; None where it is switched off.
        loss_mask_alignment (`torch.FloatTensor` of shape `()`): Mask alignment; None where it is switched off.
        loss_activation (`torch.FloatTensor` of shape `()`): Mean squared activation of the encoder's output.
        reconstruction (`torch.FloatTensor` of shape `(B, M, P)`): Reconstructed patches, in time-major order of the
            target grid; zero at padding.
        reconstruction_target (`torch.FloatTensor` of shape `(B, M, P)`): What they are compared with.
        predictor_features (`torch.FloatTensor` of shape `(B, N, S, D)`): The predictor's output at all time patches.
        anchor_features (`torch.FloatTensor` of shape `(B, N, S, D)`): The momentum encoder's features that the
            predictor is compared with.
        first_view_features (`torch.FloatTensor` of shape `(B, K, S, D)`): The encoder's output at the K kept time
            patches of the first view.
        second_view_features (`torch.FloatTensor` of shape `(B, K, S, D)`): The same for the second view.
        first_view_embedding (`torch.FloatTensor` of shape `(B, contrastive_projection_size)`): The first view's
            normalised projection, as InfoNCE compares it.
        second_view_embedding (`torch.FloatTensor` of shape `(B, contrastive_projection_size)`): The second view's.
        hidden_states (`tuple(torch.FloatTensor)`, *optional*): Hidden states of the encoder on the first view's V
            visible channels of K time patches and the summary tokens, each of shape `(B * K, V + S, D)`.
        attentions (`tuple(torch.FloatTensor)`, *optional*): Its attention weights there.
    """

    loss: torch.FloatTensor | None = None
    loss_reconstruction: torch.FloatTensor | None = None
    loss_spectrum: torch.FloatTensor | None = None
    loss_anchor: torch.FloatTensor | None = None
    loss_mask_alignment: torch.FloatTensor | None = None
    loss_activation: torch.FloatTensor | None = None
    reconstruction: torch.FloatTensor | None = None
    reconstruction_target: torch.FloatTensor | None = None
    predictor_features: torch.FloatTensor | None = None
    anchor_features: torch.FloatTensor | None = None
    first_view_features: torch.FloatTensor | None = None
    second_view_features: torch.FloatTensor | None = None
    first_view_embedding: torch.FloatTensor | None = None
    second_view_embedding: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None


def rotary_table(positions: torch.Tensor, config: DareEegConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of the rotary embedding on time.

    Half of each head's dimensions turn, in neighbouring pairs (2k, 2k + 1), at `theta ** (-2k / dimensions)`; the
    angle of the others is zero.

    Args:
        positions: Time patch of each token, shape `(1 or B, L)`.
        config: The model's configuration.

    Returns:
        Two float32 tensors of shape `(1 or B, L, 1, 1, head_size / 2)`.
    """
    num_pairs = config.hidden_size // config.num_attention_heads // 4
    exponents = torch.arange(num_pairs, device=positions.device, dtype=torch.float32) / num_pairs
    frequencies = config.rotary_theta**-exponents / config.rotary_interpolation_factor
    angles = F.pad(positions[..., None, None, None].float() * frequencies, (0, num_pairs))
    return angles.cos(), angles.sin()


def apply_rotary(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn neighbouring pairs of each head's dimensions of `(B, L, 2, heads, head_size)`, queries and keys at once."""
    pairs = states.unflatten(-1, (-1, 2))
    if not torch.compiler.is_compiling() and (states.device.type == "cpu" or states.dtype == torch.float32):
        # One pass over memory instead of several, worth a detour through float32 on CPUs. Compilers join the passes
        # below, and have no kernels for complex numbers.
        turn = torch.complex(cos, sin)
        pairs = torch.view_as_complex(pairs.to(torch.promote_types(states.dtype, cos.dtype)))
        return torch.view_as_real(pairs * turn).flatten(-2).to(states.dtype)
    even, odd = pairs.unbind(-1)
    cos, sin = cos.to(states.dtype), sin.to(states.dtype)
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Unpack[TransformersKwargs],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Plain attention; query, key and value have shape `(B, heads, L, head_size)`. Also returns the weights."""
    weights = torch.matmul(query * scaling, key.transpose(2, 3))
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = F.softmax(weights, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = F.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


ROWS_IN_CACHE = 32
"""Time patches that are encoded at once on a CPU without gradient, so that activations stay in its cache."""


def runs_in_cache(tokens: torch.Tensor) -> bool:
    """Whether to encode `(rows, L, D)` in parts: on the CPU, with nothing kept for a backward pass or traced."""
    return (
        tokens.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not torch.compiler.is_exporting()
    )


WEIGHTS_IN_CACHE = 2**21
"""Bytes of attention weights that are computed at once where a CPU computes them as products."""

LONGEST_KEPT_ATTENTION = 256
"""Tokens of a sequence up to which training keeps those weights; for longer ones they are computed again."""

NARROW_HEAD = 32
"""Heads of fewer dimensions cost fused attention in float32 more than plain products, as long as these fit a cache."""


def suits_products(query: torch.Tensor, key: torch.Tensor, attention_mask: torch.Tensor | None) -> bool:
    """Whether plain products are faster than torch's fused attention, by a fixed rule: runs have to repeat exactly.

    On CPUs they are in half precision, where the fused backward pass is several times slower than that of float32, and
    for narrow heads in float32 where nothing is kept and the weights fit a cache. In float32 training fused attention
    was faster at any length and width that was tried.
    """
    if query.device.type != "cpu" or attention_mask is not None or torch.compiler.is_compiling():
        return False
    if query.dtype in (torch.bfloat16, torch.float16):
        return query.requires_grad or runs_in_cache(query)
    weights = query.shape[:-1].numel() * key.shape[-2] * query.element_size()
    return runs_in_cache(query) and query.shape[-1] < NARROW_HEAD and weights <= WEIGHTS_IN_CACHE


def attention_by_products(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float) -> torch.Tensor:
    """Plain attention without mask, a part of the batch at a time, as `(B, L, heads, head_size)`."""

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        weights = torch.matmul(query * scaling, key.transpose(2, 3)).softmax(dim=-1)
        return torch.matmul(weights, value).transpose(1, 2)

    size = query.shape[1:-1].numel() * key.shape[-2] * query.element_size()
    rows = max(WEIGHTS_IN_CACHE // size, 1)
    keeps = key.shape[-2] <= LONGEST_KEPT_ATTENTION or not torch.is_grad_enabled()
    run = attend if keeps else partial(checkpoint, attend, use_reentrant=False, preserve_rng_state=False)
    if rows >= len(query):
        return run(query, key, value)
    parts = zip(query.split(rows), key.split(rows), value.split(rows), strict=True)
    return torch.cat([run(*part) for part in parts])


def attention_implementation(config: DareEegConfig, device: torch.device) -> str:
    """The attention implementation to use: the configured one, except that flex attention needs a GPU."""
    if config._attn_implementation == "flex_attention" and device.type == "cpu":
        logger.warning_once(
            "Flex attention is not used on the CPU, where its compiled kernel gives wrong values for short sequences "
            "(seen with torch 2.13); sdpa takes its place."
        )
        return "sdpa"
    return config._attn_implementation


class ResidualLinear(nn.Linear):
    """Linear map that ends a residual branch; in deeper blocks (`depth` counts from 1) it starts smaller."""

    def __init__(self, in_features: int, out_features: int, depth: int):
        super().__init__(in_features, out_features)
        self.depth = depth


class DareEegAttention(nn.Module):
    """Multi-head attention with one fused projection for query, key and value."""

    def __init__(self, config: DareEegConfig, depth: int):
        super().__init__()
        self.config = config
        self.num_attention_heads = config.num_attention_heads
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.proj = ResidualLinear(config.hidden_size, config.hidden_size, depth)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        rotary: tuple[torch.Tensor, torch.Tensor] | None = None,
        num_outputs: int | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attend from the last `num_outputs` tokens of `(B, L, D)` (from all, where None) to all."""
        batch_size, length, _ = hidden_states.shape
        qkv = self.qkv(hidden_states).view(batch_size, length, 3, self.num_attention_heads, self.head_dim)
        # Taken apart before they are transposed: their gradients are then put together in the order that qkv needs.
        parts = qkv.unbind(2)
        if rotary is not None:
            turning, value = qkv.split((2, 1), dim=2)
            parts = (*apply_rotary(turning, *rotary).unbind(2), value.squeeze(2))
        query, key, value = (part.transpose(1, 2) for part in parts)
        if num_outputs is not None:
            query = query[:, :, length - num_outputs :]
            if attention_mask is not None and attention_mask.dim() == 4 and attention_mask.shape[2] == length:
                attention_mask = attention_mask[:, :, length - num_outputs :]
        implementation = attention_implementation(self.config, query.device)
        if implementation == "sdpa" and suits_products(query, key, attention_mask):
            context = attention_by_products(query, key, value, self.scaling)
            return self.proj(context.reshape(batch_size, query.shape[2], -1)), None
        dtype = query.dtype
        if query.device.type == "cpu" and dtype != torch.float32 and self.training:
            # The backward pass of half-precision attention is several times slower on CPUs than that of float32.
            query, key, value = query.float(), key.float(), value.float()

        attention: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, eager_attention_forward)
        context, weights = attention(
            self, query, key, value, attention_mask, dropout=0.0, scaling=self.scaling, **kwargs
        )
        context = context.reshape(batch_size, query.shape[2], -1).to(dtype)
        return self.proj(context), weights


class DareEegMLP(nn.Module):
    """Two linear maps with a GELU between them."""

    def __init__(self, config: DareEegConfig, depth: int):
        super().__init__()
        intermediate_size = int(config.hidden_size * config.mlp_ratio)
        self.fc1 = nn.Linear(config.hidden_size, intermediate_size)
        self.activation = ACT2FN[config.hidden_act]
        self.fc2 = ResidualLinear(intermediate_size, config.hidden_size, depth)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Map `(..., D)` to `(..., D)`."""
        return self.fc2(self.activation(self.fc1(hidden_states)))


class DareEegLayer(GradientCheckpointingLayer):
    """Pre-norm transformer block, the `depth`-th of its stack."""

    def __init__(self, config: DareEegConfig, depth: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = DareEegAttention(config, depth)
        self.norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = DareEegMLP(config, depth)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        rotary: tuple[torch.Tensor, torch.Tensor] | None = None,
        num_outputs: int | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        """Map `(B, L, D)` to `(B, num_outputs or L, D)`."""
        residual = hidden_states if num_outputs is None else hidden_states[:, -num_outputs:]
        attended, _ = self.attention(self.norm1(hidden_states), attention_mask, rotary, num_outputs, **kwargs)
        hidden_states = residual + attended
        return hidden_states + self.mlp(self.norm2(hidden_states))


class DareEegBlocks(nn.ModuleList):
    """A stack of blocks where only the output of the last tokens is needed."""

    def __init__(self, config: DareEegConfig, num_layers: int):
        super().__init__(DareEegLayer(config, depth) for depth in range(1, num_layers + 1))
        self.config = config

    def forward(
        self,
        hidden_states: torch.Tensor,
        token_mask: torch.Tensor | None = None,
        rotary: tuple[torch.Tensor, torch.Tensor] | None = None,
        num_outputs: int | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        """Run all blocks.

        Args:
            hidden_states: `(B, L, D)`.
            token_mask: Boolean `(B, L)`, False at padding.
            rotary: Cosines and sines of the time positions.
            num_outputs: How many of the last tokens are wanted (all, where None); the last block computes no others.

        Returns:
            `(B, num_outputs or L, D)`.
        """
        if attention_implementation(self.config, hidden_states.device) == self.config._attn_implementation:
            attention_mask = create_bidirectional_mask(self.config, hidden_states, token_mask)
        else:
            attention_mask = None if token_mask is None else token_mask[:, None, None, :]
        # A flex-attention block mask is made for all queries and cannot be cut.
        can_cut = attention_mask is None or isinstance(attention_mask, torch.Tensor)
        for depth, layer in enumerate(self, start=1):
            layer_outputs = num_outputs if can_cut and depth == len(self) else None
            hidden_states = layer(hidden_states, attention_mask, rotary, layer_outputs, **kwargs)
        return hidden_states if num_outputs is None else hidden_states[:, -num_outputs:]


class PatchProjection(nn.Linear):
    """Linear map from a patch's samples to its token; its weights start with their own standard deviation."""

    def __init__(self, patch_size: int, hidden_size: int, initializer_range: float):
        super().__init__(patch_size, hidden_size)
        self.initializer_range = initializer_range


class DareEegEmbeddings(nn.Module):
    """Tokens of single-channel patches, followed by the learned summary tokens."""

    def __init__(self, config: DareEegConfig, patch_initializer_range: float | None = None):
        super().__init__()
        self.patch_projection = PatchProjection(
            config.patch_size, config.hidden_size, patch_initializer_range or config.initializer_range
        )
        self.channel_embeddings = nn.Embedding(len(config.channel_names), config.hidden_size)
        self.summary_tokens = nn.Parameter(torch.empty(config.num_summary_tokens, config.hidden_size))

    def forward(self, patches: torch.Tensor, channel_ids: torch.Tensor) -> torch.Tensor:
        """Embed samples `(..., V, P)` of the channels `channel_ids`, broadcast to `(..., V)`, as `(..., V + S, D)`."""
        tokens = self.patch_projection(patches) + self.channel_embeddings(channel_ids)
        # Appended here, so that all weights of this module are read in its forward: hooks that fetch them need that.
        summary = self.summary_tokens.to(tokens.dtype).expand(*tokens.shape[:-2], -1, -1)
        return torch.cat((tokens, summary), dim=-2)


def split_patches(input_values: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Cut windows `(B, C, T)` into the grid of patches `(B, N, C, P)`.

    Raises:
        ValueError: If T is not a whole number of patches.
    """
    if input_values.dim() != 3:
        raise ValueError(
            f"input_values must have shape (batch, channels, samples), got {tuple(input_values.shape)}; "
            "add a leading dimension for a single window."
        )
    batch_size, num_channels, num_samples = input_values.shape
    if num_samples == 0 or num_samples % patch_size:
        raise ValueError(
            f"input_values holds {num_samples} samples, which is not a whole number of patches of {patch_size}; pad "
            "the window (DareEegFeatureExtractor does) and mark padding in patch_mask."
        )
    return input_values.view(batch_size, num_channels, -1, patch_size).transpose(1, 2)


class DareEegPreTrainedModel(PreTrainedModel):
    """What all DARE-EEG models share: initialisation, loading, and the attention implementations they support."""

    config: DareEegConfig
    config_class = DareEegConfig
    base_model_prefix = "dare_eeg"
    main_input_name = "input_values"
    input_modalities = ("eeg",)
    supports_gradient_checkpointing = True
    _no_split_modules = ["DareEegLayer", "DareEegEmbeddings"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    # The losses are means over windows: the Trainer has to divide by the number of accumulated batches.
    accepts_loss_kwargs = False
    # A pre-training or a classifier's checkpoint holds more than the model that is loaded from it.
    _keys_to_ignore_on_load_unexpected = [
        r"^online_encoder\.",
        r"^predictor\.",
        r"^reconstructor\.",
        r"^contrastive_projection\.",
        r"^adapter\.",
        r"^probe\.",
    ]

    def __init__(self, config: DareEegConfig, *args, **kwargs):
        config.validate()
        super().__init__(config, *args, **kwargs)

    @classmethod
    def from_pretrained(cls, *args, use_safetensors: bool | None = None, **kwargs):
        """Load a model as `PreTrainedModel.from_pretrained` does, and freeze what its class freezes.

        Raises:
            ValueError: If `use_safetensors=False` asks for a pickle: reading one can run any code.
        """
        if use_safetensors is False:
            raise ValueError("DARE-EEG reads weights from safetensors only: reading a pickle can run any code.")
        loaded = super().from_pretrained(*args, use_safetensors=True, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.freeze()
        return loaded

    def freeze(self) -> None:
        """Exclude from training what this class keeps frozen when it is built or loaded."""

    @property
    def dummy_inputs(self) -> dict[str, torch.Tensor]:
        """Two windows of zeros, for tools that need to call the model once."""
        names = self.config.electrode_names or self.config.pretraining_channel_names
        return {
            "input_values": torch.zeros(2, len(names), self.config.window_size),
            "channel_ids": torch.arange(len(names)) % len(self.config.channel_names),
        }

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        std = self.config.initializer_range
        # Called only for modules with parameters or buffers of their own: no rule may depend on a mere container.
        # The cut at +-2 is absolute, as published: a hundred standard deviations.
        if isinstance(module, ResidualLinear):
            init.trunc_normal_(module.weight, std=std / (2 * module.depth) ** 0.5, a=-2.0, b=2.0)
        elif isinstance(module, MaxNormLinear):
            # The probe is not part of the pre-trained networks and starts as a plain linear layer does.
            init.kaiming_uniform_(module.weight, a=5**0.5)
        elif isinstance(module, PatchProjection):
            init.trunc_normal_(module.weight, std=module.initializer_range, a=-2.0, b=2.0)
        elif isinstance(module, (nn.Linear, nn.Conv1d)):
            init.trunc_normal_(module.weight, std=std, a=-2.0, b=2.0)
        elif isinstance(module, DareEegEmbeddings):
            init.trunc_normal_(module.summary_tokens, std=std, a=-2.0, b=2.0)
        elif isinstance(module, (DareEegPredictor, DareEegReconstructor)):
            init.trunc_normal_(module.mask_tokens, std=std, a=-2.0, b=2.0)
        elif isinstance(module, DareEegAdapter):
            module.initialize(self.config)
        elif isinstance(module, FeatureStandardization):
            init.zeros_(module.mean)
            init.ones_(module.scale)


class DareEegModel(DareEegPreTrainedModel):
    """The DARE-EEG encoder: channels of each time patch in, summary tokens of each time patch out.

    Attention runs inside one time patch, over its channels and the summary tokens, so any subset of the channel
    vocabulary in any order and any number of time patches will do. From a pre-training checkpoint this class loads the
    momentum encoder, from a classifier's checkpoint its encoder.

    Args:
        config: The model's configuration.
        patch_initializer_range: Standard deviation of the patch projection's initialisation; `initializer_range` where
            it is not given, as published. EEG in millivolts is so small that its tokens then start at a tenth of the
            channel embeddings, and on small data sets the encoder may learn to ignore the signal; 0.5 makes both start
            alike.
    """

    _can_compile_fullgraph = True
    _can_record_outputs = {"hidden_states": DareEegLayer, "attentions": DareEegAttention}

    def __init__(self, config: DareEegConfig, patch_initializer_range: float | None = None):
        super().__init__(config)
        self.embeddings = DareEegEmbeddings(config, patch_initializer_range)
        self.layers = DareEegBlocks(config, config.num_hidden_layers)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The linear map from a patch's samples to its token."""
        return self.embeddings.patch_projection

    def encode_tokens(
        self, tokens: torch.Tensor, visible: torch.Tensor | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> torch.Tensor:
        """Summarise channel tokens by time patch.

        Args:
            tokens: `(B, K, V + S, D)`, V channel tokens of each of K time patches and the summary tokens.
            visible: Boolean `(B, K, V)`, False at padding.

        Returns:
            Summary tokens `(B, K, S, D)`.
        """
        batch_size, num_rows, _, hidden_size = tokens.shape
        num_summary = self.config.num_summary_tokens
        tokens = tokens.flatten(0, 1)
        token_mask = None if visible is None else F.pad(visible.flatten(0, 1), (0, num_summary), value=True)
        recorded = kwargs.get("output_hidden_states", self.config.output_hidden_states) or kwargs.get(
            "output_attentions", self.config.output_attentions
        )
        # Recorded states keep the shape of a whole sequence; otherwise the last block leaves the channels out.
        kwargs["num_outputs"] = None if recorded else num_summary
        if recorded or not runs_in_cache(tokens):
            hidden_states = self.layers(tokens, token_mask, **kwargs)[:, -num_summary:]
        else:
            masks = repeat(None) if token_mask is None else token_mask.split(ROWS_IN_CACHE)
            hidden_states = torch.cat(
                [self.layers(*part, **kwargs) for part in zip(tokens.split(ROWS_IN_CACHE), masks, strict=False)]
            )
        return self.layernorm(hidden_states).view(batch_size, num_rows, num_summary, hidden_size)

    @capture_outputs(tie_last_hidden_states=False)
    def encode_view(
        self, tokens: torch.Tensor, visible: torch.Tensor | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> BaseModelOutput:
        """Summarise the visible tokens of a view, as [`encode_tokens`] does; `last_hidden_state` is `(B, K, S, D)`."""
        return BaseModelOutput(last_hidden_state=self.encode_tokens(tokens, visible, **kwargs))

    @refuse_unknown_arguments
    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        input_values: torch.Tensor,
        channel_ids: torch.Tensor | None = None,
        channel_mask: torch.Tensor | None = None,
        patch_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPooling:
        r"""Encode windows.

        Args:
            input_values (`torch.FloatTensor` of shape `(B, C, T)`): EEG in millivolts, average reference, at
                `config.sampling_rate`; T is a whole number of patches.
            channel_ids (`torch.LongTensor` of shape `(B, C)` or `(C,)`): Row of each channel in the vocabulary.
            channel_mask (`torch.BoolTensor` of shape `(B, C)` or `(C,)`, *optional*): False at channels that are
                padding.
            patch_mask (`torch.BoolTensor` of shape `(B, N)` or `(N,)`, *optional*): False at time patches that are
                padding.

        Returns:
            `last_hidden_state` of shape `(B, N * S, D)`, time-major, zero at padding; `pooler_output` of shape
            `(B, S * D)`, its mean over valid time patches. `hidden_states` and `attentions`, where asked for, treat
            each time patch as a sequence of its own: `(B * N, C + S, D)` and `(B * N, heads, C + S, C + S)`.
        """
        input_values = input_values.to(self.embeddings.patch_projection.weight.dtype)
        patches = split_patches(input_values, self.config.patch_size)
        batch_size, num_patches, num_channels, _ = patches.shape
        channel_ids = check_channel_ids(channel_ids, batch_size, num_channels)
        channel_mask = check_mask(channel_mask, (batch_size, num_channels), "channel_mask")
        patch_mask = check_mask(patch_mask, (batch_size, num_patches), "patch_mask")

        tokens = self.embeddings(patches, channel_ids if channel_ids.dim() == 1 else channel_ids[:, None])
        visible = None if channel_mask is None else channel_mask[:, None].expand(-1, num_patches, -1)
        features = self.encode_tokens(tokens, visible, **kwargs)
        if patch_mask is None:
            pooled = features.mean(dim=1)
        else:
            weights = patch_mask[:, :, None, None].to(features.dtype)
            features = features * weights
            pooled = features.sum(dim=1) / weights.sum(dim=1).clamp(min=1)
        return BaseModelOutputWithPooling(last_hidden_state=features.flatten(1, 2), pooler_output=pooled.flatten(1))


def check_channel_ids(channel_ids: torch.Tensor | None, batch_size: int, num_channels: int) -> torch.Tensor:
    """Return channel ids of shape `(C,)` or `(B, C)`, or say what is wrong with them."""
    if channel_ids is None:
        raise ValueError(
            "channel_ids is needed: the row of each channel in config.channel_names. "
            "DareEegFeatureExtractor or config.get_channel_ids(names) make it from electrode names."
        )
    if channel_ids.shape[-1] != num_channels or channel_ids.dim() > 2 or channel_ids.numel() == 0:
        raise ValueError(
            f"channel_ids has shape {tuple(channel_ids.shape)}, but input_values has {num_channels} channels."
        )
    if channel_ids.dim() == 2 and channel_ids.shape[0] not in (1, batch_size):
        raise ValueError(f"channel_ids holds {len(channel_ids)} rows, but input_values has {batch_size} windows.")
    return channel_ids


def check_mask(mask: torch.Tensor | None, shape: tuple[int, int], name: str) -> torch.Tensor | None:
    """Return a padding mask as boolean `(B, size)`, or say what is wrong with it."""
    if mask is None:
        return None
    if mask.shape[-1] != shape[1] or mask.dim() > 2 or (mask.dim() == 2 and mask.shape[0] not in (1, shape[0])):
        raise ValueError(f"{name} has shape {tuple(mask.shape)}; expected {shape} or {shape[1:]}.")
    return mask.bool().expand(shape)


def place_in_time(features: torch.Tensor, time_patches: torch.Tensor, background: torch.Tensor) -> torch.Tensor:
    """Write features `(B, K, S, D)` into `(B, N, S, D)` at time patches `(1 or B, K)`; N means nowhere."""
    batch_size, num_patches = background.shape[:2]
    index = time_patches[..., None, None].expand(batch_size, -1, *features.shape[2:])
    nowhere = background[:, :1]
    return torch.cat((background, nowhere), dim=1).scatter(1, index, features.to(background.dtype))[:, :num_patches]


class DareEegPredictor(nn.Module):
    """Predicts the features of all time patches from those of the visible ones."""

    def __init__(self, config: DareEegConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.hidden_size, config.hidden_size)
        self.mask_tokens = nn.Parameter(torch.empty(config.num_summary_tokens, config.hidden_size))
        self.layers = DareEegBlocks(config, config.predictor_num_hidden_layers)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self,
        features: torch.Tensor,
        time_patches: torch.Tensor,
        num_patches: int,
        patch_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Predict `(B, N, S, D)` from features `(B, K, S, D)` at the time patches `(1 or B, K)`."""
        embedded = self.embed(features)
        background = self.mask_tokens.to(embedded.dtype).expand(len(features), num_patches, -1, -1)
        tokens = place_in_time(embedded, time_patches, background).flatten(1, 2)
        num_summary = features.shape[2]
        positions = torch.arange(num_patches, device=tokens.device).repeat_interleave(num_summary)[None]
        token_mask = None if patch_mask is None else patch_mask.repeat_interleave(num_summary, dim=1)
        tokens = self.layers(tokens, token_mask, rotary_table(positions, self.config))
        return self.proj(self.layernorm(tokens)).unflatten(1, (num_patches, num_summary))


class DareEegReconstructor(nn.Module):
    """Reconstructs the samples of target patches, one query each, from the features of all time patches."""

    def __init__(self, config: DareEegConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.hidden_size, config.hidden_size)
        self.mask_tokens = nn.Parameter(torch.empty(1, config.hidden_size))
        self.channel_embeddings = nn.Embedding(len(config.channel_names), config.hidden_size)
        self.layers = DareEegBlocks(config, config.reconstructor_num_hidden_layers)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.proj = nn.Linear(config.hidden_size, config.patch_size)
        num_frequencies = config.patch_size // 2 + 1
        self.spectrum_proj = nn.Linear(config.hidden_size, num_frequencies) if config.spectrum_loss_weight else None

    def forward(
        self,
        features: torch.Tensor,
        target_patches: torch.Tensor,
        target_channel_ids: torch.Tensor,
        targets_valid: torch.Tensor | None = None,
        patch_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Reconstruct patches.

        Args:
            features: `(B, N, S, D)`.
            target_patches: Time patch of each target, `(1 or B, M)`.
            target_channel_ids: Vocabulary row of each target's channel, `(1 or B, M)`.
            targets_valid: Boolean `(B, M)`, False at padding.
            patch_mask: Boolean `(B, N)`, False at time patches that are padding.

        Returns:
            Samples `(B, M, P)`, and log spectra `(B, M, P // 2 + 1)` where the objective asks for them.
        """
        batch_size, num_patches, num_summary, _ = features.shape
        context = self.embed(features).flatten(1, 2)
        queries = self.mask_tokens + self.channel_embeddings(target_channel_ids)
        tokens = torch.cat((context, queries.to(context.dtype).expand(batch_size, -1, -1)), dim=1)

        positions = torch.arange(num_patches, device=tokens.device).repeat_interleave(num_summary)
        positions = torch.cat((positions.expand(len(target_patches), -1), target_patches), dim=1)
        token_mask = None
        if targets_valid is not None or patch_mask is not None:
            whole = torch.ones(batch_size, 1, dtype=torch.bool, device=tokens.device)
            patch_mask = whole.expand(-1, num_patches) if patch_mask is None else patch_mask
            targets_valid = whole.expand(-1, queries.shape[1]) if targets_valid is None else targets_valid
            token_mask = torch.cat(
                (patch_mask.repeat_interleave(num_summary, dim=1), targets_valid.expand(batch_size, -1)), dim=1
            )
        rotary = rotary_table(positions, self.config)
        outputs = self.layernorm(self.layers(tokens, token_mask, rotary, num_outputs=queries.shape[1]))
        return self.proj(outputs), None if self.spectrum_proj is None else self.spectrum_proj(outputs)


def log_spectrum(patches: torch.Tensor) -> torch.Tensor:
    """Logarithm of the amplitude of each frequency of patches `(..., P)` in millivolts: `(..., P // 2 + 1)`.

    Under a Hann window, counted from one microvolt up: `log(sqrt(1 + (amplitude / 1 uV)^2))`, so that frequencies a
    filter has emptied give zero. Unlike normalised samples it tells how strong a rhythm is.
    """
    window = torch.hann_window(patches.shape[-1], device=patches.device)
    microvolts = torch.fft.rfft(at_least_float32(patches) * window).abs() * (2e3 / window.sum())
    return 0.5 * torch.log1p(microvolts.square())


class DareEegContrastiveProjection(nn.Module):
    """Projects a view's summary of a window to the unit sphere on which InfoNCE compares views."""

    def __init__(self, config: DareEegConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.num_summary_tokens * config.hidden_size, config.contrastive_hidden_size)
        self.fc2 = nn.Linear(config.contrastive_hidden_size, config.contrastive_projection_size)

    def forward(self, features: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """Embed `(B, K, S, D)` features, averaged over the time patches `kept` `(1 or B, K)`, as `(B, projection)`."""
        features = features.flatten(2)
        pooled = features.mean(dim=1) if kept is None else masked_mean(features, kept, dim=1)
        return F.normalize(at_least_float32(self.fc2(F.relu(self.fc1(pooled)))), dim=-1)


def masked_mean(values: torch.Tensor, mask: torch.Tensor, dim: int) -> torch.Tensor:
    """Mean along `dim` over the entries where `mask`, broadcast from the left, is True."""
    weights = mask.view(*mask.shape, *[1] * (values.dim() - mask.dim())).to(values.dtype)
    return (values * weights).sum(dim) / weights.sum(dim).clamp(min=1)


def at_least_float32(values: torch.Tensor) -> torch.Tensor:
    """`values` in float32, or in float64 where they are: the precision in which losses are computed."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def masked_mean_square(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Mean square of `values` over the leading positions where `mask` is True (all, where None)."""
    squares = at_least_float32(values).square()
    if mask is None:
        return squares.mean()
    squares = squares.flatten(mask.dim()).mean(-1)
    mask = mask.expand(squares.shape).to(squares.dtype)
    return (squares * mask).sum() / mask.sum().clamp(min=1)


class AllGather(torch.autograd.Function):
    """Rows of all processes, one after the other; the gradient of a process' rows is the sum over all processes."""

    @staticmethod
    def forward(_ctx, rows: torch.Tensor) -> torch.Tensor:
        """Gather `(B, E)` of each of R processes as `(R * B, E)`."""
        rows = rows.contiguous()
        gathered = [torch.empty_like(rows) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(gathered, rows)
        return torch.cat(gathered)

    @staticmethod
    def backward(_ctx, gradient: torch.Tensor) -> torch.Tensor:
        """Sum the gradients that all processes' losses have on this process' rows."""
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(gradient)  # not reduce_scatter, which Gloo (processes on CPUs) does not offer
        return gradient.chunk(torch.distributed.get_world_size())[torch.distributed.get_rank()]


def gather_with_gradient(embeddings: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Concatenate all processes' `(B, E)` embeddings, with gradient; also return the first of this process' rows.

    Every process must hold the same number of rows.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return embeddings, 0
    return AllGather.apply(embeddings), torch.distributed.get_rank() * len(embeddings)


def info_nce(first: torch.Tensor, second: torch.Tensor, temperature: float, gather: bool = False) -> torch.Tensor:
    """Symmetric InfoNCE between two views of the same windows (METHOD.md, "Losses").

    Similarities are products in float32 under autocast too: divided by a temperature of 0.1, bfloat16 would round them
    to steps of up to 0.06.

    Args:
        first: Unit vectors `(B, E)` of the first views.
        second: Unit vectors `(B, E)` of the second views.
        temperature: Divides the similarities.
        gather: Take the negatives from all processes.

    Returns:
        The loss, a scalar.
    """
    first, second = at_least_float32(first), at_least_float32(second)
    all_first, start = gather_with_gradient(first) if gather else (first, 0)
    all_second = gather_with_gradient(second)[0] if gather else second
    labels = torch.arange(start, start + len(first), device=first.device)
    with maybe_autocast(first.device.type, enabled=False):
        forward = F.cross_entropy(first @ all_second.T / temperature, labels)
        backward = F.cross_entropy(second @ all_first.T / temperature, labels)
    return (forward + backward) / 2


class DareEegForPreTraining(DareEegPreTrainedModel):
    """The four networks of DARE-EEG and the objective that aligns masked views with each other and with an anchor.

    `dare_eeg`, the base model, is the momentum encoder (target encoder): it is outside the optimiser, follows
    `online_encoder` through [`~DareEegForPreTraining.update_momentum_encoder`], and is what
    `AutoModel.from_pretrained` loads afterwards.

    Args:
        config: The model's configuration.
        patch_initializer_range: As for [`DareEegModel`].
    """

    def __init__(self, config: DareEegConfig, patch_initializer_range: float | None = None):
        super().__init__(config)
        self.online_encoder = DareEegModel(config, patch_initializer_range)
        self.dare_eeg = DareEegModel(config, patch_initializer_range)
        self.predictor = DareEegPredictor(config)
        self.reconstructor = DareEegReconstructor(config)
        self.contrastive_projection = DareEegContrastiveProjection(config)
        self.post_init()
        self.update_momentum_encoder(0.0)
        self.freeze()

    def freeze(self) -> None:
        """Exclude the momentum encoder from training."""
        self.dare_eeg.requires_grad_(False)

    @torch.no_grad()
    def update_momentum_encoder(self, momentum: float) -> None:
        """Move the momentum encoder to `momentum` times itself plus `1 - momentum` times the encoder."""
        torch._foreach_lerp_(list(self.dare_eeg.parameters()), list(self.online_encoder.parameters()), 1.0 - momentum)

    @torch.no_grad()
    def _adjust_missing_and_unexpected_keys(self, loading_info) -> None:
        """Where a checkpoint holds an encoder alone, start both encoders from it; then list what is missing."""
        encoder = self.dare_eeg.state_dict()
        missing = loading_info.missing_keys
        online = {f"online_encoder.{name}" for name in encoder}
        if online <= missing and not any(f"dare_eeg.{name}" in missing for name in encoder):
            self.online_encoder.load_state_dict(encoder)
            loading_info.missing_keys = missing - online
            new = sorted({name.split(".")[0] for name in loading_info.missing_keys})
            logger.warning(
                f"The checkpoint holds an encoder alone: online_encoder and dare_eeg both start from it; "
                f"{', '.join(new)} are new."
            )
        super()._adjust_missing_and_unexpected_keys(loading_info)

    @refuse_unknown_arguments
    @merge_with_config_defaults
    @can_return_tuple
    def forward(
        self,
        input_values: torch.Tensor,
        channel_ids: torch.Tensor | None = None,
        channel_mask: torch.Tensor | None = None,
        patch_mask: torch.Tensor | None = None,
        context_mask: torch.Tensor | None = None,
        second_context_mask: torch.Tensor | None = None,
        target_mask: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
        gather_negatives: bool = True,
        bf16_targets: bool = False,
        views_only: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> DareEegForPreTrainingOutput:
        r"""Compute the pre-training objective.

        Args:
            input_values (`torch.FloatTensor` of shape `(B, C, T)`): EEG, as for [`DareEegModel`].
            channel_ids (`torch.LongTensor` of shape `(B, C)` or `(C,)`): Row of each channel in the vocabulary.
            channel_mask (`torch.BoolTensor` of shape `(B, C)`, *optional*): False at channels that are padding.
            patch_mask (`torch.BoolTensor` of shape `(B, N)`, *optional*): False at time patches that are padding.
            context_mask (`torch.BoolTensor` of shape `(B or 1, N, C)`, *optional*): True where a patch is visible in
                the first view. Also taken as integer positions `n * C + c` of shape `(K, V)` or `(B or 1, K, V)`,
                one row for each kept time patch.
            second_context_mask (*optional*): The same for the second view.
            target_mask (`torch.BoolTensor` of shape `(B or 1, N, C)`, *optional*): True where a patch is to be
                reconstructed.
            generator (`torch.Generator`, *optional*): Source of the masks that are not given, on the CPU.
            gather_negatives (`bool`, *optional*, defaults to `True`): Take InfoNCE's negatives from all processes,
                with gradient, rather than from this one alone.
            bf16_targets (`bool`, *optional*, defaults to `False`): Compute the momentum encoder's features in
                bfloat16, also where everything else is in float32.
            views_only (`bool`, *optional*, defaults to `False`): Encode the two views, whatever the objective, and
                return their features alone; no target is needed.

        Returns:
            [`DareEegForPreTrainingOutput`].
        """
        config = self.config
        patches = split_patches(input_values.to(self.dtype), config.patch_size)
        batch_size, num_patches, num_channels, _ = patches.shape
        channel_ids = check_channel_ids(channel_ids, batch_size, num_channels)
        channel_mask = check_mask(channel_mask, (batch_size, num_channels), "channel_mask")
        patch_mask = check_mask(patch_mask, (batch_size, num_patches), "patch_mask")
        masks = (context_mask, second_context_mask, target_mask)
        first, second, targets, targets_valid = self._select(
            patches, channel_mask, patch_mask, masks, generator, views_only
        )

        encoded, second_features = self._encode_views(patches, channel_ids, first, second, **kwargs)
        first_features = encoded.last_hidden_state
        if views_only:
            return DareEegForPreTrainingOutput(
                first_view_features=first_features,
                second_view_features=second_features,
                hidden_states=encoded.hidden_states,
                attentions=encoded.attentions,
            )
        predicted = self.predictor(first_features, first.time_patches, num_patches, patch_mask)
        combined = (
            place_in_time(first_features, first.time_patches, predicted) if config.use_skip_connection else predicted
        )
        target_channels = gather_channel_ids(channel_ids, targets % num_channels)
        reconstruction, spectrum = self.reconstructor(
            combined, targets // num_channels, target_channels, targets_valid, patch_mask
        )
        target_samples = gather_patches(patches, targets)
        target_spectrum = None if spectrum is None else log_spectrum(target_samples)
        if config.normalize_targets:
            target_samples = F.layer_norm(target_samples, target_samples.shape[-1:], eps=1e-5)
        if targets_valid is not None:
            reconstruction = reconstruction * targets_valid[..., None]
            target_samples = target_samples * targets_valid[..., None]

        loss_reconstruction = masked_mean_square(reconstruction - target_samples, targets_valid)
        loss_activation = masked_mean_square(first_features, first.kept)
        loss = config.reconstruction_loss_weight * loss_reconstruction
        loss_spectrum, loss_anchor, loss_mask_alignment, anchor = None, None, None, None
        first_embedding, second_embedding = None, None
        if spectrum is not None:
            loss_spectrum = masked_mean_square(spectrum - target_spectrum, targets_valid)
            loss = loss + config.spectrum_loss_weight * loss_spectrum
        if config.use_anchor_alignment:
            precision = torch.autocast(patches.device.type, torch.bfloat16) if bf16_targets else nullcontext()
            with precision:
                anchor = self._anchor_features(input_values, channel_ids, channel_mask)
            loss_anchor = masked_mean_square(predicted - anchor, patch_mask)
            loss = loss + config.anchor_loss_weight * loss_anchor
        if second_features is not None:
            loss_activation = (loss_activation + masked_mean_square(second_features, second.kept)) / 2
            first_embedding = self.contrastive_projection(first_features, first.kept)
            second_embedding = self.contrastive_projection(second_features, second.kept)
            loss_mask_alignment = info_nce(
                first_embedding, second_embedding, config.contrastive_temperature, gather_negatives
            )
            loss = loss + config.mask_alignment_loss_weight * loss_mask_alignment
        loss = loss + config.activation_loss_weight * loss_activation

        return DareEegForPreTrainingOutput(
            loss=loss,
            loss_reconstruction=loss_reconstruction,
            loss_spectrum=loss_spectrum,
            loss_anchor=loss_anchor,
            loss_mask_alignment=loss_mask_alignment,
            loss_activation=loss_activation,
            reconstruction=reconstruction,
            reconstruction_target=target_samples,
            predictor_features=predicted,
            anchor_features=anchor,
            first_view_features=first_features,
            second_view_features=second_features,
            first_view_embedding=first_embedding,
            second_view_embedding=second_embedding,
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )

    @torch.compiler.disable
    def _select(
        self, patches, channel_mask, patch_mask, masks, generator, views_only: bool
    ) -> tuple[PatchSelection, PatchSelection | None, torch.Tensor | None, torch.Tensor | None]:
        """Gather the positions that the masks mark, on the patches' device: views, targets, their padding."""
        context_mask, second_context_mask, target_mask = self._complete_masks(
            patches.shape[:3], channel_mask, patch_mask, *masks, generator, views_only
        )
        num_channels, device = patches.shape[2], patches.device
        needs_second = views_only or self.config.use_mask_alignment
        first = select_visible(context_mask, num_channels).to(device)
        second = select_visible(second_context_mask, num_channels).to(device) if needs_second else None
        if views_only:
            return first, second, None, None
        targets, targets_valid = select_targets(target_mask)
        if targets_valid is not None:
            targets_valid = targets_valid.to(device, non_blocking=True)
        return first, second, targets.to(device, non_blocking=True), targets_valid

    def _complete_masks(
        self,
        shape: tuple[int, int, int],
        channel_mask: torch.Tensor | None,
        patch_mask: torch.Tensor | None,
        context_mask: torch.Tensor | None,
        second_context_mask: torch.Tensor | None,
        target_mask: torch.Tensor | None,
        generator: torch.Generator | None,
        views_only: bool,
    ) -> tuple[torch.Tensor | None, ...]:
        """The three masks for patches of the shape `(B, N, C)`: drawn where none is given, else without padding."""
        batch_size, num_patches, num_channels = shape
        if context_mask is None:
            if second_context_mask is not None or target_mask is not None:
                raise ValueError("context_mask is needed together with second_context_mask and target_mask.")
            masks = draw_masks(
                self.config.mask_settings,
                num_patches,
                num_channels,
                batch_size=batch_size,
                channel_mask=channel_mask,
                patch_mask=patch_mask,
                generator=generator,
            )
            return masks.context_mask, masks.second_context_mask, masks.target_mask
        if target_mask is None and not views_only:
            raise ValueError("target_mask is needed together with context_mask: it says what to reconstruct.")
        if second_context_mask is None and views_only:
            raise ValueError("context_mask needs a second_context_mask beside it: views_only compares two views.")
        if second_context_mask is None and self.config.use_mask_alignment:
            raise ValueError(
                "second_context_mask is needed together with context_mask, or set config.use_mask_alignment=False."
            )
        valid = grid_of_valid_patches(channel_mask, patch_mask, num_patches, num_channels)
        named = {"context_mask": context_mask, "second_context_mask": second_context_mask, "target_mask": target_mask}
        return tuple(check_grid(mask, shape, valid, name) for name, mask in named.items())

    def _encode_views(
        self,
        patches: torch.Tensor,
        channel_ids: torch.Tensor,
        first: PatchSelection,
        second: PatchSelection | None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[BaseModelOutput, torch.Tensor | None]:
        """Output of the encoder on the first view and features of the second; where their counts agree, in one pass.

        Hidden states and attention weights, where they are recorded, are those of the first view under any masks.
        """
        views = [view for view in (first, second) if view is not None]
        tokens = [self._embed_visible(patches, channel_ids, view) for view in views]
        batch_size, config = len(patches), self.config
        recorded = kwargs.get("output_hidden_states", config.output_hidden_states) or kwargs.get(
            "output_attentions", config.output_attentions
        )
        same_shape = len(views) == 2 and tokens[0].shape == tokens[1].shape and first.visible is second.visible is None
        if same_shape and not recorded:
            features = self.online_encoder.encode_tokens(torch.cat(tokens), **kwargs)
            return BaseModelOutput(last_hidden_state=features[:batch_size]), features[batch_size:]
        outputs = []
        for view, view_tokens in zip(views, tokens, strict=True):
            visible = None if view.visible is None else view.visible.expand(batch_size, -1, -1)
            outputs.append(self.online_encoder.encode_view(view_tokens, visible, **{**kwargs, "return_dict": True}))
            kwargs |= {"output_hidden_states": False, "output_attentions": False}
        return outputs[0], outputs[1].last_hidden_state if second is not None else None

    def _embed_visible(self, patches: torch.Tensor, channel_ids: torch.Tensor, view: PatchSelection) -> torch.Tensor:
        """Tokens `(B, K, V + S, D)` of a view's visible patches and the summary tokens."""
        num_rows, num_visible = view.positions.shape[1:]
        samples = gather_patches(patches, view.positions.flatten(1)).unflatten(1, (num_rows, num_visible))
        channels = (view.positions % patches.shape[2]).flatten(1)
        ids = gather_channel_ids(channel_ids, channels).unflatten(1, (num_rows, num_visible))
        return self.online_encoder.embeddings(samples, ids)

    @torch.no_grad()
    def _anchor_features(
        self, input_values: torch.Tensor, channel_ids: torch.Tensor, channel_mask: torch.Tensor | None
    ) -> torch.Tensor:
        """The momentum encoder's features of the complete windows, `(B, N, S, D)`, normalised token by token."""
        output = self.dare_eeg(
            input_values,
            channel_ids,
            channel_mask,
            output_hidden_states=False,
            output_attentions=False,
            return_dict=True,
        )
        features = at_least_float32(output.last_hidden_state)
        features = features.unflatten(1, (-1, self.config.num_summary_tokens))
        return F.layer_norm(features, features.shape[-1:], eps=1e-5) if self.config.normalize_targets else features


def grid_of_valid_patches(
    channel_mask: torch.Tensor | None, patch_mask: torch.Tensor | None, num_patches: int, num_channels: int
) -> torch.Tensor | None:
    """Boolean `(B, N, C)` of patches that are not padding; None where nothing is."""
    if channel_mask is None and patch_mask is None:
        return None
    given = channel_mask if channel_mask is not None else patch_mask
    channel_mask = given.new_ones(len(given), num_channels) if channel_mask is None else channel_mask
    patch_mask = given.new_ones(len(given), num_patches) if patch_mask is None else patch_mask
    return patch_mask[:, :, None] & channel_mask[:, None]


def check_grid(
    mask: torch.Tensor | None, shape: tuple[int, int, int], valid: torch.Tensor | None, name: str
) -> torch.Tensor | None:
    """Return a mask of visible or target patches without padding, or say what is wrong with it."""
    if mask is None or mask.dtype != torch.bool:
        if mask is not None and (mask.is_floating_point() or name == "target_mask"):
            raise ValueError(f"{name} must be a boolean grid, got {mask.dtype}.")
        return mask
    mask = mask[None] if mask.dim() == 2 else mask
    if mask.dim() != 3 or mask.shape[1:] != shape[1:] or len(mask) not in (1, shape[0]):
        raise ValueError(f"{name} has shape {tuple(mask.shape)}; expected {shape} or {(1, *shape[1:])}.")
    return mask if valid is None else mask & valid.to(mask.device)


def gather_patches(patches: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Take patches at positions `n * C + c`, `(1 or B, M)`, from the grid `(B, N, C, P)`: `(B, M, P)`."""
    flat = patches.flatten(1, 2)
    if len(positions) == 1:
        return flat.index_select(1, positions[0])
    return flat.gather(1, positions[..., None].expand(-1, -1, flat.shape[-1]))


def gather_channel_ids(channel_ids: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
    """Vocabulary rows, `(1 or B, M)`, of the channel numbers `(1 or B, M)` under ids of shape `(C,)` or `(B, C)`."""
    if channel_ids.dim() == 1:
        return channel_ids[channels]
    return (
        channel_ids.gather(1, channels.expand(len(channel_ids), -1))
        if len(channels) == 1
        else torch.gather(channel_ids.expand(len(channels), -1), 1, channels)
    )


PROJECTION_MAX_NORM, PROBE_MAX_NORM, CLASSIFIER_MAX_NORM = 1.0, 1.0, 0.25
"""Largest L2 norm of each output's weights, as published: in the adapter's projections and the probe's two layers."""


def limit_norm(weight: torch.Tensor, max_norm: float) -> torch.Tensor:
    """Scale each output's weights, a row of `weight`, to an L2 norm of at most `max_norm`."""
    norms = weight.flatten(1).norm(dim=1).clamp(min=max_norm)
    return weight * (max_norm / norms).view(-1, *[1] * (weight.dim() - 1))


class MaxNormLinear(nn.Linear):
    """Linear map whose output weights are held to a largest L2 norm, as in EEGNet (Lawhern et al., 2018)."""

    def __init__(self, in_features: int, out_features: int, max_norm: float):
        super().__init__(in_features, out_features)
        self.max_norm = max_norm

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map `(..., in_features)` to `(..., out_features)`."""
        return F.linear(inputs, limit_norm(self.weight, self.max_norm), self.bias)


class MaxNormConv1d(nn.Conv1d):
    """Length-preserving convolution whose filters are held to a largest L2 norm, as in EEGNet."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, max_norm: float, groups: int = 1):
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2, groups=groups, bias=False)
        self.max_norm = max_norm

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map `(B, in_channels, T)` to `(B, out_channels, T)`."""
        weight = limit_norm(self.weight, self.max_norm)
        return F.conv1d(inputs, weight, padding=self.padding, groups=self.groups)


class DareEegAdapter(nn.Module):
    """Conv-linear-probing's learned projections in front of the encoder (METHOD.md, "Conv-linear-probing").

    The spatial projection maps the data set's electrodes to positions of the channel vocabulary, the spectral one
    filters each (projected) channel in time; they are decoupled, and each can be off.
    """

    def __init__(self, config: DareEegConfig):
        super().__init__()
        electrodes, projected = config.electrode_names or [], config.projected_channel_names or []
        positions = projected if config.use_spatial_projection else electrodes
        self.electrode_names = electrodes
        self.window_size = config.window_size
        self.is_active = config.use_spatial_projection or config.use_spectral_projection
        self.spatial = nn.Sequential()
        self.spectral = nn.Sequential()
        if config.use_spatial_projection:
            width = len(electrodes)
            for hidden_width in config.spatial_projection_channels:
                self.spatial.append(MaxNormConv1d(width, hidden_width, 1, PROJECTION_MAX_NORM))
                self.spatial.append(nn.BatchNorm1d(hidden_width))
                self.spatial.append(nn.GELU())
                width = hidden_width
            self.spatial.append(MaxNormConv1d(width, len(positions), 1, PROJECTION_MAX_NORM))
        if config.use_spectral_projection:
            size, kernel_size = len(positions), config.spectral_kernel_size
            self.spectral.append(MaxNormConv1d(size, size, kernel_size, PROJECTION_MAX_NORM, groups=size))
            self.spectral.append(nn.BatchNorm1d(size))
            self.spectral.append(nn.GELU())
        channel_ids = config.get_channel_ids(positions) if self.is_active else []
        self.register_buffer("channel_ids", torch.tensor(channel_ids, dtype=torch.long), persistent=False)

    @torch.no_grad()
    def initialize(self, config: DareEegConfig) -> None:
        """Start as close to the identity as electrode names allow: what the encoder was pre-trained on passes."""
        for layer in self.spatial:
            if isinstance(layer, MaxNormConv1d):
                init.normal_(layer.weight, std=layer.in_channels**-0.5)
        if config.use_spatial_projection and not config.spatial_projection_channels:
            weight = self.spatial[0].weight.clone()
            for row, name in enumerate(config.projected_channel_names):
                if name in config.electrode_names:
                    weight[row] = 0.0
                    weight[row, config.electrode_names.index(name)] = 1.0
            init.copy_(self.spatial[0].weight, weight)
        if config.use_spectral_projection:
            weight = torch.zeros_like(self.spectral[0].weight)
            weight[..., config.spectral_kernel_size // 2] = 1.0
            init.copy_(self.spectral[0].weight, weight)
        if self.is_active:
            positions = config.projected_channel_names if config.use_spatial_projection else config.electrode_names
            init.copy_(self.channel_ids, torch.tensor(config.get_channel_ids(positions)))

    def in_order(
        self, input_values: torch.Tensor, channel_ids: torch.Tensor, channel_mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Reorder channels to the electrodes that the spectral projection was built for.

        Args:
            input_values: `(B, C, T)`.
            channel_ids: `(B, C)` or `(C,)`, rows of the vocabulary.
            channel_mask: `(B, C)` or None, False where a channel is padding or has no signal.

        Returns:
            `(B, electrodes, T)`, zero where an electrode is not among the channels, and `(B, electrodes)`, False
            there.
        """
        found = channel_ids.expand(input_values.shape[:2])[:, None, :] == self.channel_ids[:, None]
        if channel_mask is not None:
            found = found & channel_mask.bool().expand(input_values.shape[:2])[:, None, :]
        present = found.any(dim=-1)
        chosen = found.to(torch.uint8).argmax(dim=-1, keepdim=True).expand(-1, -1, input_values.shape[-1])
        return input_values.gather(1, chosen) * present[..., None], present

    def forward(self, input_values: torch.Tensor) -> torch.Tensor:
        """Project windows `(B, electrodes, T)` to `(B, positions, window_size)`.

        Raises:
            ValueError: If the windows are not of the electrodes or the length the adapter was built for.
        """
        expected = (len(self.electrode_names), self.window_size)
        if input_values.shape[1:] != expected:
            names = ", ".join(self.electrode_names)
            raise ValueError(
                f"This classifier was adapted to windows of {expected[1]} samples of {expected[0]} electrodes "
                f"({names}), but input_values has shape {tuple(input_values.shape)}."
            )
        return self.spectral(self.spatial(input_values))


class ProbeDropout(nn.Dropout):
    """Dropout that on CPUs draws 16 random bits for each feature, several times faster than torch's own.

    Drawing is most of a probe's training where features are kept. The share of zeros is `p` to within 2^-17.
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Zero a share `p` of the features while training, and scale the others by `1 / (1 - p)`."""
        if not self.training or self.p == 0:
            return features
        if features.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(features)
        count = features.numel()
        words = torch.empty(-(-count // 4), dtype=torch.int64, device=features.device).random_(-(2**63), None)
        draws = words.view(torch.int16)[:count].view(features.shape)
        threshold = round(self.p * 2**16) - 2**15
        return features * draws.float().ge_(threshold).div_(1 - self.p).to(features.dtype)


class DareEegProbe(nn.Module):
    """The linear probe: a max-norm map of each time patch, flattened over time, and a max-norm map to the classes."""

    def __init__(self, config: DareEegConfig):
        super().__init__()
        self.num_patches = config.num_patches
        features = config.num_summary_tokens * config.hidden_size
        self.standardization = FeatureStandardization(features) if config.normalize_probe_features else None
        self.dropout = ProbeDropout(config.probe_dropout)
        self.fc1 = MaxNormLinear(features, config.probe_hidden_size, PROBE_MAX_NORM)
        self.fc2 = MaxNormLinear(config.num_patches * config.probe_hidden_size, config.num_labels, CLASSIFIER_MAX_NORM)

    def fit_standardization(self, features: torch.Tensor, patch_mask: torch.Tensor | None = None) -> None:
        """Fit the standardisation to encoder output `(B, N, S * D)` of training windows, without padding.

        Raises:
            ValueError: If the configuration does not ask for it (`normalize_probe_features`).
        """
        if self.standardization is None:
            raise ValueError("The probe does not standardise its features; set config.normalize_probe_features=True.")
        self.standardization.fit(features if patch_mask is None else features[patch_mask])

    def forward(self, features: torch.Tensor, patch_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Map features `(B, N, S * D)` to logits `(B, num_labels)`; time patches that are padding count as zeros.

        Raises:
            ValueError: If N is not the number of time patches of a window.
        """
        if features.shape[1] != self.num_patches:
            raise ValueError(
                f"This classifier reads windows of {self.num_patches} time patches, got {features.shape[1]}; cut or "
                "pad the recording to windows of config.window_size samples."
            )
        if self.standardization is not None:
            features = self.standardization(features)
        hidden = self.fc1(self.dropout(features))
        if patch_mask is not None:
            hidden = hidden * patch_mask[..., None]
        return self.fc2(hidden.flatten(1))


def build_probe(config: DareEegConfig) -> DareEegProbe | DareEegStatisticsProbe:
    """What reads the encoder: the paper's probe, or that of statistics where `config.statistics_stride` is given."""
    if config.statistics_stride is None:
        return DareEegProbe(config)
    features, stride = config.num_summary_tokens * config.hidden_size, config.statistics_stride
    return DareEegStatisticsProbe(features, config.num_labels, config.patch_size, stride, config.use_power_maps)


class DareEegForSequenceClassification(DareEegPreTrainedModel):
    """The encoder with conv-linear-probing: an adapter in front of it and a linear probe behind it.

    With `config.statistics_stride` the probe reads mean and spread over time of the features of overlapping patches
    instead, and with `config.use_power_maps` maps of the windows' power as well; there is no adapter then, and windows
    of any length and any channels of the vocabulary will do.

    When it is built or loaded, the encoder is frozen: only adapter and probe learn. [`unfreeze_encoder`] includes it.
    `config.problem_type` chooses single-label, multi-label or regression losses, as elsewhere in Transformers.
    """

    _can_compile_fullgraph = True

    def __init__(self, config: DareEegConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.adapter = DareEegAdapter(config)
        self.dare_eeg = DareEegModel(config)
        self.probe = build_probe(config)
        self.post_init()
        self.freeze()

    def __setattr__(self, name: str, value) -> None:
        if name == "peft_config":  # PEFT hands its configurations to the model that it adapts
            self._add_head(value)
        super().__setattr__(name, value)

    @property
    def _head(self) -> dict[str, nn.Module]:
        """What is trained for a data set besides the encoder, by name."""
        return {"probe": self.probe, **({"adapter": self.adapter} if self.adapter.is_active else {})}

    def _add_head(self, peft_configs: dict) -> None:
        """Let PEFT train and save the head of an adapted classifier; on its own it looks for other names.

        Raises:
            ValueError: If the head that is to be saved whole has its own updates, too.
        """
        updated = any(hasattr(layer, "base_layer") for part in self._head.values() for layer in part.modules())
        for config in peft_configs.values():
            if config.task_type != "SEQ_CLS" or not hasattr(config, "modules_to_save"):
                continue
            if updated:
                raise ValueError(
                    "target_modules includes the head, which PEFT is to train whole: load the model again and set "
                    f"modules_to_save={list(self._head)} as well."
                )
            named = list(config.modules_to_save or [])
            config.modules_to_save = named + [name for name in self._head if name not in named]
        if updated:
            logger.warning(
                "Low-rank updates of the head are exact only until they are merged, because its weights are held to a "
                f"largest norm; modules_to_save={list(self._head)} trains it whole."
            )

    def freeze(self) -> None:
        """Exclude the encoder from training."""
        self.freeze_encoder()

    def freeze_encoder(self) -> None:
        """Exclude the encoder from training."""
        self.dare_eeg.requires_grad_(False)

    def unfreeze_encoder(self) -> None:
        """Include the encoder in training; a classifier that was saved and loaded is frozen again."""
        self.dare_eeg.requires_grad_(True)

    def extract_features(
        self,
        input_values: torch.Tensor,
        channel_ids: torch.Tensor | None = None,
        channel_mask: torch.Tensor | None = None,
        patch_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPooling:
        """Run adapter and encoder; arguments as for [`forward`], output as for [`DareEegModel`].

        With `config.statistics_stride` the time patches overlap: one begins every so many samples.
        """
        if self.adapter.is_active:
            electrodes_mask = None
            if channel_ids is not None and not self.config.use_spatial_projection:
                input_values, electrodes_mask = self.adapter.in_order(input_values, channel_ids, channel_mask)
            input_values = self.adapter(input_values.to(self.dtype))
            channel_ids, channel_mask, patch_mask = self.adapter.channel_ids, electrodes_mask, None
        elif self.config.statistics_stride is not None:
            size, stride = self.config.patch_size, self.config.statistics_stride
            num_patches = split_patches(input_values, size).shape[1]
            patch_mask = check_mask(patch_mask, (input_values.shape[0], num_patches), "patch_mask")
            patch_mask = None if patch_mask is None else overlapping_mask(patch_mask, size, stride)
            input_values = overlapping_patches(input_values, size, stride)
        return self.dare_eeg(input_values, channel_ids, channel_mask, patch_mask, **{**kwargs, "return_dict": True})

    def _check_that_head_is_trained(self) -> None:
        frozen = [name for name, part in self._head.items() if not any(p.requires_grad for p in part.parameters())]
        if frozen:
            logger.warning_once(
                f"The model is trained on labels while part of its head is frozen: {', '.join(frozen)}. Where "
                f'PEFT froze it, task_type="SEQ_CLS" or modules_to_save={list(self._head)} trains and saves it.'
            )

    def extract_power_maps(
        self,
        input_values: torch.Tensor,
        channel_ids: torch.Tensor | None = None,
        channel_mask: torch.Tensor | None = None,
        patch_mask: torch.Tensor | None = None,
    ) -> torch.Tensor | None:
        """What a probe with `config.use_power_maps` reads beside the encoder, `(B, 270)`; None for any other."""
        if not self.config.use_power_maps:
            return None
        batch, channels, samples = input_values.shape
        channel_ids = check_channel_ids(channel_ids, batch, channels)
        channel_mask = check_mask(channel_mask, (batch, channels), "channel_mask")
        patch_mask = check_mask(patch_mask, (batch, samples // self.config.patch_size), "patch_mask")
        return power_maps(input_values, channel_ids, channel_mask, patch_mask, self.config)

    def fit_feature_standardization(
        self,
        last_hidden_state: torch.Tensor,
        patch_mask: torch.Tensor | None = None,
        maps: torch.Tensor | None = None,
    ) -> None:
        """Fit the probe's standardisation to training windows.

        Args:
            last_hidden_state: Encoder output, as [`extract_features`] gives it.
            patch_mask: The mask it was given.
            maps: Of the same windows, from [`extract_power_maps`].

        Raises:
            ValueError: If the configuration does not ask for it (`normalize_probe_features`), or maps are missing.
        """
        features = last_hidden_state.unflatten(1, (-1, self.config.num_summary_tokens)).flatten(2)
        self.probe.fit_standardization(features, patch_mask, **self._read_with(maps))

    def classify_features(
        self,
        last_hidden_state: torch.Tensor,
        patch_mask: torch.Tensor | None = None,
        maps: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits `(B, num_labels)` of what was extracted, now or earlier.

        Arguments as for [`fit_feature_standardization`].

        Raises:
            ValueError: If the classifier reads power maps and they are not given, or the other way round.
        """
        features = last_hidden_state.unflatten(1, (-1, self.config.num_summary_tokens)).flatten(2)
        if patch_mask is None or self.adapter.is_active:
            return self.probe(features, **self._read_with(maps))
        num_patches = features.shape[1] if self.config.statistics_stride is None else patch_mask.shape[-1]
        patch_mask = check_mask(patch_mask, (features.shape[0], num_patches), "patch_mask")
        return self.probe(features, patch_mask, **self._read_with(maps))

    def _read_with(self, maps: torch.Tensor | None) -> dict[str, torch.Tensor]:
        if self.config.use_power_maps != (maps is not None):
            raise ValueError(
                "Power maps are read exactly where config.use_power_maps asks for them: pass "
                "maps=model.extract_power_maps(...), which is None otherwise."
            )
        return {} if maps is None else {"maps": maps}

    @refuse_unknown_arguments
    @can_return_tuple
    def forward(
        self,
        input_values: torch.Tensor,
        channel_ids: torch.Tensor | None = None,
        channel_mask: torch.Tensor | None = None,
        patch_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SequenceClassifierOutput:
        r"""Classify windows.

        Args:
            input_values (`torch.FloatTensor` of shape `(B, C, T)`): EEG, as for [`DareEegModel`]. With an adapter, C
                are the electrodes of `config.electrode_names`, in that order, and T is `config.window_size`.
            channel_ids (`torch.LongTensor` of shape `(B, C)` or `(C,)`, *optional*): Row of each channel in the
                vocabulary. With a spectral projection alone, channels may come in any order and some may be absent;
                with a spatial one it is not used.
            channel_mask, patch_mask (*optional*): Padding, as for [`DareEegModel`]. With a spatial projection the
                first is not used, with any adapter the second is not.
            labels (`torch.Tensor` of shape `(B,)` or `(B, num_labels)`, *optional*): Classes, or targets.

        Returns:
            Loss (where labels are given) and logits of shape `(B, num_labels)`.
        """
        if labels is not None and self.training and not torch.compiler.is_compiling():
            self._check_that_head_is_trained()
        outputs = self.extract_features(input_values, channel_ids, channel_mask, patch_mask, **kwargs)
        maps = self.extract_power_maps(input_values, channel_ids, channel_mask, patch_mask)
        logits = self.classify_features(outputs.last_hidden_state, patch_mask, maps)
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)
        return SequenceClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


__all__ = [
    "DareEegForPreTraining",
    "DareEegForSequenceClassification",
    "DareEegModel",
    "DareEegPreTrainedModel",
]
