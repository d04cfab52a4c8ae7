"""From EEG files to batches. One module per step:

recordings (any file -> a normalised Raw and a report), windows (Raw -> windows with labels), storage (the row schema),
corpus and build (a whole corpus -> a data set), loading (data set -> batches), simulation (recordings with known
content), command and download (what the scripts in dataset_scripts/ share).
"""
