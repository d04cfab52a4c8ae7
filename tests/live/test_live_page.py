"""The page of a running classifier in a real browser; it tells nobody else anything."""

import os
import time
from pathlib import Path

import pytest
import requests

from dare_eeg_hf.live.live_classifier import LiveClassifier
from dare_eeg_hf.live.live_page import LivePage
from tests.live.played import NAMES, Played, eeg_like
from tests.test_shipped_models import EYES_CLASSIFIER

RATE = 128.0


@pytest.fixture
def page():
    page = LivePage(0, "dare-eeg-nano-eyes", "<b>amplifier</b>")
    yield page
    page.close()


def wait_for(browser, condition: str, seconds: float = 20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := browser.execute_script(f"return {condition}"):
            return value
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {condition}\n{browser.find_element('tag name', 'body').text}")


def test_answers_traces_and_electrodes_are_shown_as_they_come(browser, page, tmp_path):
    classifier = LiveClassifier(EYES_CLASSIFIER, step=0.5)
    signal = eeg_like(30, RATE)
    signal[3] *= 40  # a loose electrode
    stream = Played(signal, RATE, gaps=[(round(18 * RATE), 1.0)])
    following = classifier.follow(stream)
    browser.get(page.address)
    wait_for(browser, "document.readyState === 'complete'")
    deadline = time.monotonic() + 10
    while not page._listeners and time.monotonic() < deadline:
        time.sleep(0.05)
    windows = []
    for window in classifier.windows(stream, following):
        windows.append(window)
        page.show(window, following)
    wait_for(browser, f"answers.length === {len(windows)}")
    assert wait_for(browser, "document.getElementById('label').textContent") == windows[-1].label
    assert f"{windows[-1].channels} electrodes" in browser.find_element("id", "numbers").text
    about = browser.find_element("id", "about").text
    assert "dare-eeg-nano-eyes on the stream <b>amplifier</b>" in about  # a text, not an element
    assert "nothing here is a diagnosis" in about
    chips = browser.find_elements("css selector", "#quality span")
    assert [chip.text.split(":")[0] for chip in chips] == NAMES
    assert [chip.text.split(":")[0] for chip in chips if chip.get_attribute("class") == "bad"] == ["F3"]
    assert browser.execute_script("return traces.map((values) => values.length)") == [640] * len(NAMES)
    for drawing in ("traces", "timeline"):
        browser.execute_script(f"window.drawn = document.getElementById('{drawing}')")
        pixels = "drawn.getContext('2d').getImageData(0, 0, drawn.width, drawn.height).data"
        assert browser.execute_script(f"return {pixels}.some((value) => value)"), drawing
    assert browser.save_screenshot(str(Path(os.environ.get("DARE_EEG_SCREENSHOTS", tmp_path)) / "live_page.png"))


def test_only_this_machine_can_ask_and_only_by_its_own_name(page):
    assert page.address.startswith("http://127.0.0.1:")
    assert requests.get(page.address, timeout=5).status_code == 200
    assert requests.get(page.address, headers={"Host": "evil.example:80"}, timeout=5).status_code == 403
    assert requests.get(page.address + "etc/passwd", timeout=5).status_code == 404
