"""Measuring models: metrics, protocols, tasks, baselines, benchmark, ablations, robustness."""
