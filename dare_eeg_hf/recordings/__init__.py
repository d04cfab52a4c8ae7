"""A recording of any make -> a normalised Raw, and a report of what was done to it."""
