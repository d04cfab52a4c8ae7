"""A checkpoint adapted to labels: features, probes, fine-tuning, estimators for scikit-learn."""
