"""Corpora that the benchmark reads: each is declared here; its script in dataset_scripts/ makes a data set."""
