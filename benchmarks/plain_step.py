"""The published pre-training step in plain PyTorch, eager: what the package's own step is compared with.

METHOD.md written down once more, as one would write it from the paper: each view by itself, every block for every
token, torch's fused attention, rotary positions as two products and a sum, one update of each weight of the momentum
encoder after the other. It takes complete windows under one mask for all of them. Weights have the package's names, so
that both can start alike.
"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.masking_dare_eeg import PretrainingMasks

Rotary = tuple[torch.Tensor, torch.Tensor]


class PlainAttention(nn.Module):
    """Multi-head attention with one projection for query, key and value."""

    def __init__(self, config: DareEegConfig):
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, tokens: torch.Tensor, rotary: Rotary | None) -> torch.Tensor:
        """Map `(B, L, D)` to the same shape."""
        batch_size, length, width = tokens.shape
        query, key, value = self.qkv(tokens).view(batch_size, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        if rotary is not None:
            query, key = turn(query, *rotary), turn(key, *rotary)
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.proj(attended.transpose(1, 2).reshape(batch_size, length, width))


def turn(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn neighbouring pairs of each head's dimensions of `(B, heads, L, head_size)`."""
    even, odd = states.unflatten(-1, (-1, 2)).unbind(-1)
    swapped = torch.stack((-odd, even), dim=-1).flatten(-2)
    return states * cos + swapped * sin


def rotary_table(time_patches: torch.Tensor, config: DareEegConfig) -> Rotary:
    """Cosines and sines `(L, head_size)` for tokens at the time patches `(L,)`: half of each head turns."""
    num_pairs = config.hidden_size // config.num_attention_heads // 4
    frequencies = config.rotary_theta ** -(torch.arange(num_pairs) / num_pairs) / config.rotary_interpolation_factor
    angles = F.pad(time_patches[:, None] * frequencies.to(time_patches.device), (0, num_pairs))
    angles = angles.repeat_interleave(2, dim=-1)
    return angles.cos(), angles.sin()


class PlainBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, config: DareEegConfig):
        super().__init__()
        width, inner = config.hidden_size, int(config.hidden_size * config.mlp_ratio)
        self.norm1 = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.attention = PlainAttention(config)
        self.norm2 = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, inner), "fc2": nn.Linear(inner, width)})

    def forward(self, tokens: torch.Tensor, rotary: Rotary | None = None) -> torch.Tensor:
        """Map `(B, L, D)` to the same shape."""
        tokens = tokens + self.attention(self.norm1(tokens), rotary)
        return tokens + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(tokens))))


class PlainNetwork(nn.Module):
    """What encoder, predictor and reconstructor share: blocks and a last norm."""

    def __init__(self, config: DareEegConfig, num_layers: int):
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(PlainBlock(config) for _ in range(num_layers))
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def run_blocks(self, tokens: torch.Tensor, rotary: Rotary | None = None) -> torch.Tensor:
        """Map `(B, L, D)` to the same shape."""
        for layer in self.layers:
            tokens = layer(tokens, rotary)
        return self.layernorm(tokens)


class PlainEncoder(PlainNetwork):
    """Summarises the visible channels of each time patch."""

    def __init__(self, config: DareEegConfig):
        super().__init__(config, config.num_hidden_layers)
        self.embeddings = nn.Module()
        self.embeddings.patch_projection = nn.Linear(config.patch_size, config.hidden_size)
        self.embeddings.channel_embeddings = nn.Embedding(len(config.channel_names), config.hidden_size)
        self.embeddings.summary_tokens = nn.Parameter(torch.empty(config.num_summary_tokens, config.hidden_size))

    def forward(self, patches: torch.Tensor, channel_ids: torch.Tensor) -> torch.Tensor:
        """Encode patches `(B, K, V, P)` of the channels `(K, V)` as `(B, K, S, D)`."""
        parts, size = self.embeddings, patches.shape[:2]
        tokens = parts.patch_projection(patches) + parts.channel_embeddings(channel_ids)
        tokens = torch.cat((tokens, parts.summary_tokens.expand(*size, -1, -1)), dim=2)
        encoded = self.run_blocks(tokens.flatten(0, 1))
        return encoded[:, -self.config.num_summary_tokens :].unflatten(0, size)


class PlainPredictor(PlainNetwork):
    """Predicts the features of all time patches."""

    def __init__(self, config: DareEegConfig, num_layers: int, num_outputs: int, num_mask_tokens: int):
        super().__init__(config, num_layers)
        self.embed = nn.Linear(config.hidden_size, config.hidden_size)
        self.mask_tokens = nn.Parameter(torch.empty(num_mask_tokens, config.hidden_size))
        self.proj = nn.Linear(config.hidden_size, num_outputs)

    def forward(self, features: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """Predict `(B, N, S, D)` from features `(B, K, S, D)` of the kept time patches, boolean `(N,)`."""
        tokens = self.mask_tokens.expand(len(features), len(kept), -1, -1).clone()
        tokens[:, kept] = self.embed(features).to(tokens.dtype)
        time_patches = torch.arange(len(kept), device=features.device).repeat_interleave(features.shape[2])
        encoded = self.run_blocks(tokens.flatten(1, 2), rotary_table(time_patches, self.config))
        return self.proj(encoded).unflatten(1, tokens.shape[1:3])


class PlainReconstructor(PlainPredictor):
    """Reconstructs the target patches, one query each."""

    def __init__(self, config: DareEegConfig):
        super().__init__(config, config.reconstructor_num_hidden_layers, config.patch_size, 1)
        self.channel_embeddings = nn.Embedding(len(config.channel_names), config.hidden_size)

    def forward(self, features: torch.Tensor, time_patches: torch.Tensor, channel_ids: torch.Tensor) -> torch.Tensor:
        """Reconstruct `(B, M, P)` at time patches and channels `(M,)` from features `(B, N, S, D)`."""
        queries = (self.mask_tokens + self.channel_embeddings(channel_ids)).expand(len(features), -1, -1)
        tokens = torch.cat((self.embed(features).flatten(1, 2), queries), dim=1)
        places = torch.arange(features.shape[1], device=features.device).repeat_interleave(features.shape[2])
        encoded = self.run_blocks(tokens, rotary_table(torch.cat((places, time_patches)), self.config))
        return self.proj(encoded[:, -len(time_patches) :])


class PlainStep(nn.Module):
    """The networks, and the published objective (METHOD.md, "Losses") on complete windows."""

    def __init__(self, config: DareEegConfig):
        super().__init__()
        self.config = config
        self.online_encoder = PlainEncoder(config)
        self.dare_eeg = copy.deepcopy(self.online_encoder).requires_grad_(False)
        layers, width, summary = config.predictor_num_hidden_layers, config.hidden_size, config.num_summary_tokens
        self.predictor = PlainPredictor(config, layers, width, summary)
        self.reconstructor = PlainReconstructor(config)
        inner = config.contrastive_hidden_size
        maps = {"fc1": nn.Linear(summary * width, inner), "fc2": nn.Linear(inner, config.contrastive_projection_size)}
        self.contrastive_projection = nn.ModuleDict(maps)

    def forward(self, input_values: torch.Tensor, channel_ids: torch.Tensor, masks: PretrainingMasks) -> torch.Tensor:
        """The loss of windows `(B, C, T)` of the channels `(C,)` under masks `(1, N, C)`, a scalar."""
        config, num_channels = self.config, len(channel_ids)
        patches = input_values.unflatten(-1, (-1, config.patch_size)).transpose(1, 2)
        kept = masks.context_mask[0].any(-1)
        views = (masks.context_mask, masks.second_context_mask)
        first, second = (self.encode(patches, channel_ids, view[0]) for view in views)
        predicted = self.predictor(first, kept)
        combined = predicted.clone()
        combined[:, kept] = first.to(combined.dtype)
        targets = masks.target_mask[0].flatten().nonzero()[:, 0]
        reconstructed = self.reconstructor(combined, targets // num_channels, channel_ids[targets % num_channels])
        wanted = patches.flatten(1, 2)[:, targets]
        with torch.no_grad():
            anchor = self.dare_eeg(patches, channel_ids.expand(patches.shape[1], -1))
        reconstruction = F.mse_loss(reconstructed.float(), F.layer_norm(wanted, wanted.shape[-1:]))
        alignment = F.mse_loss(predicted.float(), F.layer_norm(anchor.float(), anchor.shape[-1:]))
        activation = (first.float().square().mean() + second.float().square().mean()) / 2
        loss = config.reconstruction_loss_weight * reconstruction + config.anchor_loss_weight * alignment
        loss = loss + config.mask_alignment_loss_weight * self.info_nce(first, second)
        return loss + config.activation_loss_weight * activation

    def encode(self, patches: torch.Tensor, channel_ids: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Features `(B, K, S, D)` of a view, `visible (N, C)`; equally many channels in each kept time patch."""
        kept = visible.any(-1)
        channels = visible[kept].nonzero()[:, 1].view(int(kept.sum()), -1)
        return self.online_encoder(patches[:, kept.nonzero(), channels], channel_ids[channels])

    def info_nce(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Symmetric InfoNCE between two views' features `(B, K, S, D)`."""
        layers = self.contrastive_projection
        views = [layers["fc2"](F.relu(layers["fc1"](view.flatten(2).mean(1)))) for view in (first, second)]
        first, second = (F.normalize(view.float(), dim=-1) for view in views)
        with torch.autocast(first.device.type, enabled=False):
            similarity = first @ second.T / self.config.contrastive_temperature
        own = torch.arange(len(first), device=first.device)
        return (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own)) / 2

    @torch.no_grad()
    def update_momentum_encoder(self, momentum: float) -> None:
        """Move the momentum encoder to `momentum` times itself plus `1 - momentum` times the encoder."""
        for own, new in zip(self.dare_eeg.parameters(), self.online_encoder.parameters(), strict=True):
            own.mul_(momentum).add_(new, alpha=1 - momentum)
