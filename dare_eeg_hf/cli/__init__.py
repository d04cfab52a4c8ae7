"""The command line `dare-eeg`."""
