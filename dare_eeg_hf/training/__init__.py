"""Training: pre-training, fine-tuning, and what they share."""
