"""Publish checkpoints and data sets, describe them, convert reference checkpoints, serve and show predictions."""
