"""The handler over real HTTP, as Inference Endpoints would call it, with and without the package installed."""

import base64
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import mne
import numpy as np
import pytest
import requests
from transformers import pipeline

from dare_eeg_hf.hub import handler as handler_module
from dare_eeg_hf.hub.handler import EndpointHandler
from dare_eeg_hf.hub.publishing import collect_model
from dare_eeg_hf.recordings.recordings import load_recording


@pytest.fixture(scope="module")
def handler(eyes_classifier):
    return EndpointHandler(str(eyes_classifier))


@pytest.fixture(scope="module")
def endpoint(handler):
    """A server on loopback that passes JSON and raw bodies to the handler, as the toolkit of the endpoints does."""

    class Server(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            as_json = self.headers["Content-Type"] == "application/json"
            answer = handler(json.loads(body) if as_json else {"inputs": body})
            content = json.dumps(answer, allow_nan=False).encode()
            self.send_response(400 if isinstance(answer, dict) and "error" in answer else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def expected(eyes_classifier, eyes_recordings):
    return pipeline("eeg-classification", model=str(eyes_classifier))(eyes_recordings[1])


def test_bytes_base64_and_arrays_give_the_pipelines_labels(endpoint, eyes_recordings, expected):
    content = eyes_recordings[1].read_bytes()
    raw_body = requests.post(endpoint, data=content, headers={"Content-Type": "application/octet-stream"}, timeout=60)
    assert raw_body.status_code == 200
    assert raw_body.json() == expected

    text = base64.b64encode(content).decode()
    assert requests.post(endpoint, json={"inputs": text}, timeout=60).json() == expected
    overlapping = requests.post(endpoint, json={"inputs": text, "parameters": {"overlap": 0.5}}, timeout=60).json()
    assert len(overlapping) == 30

    raw, _ = load_recording(eyes_recordings[1])
    array = {
        "signal": (raw.get_data() * 1e6).tolist(),
        "channel_names": raw.ch_names,
        "sampling_rate": 256,
        "unit": "uV",
    }
    answer = requests.post(endpoint, json={"inputs": array}, timeout=60).json()
    np.testing.assert_allclose([each["score"] for each in answer], [each["score"] for each in expected], atol=1e-4)


def array(**changes):
    described = {"signal": [[0.0] * 512] * 2, "channel_names": ["Cz", "Pz"], "sampling_rate": 256, "unit": "uV"}
    return {"inputs": {**described, **changes}}


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        ({}, 'Send {"inputs"'),
        ([1, 2], 'Send {"inputs"'),
        ({"inputs": None}, "An array is sent as a dictionary"),
        ({"inputs": "/etc/passwd"}, "a path or address is not read"),
        ({"inputs": "https://example.org/a.edf"}, "a path or address is not read"),
        ({"inputs": base64.b64encode(b"PK\x03\x04 a zip file").decode()}, "archives are not opened"),
        ({"inputs": base64.b64encode(b"0       garbage").decode()}, "recording.edf"),
        (array(signal=[[1.0], [1.0, 2.0]]), "one list per channel"),
        (array(signal=["a", "b"]), "must be numbers"),
        (array(channel_names=["Cz"]), "must be 2 texts"),
        (array(channel_names="<script>alert(1)</script>"), "must be 2 texts"),
        (array(sampling_rate=0), "between 1 and 100,000"),
        (array(sampling_rate=True), "between 1 and 100,000"),
        (array(unit="furlong"), "unknown unit 'furlong'"),
        (
            array(channel_names=["ECG", "EMG"], signal=np.random.default_rng(0).normal(0, 20, (2, 512)).tolist()),
            "none of",
        ),
        (array(), "every channel is flat"),
        ({**array(), "parameters": {"overlap": 2}}, "overlap must be"),
        ({**array(), "parameters": {"model": "other"}}, "The parameters may be"),
    ],
)
def test_bad_requests_get_a_sentence(endpoint, request_body, message):
    response = requests.post(endpoint, json=request_body, timeout=60)
    assert response.status_code == 400
    error = response.json()["error"]
    assert message in error
    assert "/tmp" not in error


def noise(names, scale=20.0):
    signal = np.random.default_rng(0).normal(0, scale, (len(names), 1024))
    return array(channel_names=list(names), signal=signal.tolist())


def test_remedies_can_be_sent_with_the_request_that_is_told_of_them(endpoint):
    numbered = noise([f"E{number}" for number in range(1, 65)])
    error = requests.post(endpoint, json=numbered, timeout=60).json()["error"]
    assert 'send "montage": "NAME" among the parameters' in error
    assert "montage=" not in error
    sent = {**numbered, "parameters": {"montage": "GSN-HydroCel-64_1.0"}}
    assert "label" in requests.post(endpoint, json=sent, timeout=60).json()[0]
    error = requests.post(endpoint, json=noise(["C3", "Cz", "C4"], 2e5), timeout=60).json()["error"]
    assert 'send "unit": ' in error


def test_few_electrodes_are_said_in_the_answer(endpoint):
    few = requests.post(endpoint, json=noise(["C3", "Cz", "C4"]), timeout=60).json()
    assert "3 of the 58 electrodes" in few[0]["warning"]
    many = requests.post(
        endpoint, json=noise("Fp1 Fp2 F7 F3 Fz F4 F8 C3 Cz C4 P7 P3 Pz P4 P8 O1 O2".split()), timeout=60
    )
    assert "warning" not in many.json()[0]


def test_limits_are_checked_before_anything_is_decoded_or_read(handler, monkeypatch):
    monkeypatch.setattr(handler_module, "MAX_FILE_BYTES", 1000)
    monkeypatch.setattr(handler_module, "MAX_SAMPLES", 100)
    monkeypatch.setattr(base64, "b64decode", lambda *_, **__: pytest.fail("decoded a text that is too long"))
    assert "larger than the 1,000 bytes" in handler({"inputs": "A" * 2000})["error"]
    assert "at most 1,000" in handler(b"0       " + bytes(1000))["error"]
    assert "at most 100 numbers" in handler(array())["error"]


def test_a_failure_inside_says_nothing_about_the_machine(handler, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("secret in /home/somebody")

    monkeypatch.setattr(handler, "pipeline", fail)
    answer = handler(array())
    assert answer == {"error": "The request could not be processed; the server's log says why."}
    assert "secret" in caplog.text


def test_a_model_that_is_not_ours_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        EndpointHandler(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="holds a model of type 'bert', not a DARE-EEG one"):
        EndpointHandler(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="not an id on the Hub"):
        EndpointHandler("../../somewhere/else")


def test_the_handler_of_a_published_folder_works_without_the_package(
    eyes_classifier, eyes_recordings, expected, tmp_path
):
    repository = tmp_path / "repository"
    repository.mkdir()
    for name, content in collect_model(eyes_classifier, "somebody/eyes").items():
        if isinstance(content, Path):
            shutil.copy(content, repository / name)
        else:
            (repository / name).write_bytes(content)
    script = """
import sys, json
sys.modules["dare_eeg_hf"] = None  # as if it were not installed
sys.path.insert(0, sys.argv[1])
from handler import EndpointHandler
handler = EndpointHandler(sys.argv[1])
assert type(handler.pipeline.model).__module__.startswith("transformers_modules")
json.dump(handler(open(sys.argv[2], "rb").read()), sys.stdout)
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(repository), str(eyes_recordings[1])],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"},
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    # Without the package nothing looks for bad channels; these recordings have none.
    np.testing.assert_allclose([each["score"] for each in answer], [each["score"] for each in expected], atol=1e-4)


def test_a_file_that_mne_reads_otherwise_is_not_opened(handler, tmp_path, eyes_recordings):
    raw = mne.io.read_raw_edf(eyes_recordings[0], preload=True, verbose="ERROR")
    raw.save(tmp_path / "eyes_raw.fif", verbose="ERROR")
    assert "not an EDF, BDF or GDF" in handler((tmp_path / "eyes_raw.fif").read_bytes())["error"]
