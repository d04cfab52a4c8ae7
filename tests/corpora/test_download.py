"""Downloads against a real HTTP server on loopback that lays its files out as PhysioNet does."""

import hashlib
import http.server
import os
import threading
from collections import Counter

import pytest

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.download import DownloadError, download_physionet
from dare_eeg_hf.recordings.simulation import simulate_recordings
from dataset_scripts.physionet_mi import PhysioNetMI

PROJECT = "eegmmidb/1.0.0"


class Handler(http.server.BaseHTTPRequestHandler):
    """Files with ranges; `server.trouble[path]` is a list of what goes wrong with the next requests."""

    def do_GET(self):
        self.server.requests[self.path] += 1
        content = self.server.files.get(self.path)
        trouble = self.server.trouble.get(self.path, [])
        what = trouble.pop(0) if trouble else None
        if what == "busy":
            return self.send_error(503)
        if content is None:
            return self.send_error(404)
        start = 0
        if asked := self.headers.get("Range"):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            self.server.ranges.append((self.path, start))
            if start >= len(content):
                return self.send_error(416)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + (len(content) - start) // 2 if what == "breaks off" else len(content)
        self.wfile.write(content[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def physionet(tmp_path):
    """A server of three subjects; `.url` is the base address."""
    paths = simulate_recordings(tmp_path / "original", subjects=3, montage=["Fp1", "Cz", "O1", "O2"], seconds=9)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    prefix = f"/files/{PROJECT}/"
    names = {path.relative_to(tmp_path / "original").as_posix(): path.read_bytes() for path in paths}
    names["S001/S001R01.edf.event"] = b"not needed"
    server.files = {prefix + name: content for name, content in names.items()}
    server.files[prefix + "RECORDS"] = "".join(f"{name}\n" for name in names if name.endswith(".edf")).encode()
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in names.items())
    server.files[prefix + "SHA256SUMS.txt"] = sums.encode()
    server.prefix, server.names = prefix, names
    server.requests, server.ranges, server.trouble = Counter(), [], {}
    server.url = f"http://127.0.0.1:{server.server_port}/files/"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def fetch(server, folder):
    return download_physionet(PROJECT, folder, PhysioNetMI().wanted, server.url)


def test_only_what_is_wanted_comes_and_is_what_the_publisher_says(physionet, tmp_path):
    paths = fetch(physionet, tmp_path / "in")
    assert len(paths) == 6
    assert all(path.read_bytes() == physionet.names[path.relative_to(tmp_path / "in").as_posix()] for path in paths)
    assert physionet.requests[physionet.prefix + "S001/S001R01.edf.event"] == 0
    fetch(physionet, tmp_path / "in")
    assert physionet.requests[physionet.prefix + "S001/S001R01.edf"] == 1


def test_a_broken_download_goes_on_where_it_stopped(physionet, tmp_path):
    path = physionet.prefix + "S002/S002R01.edf"
    size = len(physionet.files[path])
    physionet.trouble[path] = ["breaks off", "busy", "breaks off"]
    fetch(physionet, tmp_path / "in")
    assert physionet.requests[path] == 4
    assert physionet.ranges == [(path, size // 2), (path, size // 2 + (size - size // 2) // 2)]
    assert (tmp_path / "in" / "S002" / "S002R01.edf").read_bytes() == physionet.files[path]
    assert not list((tmp_path / "in").rglob("*.partial"))


def test_what_an_interrupted_run_has_left_is_used(physionet, tmp_path):
    path = physionet.prefix + "S003/S003R02.edf"
    partial = tmp_path / "in" / "S003" / "S003R02.edf.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(physionet.files[path][:1000])
    fetch(physionet, tmp_path / "in")
    assert physionet.ranges == [(path, 1000)]


def test_a_file_that_is_not_what_its_checksum_says_is_never_kept(physionet, tmp_path, monkeypatch):
    monkeypatch.setattr("dare_eeg_hf.corpora.download._pause", lambda attempt: 0)
    physionet.files[physionet.prefix + "S001/S001R02.edf"] += b"!"
    with pytest.raises(DownloadError, match=r"S001R02\.edf: \d+ attempts gave no complete file"):
        fetch(physionet, tmp_path / "in")
    assert not (tmp_path / "in" / "S001" / "S001R02.edf").exists()


def test_a_changed_file_is_downloaded_again(physionet, tmp_path):
    (path, *_) = fetch(physionet, tmp_path / "in")
    path.write_bytes(b"spoilt")
    fetch(physionet, tmp_path / "in")
    assert path.read_bytes() == physionet.names["S001/S001R01.edf"]


@pytest.mark.parametrize("name", ["../S001R01.edf", "/etc/S001R01.edf", "a/../../S001R01.edf"])
def test_no_name_leads_out_of_the_folder(physionet, tmp_path, name):
    sums = physionet.prefix + "SHA256SUMS.txt"
    physionet.files[sums] += f"{'0' * 64}  {name}\n".encode()
    with pytest.raises(DownloadError, match="leads out of the folder"):
        fetch(physionet, tmp_path / "in")
    assert not (tmp_path / "S001R01.edf").exists()


def test_a_recording_without_a_checksum_is_an_error(physionet, tmp_path):
    physionet.files[physionet.prefix + "RECORDS"] += b"S009/S009R01.edf\n"
    with pytest.raises(DownloadError, match=r"no checksum for S009/S009R01\.edf"):
        fetch(physionet, tmp_path / "in")


def test_a_project_that_is_not_there_is_named(physionet, tmp_path):
    with pytest.raises(DownloadError, match=r"nothing/1\.0/SHA256SUMS\.txt: 404"):
        download_physionet("nothing/1.0", tmp_path, lambda name: True, physionet.url)


def test_the_command_downloads_and_builds(physionet, tmp_path):
    options = ["--source", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--num-proc", "1"]
    assert main(PhysioNetMI(), [*options, "--download", physionet.url]) == 0
    assert sorted(os.listdir(tmp_path / "in")) == ["S001", "S002", "S003"]
    assert (tmp_path / "out" / "data" / "train-00000-of-00001.parquet").is_file()


def test_the_command_says_what_could_not_be_downloaded(physionet, tmp_path, capsys):
    options = ["--source", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--num-proc", "1"]
    assert main(PhysioNetMI(), [*options, "--download", physionet.url + "wrong/"]) == 2
    assert "404" in capsys.readouterr().err
