"""Recordings -> windows. (See storage.py for how a window is kept.)"""

from .storage import decode_signal, window_features, windows_table

__all__ = ["decode_signal", "window_features", "windows_table"]
