"""The Space as a real process: driven by a real browser, and fed bad input over HTTP."""

import contextlib
import csv
import io
import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import edfio
import numpy as np
import pytest
import requests
from transformers import pipeline

from dare_eeg_hf.hub import space

APP = Path(space.__file__).with_name("app.py")
MAX_MEGABYTES = 3
MAX_MINUTES = 5


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running_space(folder: Path, model: str):
    """Start the Space as its own process and wait until it answers; gives its address."""
    port = free_port()
    environment = os.environ | {
        "DARE_EEG_MODEL": model,
        "DARE_EEG_MAX_MEGABYTES": str(MAX_MEGABYTES),
        "DARE_EEG_MAX_MINUTES": str(MAX_MINUTES),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
        "HF_HUB_OFFLINE": "1",
    }
    log = folder / "space.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(APP)], env=environment, stdout=output, stderr=output, cwd=folder
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(requests.ConnectionError):
                requests.get(address, timeout=5).raise_for_status()
                break
            time.sleep(0.25)
        else:
            pytest.fail(f"the Space did not start:\n{log.read_text()}")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def address(tmp_path_factory, eyes_classifier):
    with running_space(tmp_path_factory.mktemp("space"), str(eyes_classifier)) as url:
        yield url


def write_edf(path: Path, labels: list[str], seconds: float = 20, rate: int = 128) -> Path:
    """Write noise of EEG's amplitude under the given labels."""
    rng = np.random.default_rng(0)
    shared_part = rng.normal(0, 15, int(seconds * rate))
    signals = [
        edfio.EdfSignal(
            shared_part + rng.normal(0, 10, len(shared_part)),
            rate,
            label=label,
            physical_dimension="uV",
            physical_range=(-500, 500),
        )
        for label in labels
    ]
    edfio.Edf(signals).write(path)
    return path


def wait_for(browser, condition: str, seconds: float = 90):
    """Wait until a JavaScript expression is true; returns its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = browser.execute_script(f"return {condition}")
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {condition}\n{browser.find_element('tag name', 'body').text}")


def analyse_in_browser(browser, address: str, recording: Path) -> str:
    """Upload a recording, press the button, wait for the outcome; returns its sentence."""
    browser.get(address)
    wait_for(browser, "document.querySelector('#upload input[type=file]') !== null")
    browser.find_element("css selector", "#upload input[type=file]").send_keys(str(recording))
    wait_for(browser, f"document.querySelector('#upload').innerText.includes({json.dumps(recording.stem[:8])})")
    browser.find_element("id", "analyse").click()
    return wait_for(browser, "document.querySelector('#outcome')?.innerText")


def save_screenshot(browser, tmp_path: Path, name: str) -> None:
    """Keep a picture of the page for people to look at: in the test's folder, or in $DARE_EEG_SCREENSHOTS."""
    folder = Path(os.environ.get("DARE_EEG_SCREENSHOTS", tmp_path))
    assert browser.save_screenshot(str(folder / f"{name}.png"))


def test_a_dropped_recording_is_answered_with_figures_and_downloads(
    browser, address, eyes_recordings, eyes_classifier, tmp_path
):
    sentence = analyse_in_browser(browser, address, eyes_recordings[1])
    assert sentence.startswith("16 windows: eyes closed in")
    for figure in ("predictions", "importance", "traces"):
        wait_for(browser, f"document.querySelector('#{figure} img')?.naturalWidth > 300")
    wait_for(browser, "document.querySelector('#montage').innerText.includes('used')")
    assert "average reference over 19 channels" in browser.find_element("id", "summary").text
    links = wait_for(browser, "[...document.querySelectorAll('#downloads a')].map(link => link.href)")
    save_screenshot(browser, tmp_path, "space_answer")

    table = next(link for link in links if link.endswith("predictions.csv"))
    rows = list(csv.DictReader(io.StringIO(requests.get(table, timeout=10).text)))
    expected = pipeline("eeg-classification", model=str(eyes_classifier))(eyes_recordings[1])
    assert [row["label"] for row in rows] == [window["label"] for window in expected]
    np.testing.assert_allclose(
        [float(row["score_eyes closed"]) for row in rows],
        [window["scores"]["eyes closed"] for window in expected],
        atol=1e-5,
    )
    annotations = next(link for link in links if link.endswith("annotations.csv"))
    assert "eyes closed" in requests.get(annotations, timeout=10).text


def test_the_page_talks_to_nobody_else(browser, address):
    browser.get(address)
    wait_for(browser, "document.querySelector('#analyse') !== null")
    requested = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert requested
    assert [url for url in requested if not url.startswith((address, "data:", "blob:"))] == []


def test_an_example_is_one_click_away(browser, address):
    browser.get(address)
    example = "[...document.querySelectorAll('button')].find(b => b.innerText.includes('Simulated, eyes closed'))"
    wait_for(browser, f"{example} !== undefined")
    browser.execute_script(f"{example}.click()")
    wait_for(browser, "document.querySelector('#upload').innerText.includes('S001')")


def test_script_in_a_channel_name_is_shown_and_not_run(browser, address, tmp_path):
    names = ["<svg onload=p()>", "Fz", "Cz", "Pz", "C3", "C4", "O1", "O2", "F3"]
    recording = write_edf(tmp_path / "harmless.edf", names)
    browser.get(address)
    browser.execute_script("window.p = () => { window.attacked = true }")
    sentence = analyse_in_browser(browser, address, recording)
    assert "windows" in sentence
    wait_for(browser, "document.querySelector('#montage').innerText.includes('<svg onload=p()>')")
    assert browser.execute_script("return document.querySelectorAll('svg[onload]').length") == 0
    assert not browser.execute_script("return window.attacked")
    save_screenshot(browser, tmp_path, "space_script_in_name")


def test_a_bad_file_is_answered_with_a_sentence_in_the_page(browser, address, tmp_path):
    recording = write_edf(tmp_path / "heartbeat.edf", ["ECG", "EMG chin"])
    sentence = analyse_in_browser(browser, address, recording)
    assert "no channel is an electrode" in sentence
    assert str(tmp_path) not in sentence
    save_screenshot(browser, tmp_path, "space_error")


def upload(address: str, path: Path) -> requests.Response:
    with path.open("rb") as file:
        return requests.post(f"{address}/gradio_api/upload", files={"files": (path.name, file)}, timeout=60)


def analyse_over_http(
    address: str, path_on_server: str, choices=("as the file says", "channels have names")
) -> tuple[str, list | None]:
    """Ask the page's own interface; returns the event ("complete" or "error") and the outputs."""
    file = {"path": path_on_server, "meta": {"_type": "gradio.FileData"}}
    call = requests.post(f"{address}/gradio_api/call/analyse", json={"data": [file, 0, *choices]}, timeout=60)
    if not call.ok:
        return "error", None
    event_id = call.json()["event_id"]
    answer = requests.get(f"{address}/gradio_api/call/analyse/{event_id}", timeout=120).text
    lines = [line for line in answer.splitlines() if line.startswith(("event: ", "data: "))]
    return lines[-2].removeprefix("event: "), json.loads(lines[-1].removeprefix("data: "))


def sentence_for(address: str, path: Path, *choices: str) -> str:
    response = upload(address, path)
    response.raise_for_status()
    event, outputs = analyse_over_http(address, response.json()[0], *([choices] if choices else []))
    assert event == "complete", outputs
    assert outputs[3:] == [None] * 4
    return outputs[0]


def test_files_that_are_no_recordings_get_a_sentence(address, tmp_path):
    text = tmp_path / "letter.edf"
    text.write_text("Dear Sir or Madam")
    assert "not an EDF, BDF or GDF recording" in sentence_for(address, text)

    bomb = tmp_path / "bomb.edf"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("recording.edf", bytes(200_000_000))
    assert bomb.stat().st_size < 1e6
    assert "archives are not opened" in sentence_for(address, bomb)

    header_only = tmp_path / "header.edf"
    header_only.write_bytes(b"0       " + b" " * 248)
    assert "header is damaged" in sentence_for(address, header_only)


def test_a_visitor_is_told_what_a_visitor_can_do_and_it_helps(address, tmp_path):
    numbered = write_edf(tmp_path / "numbered.edf", [f"E{number}" for number in range(1, 65)])
    sentence = sentence_for(address, numbered)
    assert "Which cap was it?" in sentence
    assert "GSN-HydroCel-64_1.0" in sentence
    assert "choose it under &#x27;Cap, where channels are numbered&#x27;" in sentence
    assert "montage=" not in sentence
    assert "BioSemi" not in sentence
    path = upload(address, numbered).json()[0]
    event, outputs = analyse_over_http(address, path, ("as the file says", "GSN-HydroCel-64_1.0"))
    assert event == "complete"
    assert "windows" in outputs[0]
    assert "of the 58 electrodes the encoder was trained with are present" in outputs[1]
    assert "choose V under" in sentence_for(address, numbered, "nV", "GSN-HydroCel-64_1.0")


def test_one_channel_is_answered_without_a_map_of_importance(address, tmp_path):
    path = upload(address, write_edf(tmp_path / "one.edf", ["Oz"])).json()[0]
    event, (sentence, _, _, traces, predictions, importance, _) = analyse_over_http(address, path)
    assert event == "complete"
    assert "windows" in sentence
    assert traces is not None
    assert predictions is not None
    assert importance is None


def test_limits_on_duration_and_size(address, tmp_path):
    long = write_edf(tmp_path / "long.edf", ["Cz"], seconds=60 * (MAX_MINUTES + 1), rate=16)
    assert f"lasts 6 minutes; at most {MAX_MINUTES}" in sentence_for(address, long)

    large = tmp_path / "large.edf"
    large.write_bytes(b"0       " + bytes(MAX_MEGABYTES * 2**20 + 1))
    assert upload(address, large).status_code == 413


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../../etc/passwd", "/proc/self/environ"])
def test_a_path_outside_the_upload_folder_is_refused(address, path):
    event, outputs = analyse_over_http(address, path)
    assert event == "error"
    assert "root:" not in json.dumps(outputs)
    assert requests.get(f"{address}/gradio_api/file={path}", timeout=10).status_code in (403, 404)


def test_without_a_model_the_page_says_what_to_set(tmp_path):
    from dare_eeg_hf.hub.space.app import build_app

    assert "DARE_EEG_MODEL" in json.dumps(build_app(None, tmp_path).get_config_file())


def test_files_are_deleted_when_the_page_says(tmp_path):
    from dare_eeg_hf.hub.space.app import PRIVACY, Analysis

    analysis = Analysis(None, tmp_path)
    window = {"onset": 0.0, "duration": 4.0, "partial": False, "label": "left", "score": 0.5, "scores": {"left": 0.5}}
    earlier, recent = (Path(analysis._save([window])[0]).parent for _ in range(2))
    os.utime(earlier, (0, time.time() - 3601))
    analysis._save([window])
    assert (earlier.exists(), recent.exists()) == (False, True)
    told = "Uploads are deleted within two hours, results at the first analysis an hour or more after them."
    assert told in PRIVACY
    assert told in " ".join(APP.with_name("README.md").read_text().split())


def test_a_model_that_is_not_ours_stops_the_start_with_a_sentence(tmp_path):
    from dare_eeg_hf.hub.space.app import build_app

    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="holds a model of type 'bert', not a DARE-EEG one"):
        build_app(str(tmp_path), tmp_path)


def test_the_space_folder_is_ready_for_the_hub():
    from huggingface_hub import RepoCard

    card = RepoCard.load(APP.with_name("README.md"))
    assert card.data.sdk == "gradio"
    assert card.data.app_file == "app.py"
    requirements = APP.with_name("requirements.txt").read_text()
    assert "dare-eeg-hf" in requirements
