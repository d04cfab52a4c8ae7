"""Inference Endpoints handler: the bytes of a recording, or an array of samples, in; labels or features as JSON out.

The file travels in a model repository and is imported from there as `handler.EndpointHandler`. It needs nothing but
transformers and the repository itself; MNE is needed only for requests that send a file.

A request is a dictionary:

    {"inputs": "<base64 of an EDF file>", "parameters": {"overlap": 0.5}}
    {"inputs": {"signal": [[...], ...], "channel_names": [...], "sampling_rate": 250, "unit": "uV"}}
    {"inputs": "<base64 of a BDF file>", "parameters": {"montage": "biosemi64"}}

or, for servers that pass a body on as it is, the bytes of a file. A bad request gives {"error": "what to do"}.
"""

import base64
import binascii
import json
import logging
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

try:
    from dare_eeg_hf.checkpoints import load_pipeline
except ImportError:  # deployed alone, beside its own checkpoint
    load_pipeline = None

MAX_FILE_BYTES = int(os.environ.get("DARE_EEG_MAX_FILE_BYTES", 256 * 1024**2))
MAX_SAMPLES = 64 * 3600 * 512
"""Largest array, channels times samples: an hour of 64 channels at 512 Hz."""

PARAMETERS = {"overlap", "batch_size", "drop_partial", "unit", "rename", "montage", "line_frequency"}
"""What a request may say besides its input; all but the first three are what only the sender can know."""

# First bytes of the formats that are one file and not compressed: a small upload cannot grow into a huge recording.
FILE_SIGNATURES = {b"0       ": ".edf", b"\xffBIOSEMI": ".bdf", b"GDF 1": ".gdf", b"GDF 2": ".gdf"}

logger = logging.getLogger(__name__)


class RequestError(ValueError):
    """The request cannot be answered; the message says why and what to send instead."""


class EndpointHandler:
    """Answers requests with the model of a folder: labels if it is a classifier, features otherwise."""

    def __init__(self, path: str = "") -> None:
        """Load the model, feature extractor and pipeline that lie in `path` (a folder or a Hub id).

        Where the package is installed its code runs, otherwise that of the repository.
        """
        self.pipeline = (load_pipeline or load_own_pipeline)(path)

    def __call__(self, data: dict[str, Any] | bytes) -> dict[str, Any] | list[dict[str, Any]]:
        """Answer one request.

        Args:
            data: `{"inputs": ..., "parameters": {...}}`, or the bytes of a file. `inputs` is a file (bytes, or base64
                text) or `{"signal": (C, T) lists, "channel_names": C names, "sampling_rate": Hz, "unit": "uV"}`.

        Returns:
            One dictionary a window for a classifier; `{"onset", "duration", "features"}` lists otherwise; or
            `{"error": sentence}`. Where something makes the answers doubtful, `warning` says it, in every window or
            beside the lists. All of it is JSON.
        """
        try:
            inputs, parameters = parse_request(data)
            if isinstance(inputs, bytes):
                return self._answer_file(inputs, parameters)
            return self._answer(inputs, parameters)
        except (ValueError, OSError, ImportError) as error:
            return {"error": message_of(error)}
        except Exception:
            # Internal errors belong in the log; their text could reveal paths or contents to a caller.
            logger.exception("A request failed.")
            return {"error": "The request could not be processed; the server's log says why."}

    def _answer(self, inputs: Any, parameters: dict[str, Any]) -> Any:
        answers = self.pipeline(inputs, progress=False, **parameters)
        result = to_json(answers)
        if answers.report.warnings:
            for entry in result if isinstance(result, list) else [result]:
                entry["warning"] = "; ".join(answers.report.warnings)
        return result

    def _answer_file(self, content: bytes, parameters: dict[str, Any]) -> Any:
        """Write the bytes under a name of our own, so that nothing in the request becomes a path."""
        with tempfile.TemporaryDirectory(prefix="dare_eeg_") as folder:
            path = Path(folder, "recording" + file_suffix(content))
            path.write_bytes(content)
            try:
                return self._answer(path, parameters)
            except ValueError as error:
                raise RequestError(message_of(error).replace(f"{folder}{os.sep}", "")) from error


def load_own_pipeline(path: str):
    """Load a model's pipeline with the code of its repository: anyone who deploys this file chose to run it.

    Raises:
        ValueError: If it is not a DARE-EEG model.
        OSError: If there is nothing to load under this name.
    """
    from transformers import pipeline
    from transformers.utils import cached_file

    config = json.loads(Path(cached_file(path, "config.json")).read_text(encoding="utf-8"))
    if config.get("model_type") != "dare_eeg":
        raise ValueError(f"{path} holds a model of type {config.get('model_type')!r}, not a DARE-EEG one.")
    classifies = any(name.endswith("ForSequenceClassification") for name in config.get("architectures") or [])
    task = "eeg-classification" if classifies else "eeg-feature-extraction"
    return pipeline(task, model=path, trust_remote_code=True)


def message_of(error: Exception) -> str:
    """What is wrong and, where the error knows a remedy, how a request follows it."""
    return error.on("request") if hasattr(error, "on") else str(error)


def parse_request(data: dict[str, Any] | bytes) -> tuple[dict[str, Any] | bytes, dict[str, Any]]:
    """Split a request into a file's bytes or a checked array, and the parameters of the pipeline."""
    if isinstance(data, (bytes, bytearray)):
        data = {"inputs": bytes(data)}
    if not isinstance(data, dict) or "inputs" not in data:
        raise RequestError('Send {"inputs": a file as base64 or an array with names, rate and unit}.')
    parameters = data.get("parameters") or {}
    if not isinstance(parameters, dict) or not set(parameters) <= PARAMETERS:
        raise RequestError(f"The parameters may be {sorted(PARAMETERS)}, got {parameters!r:.200}.")
    inputs = data["inputs"]
    if isinstance(inputs, str):
        inputs = decode_base64(inputs)
    if isinstance(inputs, (bytes, bytearray)):
        if len(inputs) > MAX_FILE_BYTES:
            raise RequestError(f"The file has {len(inputs):,} bytes; at most {MAX_FILE_BYTES:,} are accepted.")
        return bytes(inputs), parameters
    return check_array(inputs), parameters


def decode_base64(text: str) -> bytes:
    """Decode a file, refusing one that is too long before a copy of it is made."""
    if len(text) > MAX_FILE_BYTES * 4 // 3 + 4:
        raise RequestError(f"The file is larger than the {MAX_FILE_BYTES:,} bytes that are accepted.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(
            "A text in `inputs` must be the base64 of a file; a path or address is not read."
        ) from error


def check_array(inputs: Any) -> dict[str, Any]:
    """Return `{"signal": (C, T) float array, "channel_names", "sampling_rate", "unit"}` from decoded JSON."""
    keys = {"signal", "channel_names", "sampling_rate", "unit"}
    if not isinstance(inputs, dict) or set(inputs) != keys:
        raise RequestError(f"An array is sent as a dictionary with exactly the keys {sorted(keys)}.")
    try:
        signal = np.asarray(inputs["signal"], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RequestError("`signal` must be numbers, one list per channel, all of one length.") from error
    names, rate, unit = inputs["channel_names"], inputs["sampling_rate"], inputs["unit"]
    if signal.ndim != 2 or signal.size > MAX_SAMPLES:
        raise RequestError(f"`signal` must be (channels, samples) with at most {MAX_SAMPLES:,} numbers.")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) != len(signal):
        raise RequestError(f"`channel_names` must be {len(signal)} texts, one for each row of `signal`.")
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 1 <= rate <= 100_000:
        raise RequestError("`sampling_rate` must be a number of hertz between 1 and 100,000.")
    if not isinstance(unit, str):
        raise RequestError('`unit` must be a text such as "uV", "mV" or "V".')
    return {"signal": signal, "channel_names": names, "sampling_rate": float(rate), "unit": unit}


def file_suffix(content: bytes) -> str:
    """Recognise a recording by its first bytes."""
    for signature, suffix in FILE_SIGNATURES.items():
        if content.startswith(signature):
            return suffix
    raise RequestError("The bytes are not an EDF, BDF or GDF recording; other formats and archives are not opened.")


def to_json(value: Any) -> Any:
    """Turn arrays and NumPy numbers into lists and plain numbers; a number that JSON cannot express becomes null."""
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return to_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
