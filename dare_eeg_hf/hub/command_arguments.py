"""Arguments of the commands of this room: light, so that help does not wait for what carries them out."""

import argparse
from pathlib import Path


def add_conversion_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `dare-eeg convert`."""
    parser.add_argument("checkpoint", help="the reference's .ckpt file; read without running code in it")
    parser.add_argument("output_folder", help="folder to write config.json, model.safetensors and the rest to")
    parser.add_argument(
        "--config",
        required=True,
        help="JSON with embed_dim, embed_num, depth (three numbers), num_heads and channel_names; further fields: "
        "mlp_ratio, patch_size, time_samples, norm_eps, interpolate_factor, temperature, loss_weights",
    )


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `dare-eeg export`."""
    parser.add_argument("checkpoint", help="folder of a checkpoint, or its id on the Hub")
    parser.add_argument("output", help="file to write, ending in .onnx or .pt2")


def add_publishing_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `dare-eeg publish`."""
    parser.add_argument("folder", type=Path, help="a checkpoint folder, one of Parquet files, or a Space's")
    parser.add_argument("repo_id", help="owner/name on the Hub; created when it does not exist")
    parser.add_argument("--tag", help="version name, e.g. v1; people then load it with revision='v1'")
    parser.add_argument("--model", help="for a Space: Hub id of the classifier that it serves")
    parser.add_argument("--public", action="store_true", help="make it visible to everyone (default: only to you)")
    parser.add_argument("--dry-run", action="store_true", help="list the files and their sizes; upload nothing")
