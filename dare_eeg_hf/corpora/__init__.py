"""Recordings -> windows -> a data set -> batches."""
