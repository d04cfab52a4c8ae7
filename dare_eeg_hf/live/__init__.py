"""Labels while the signal is still coming: from a stream to windows, each with a verdict, a label and its delay."""
