"""The option `--cluster` of commands that go through many recordings."""

import argparse


def add_cluster_argument(parser: argparse.ArgumentParser) -> None:
    """Add the address of a cluster."""
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="share the recordings over a cluster: dask://HOST:PORT or ray://HOST:PORT; its workers need this package "
        "and see the same files under the same paths",
    )
