"""Pre-training: the objective's loop, what it saves and how it is resumed."""
