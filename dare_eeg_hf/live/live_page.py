"""A page on this machine that shows answers, traces and electrode quality as they come."""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from dare_eeg_hf.live.live_classifier import LiveWindow
from dare_eeg_hf.live.running_signal import RunningSignal

DRAWN_RATE = 64.0
"""Samples of a trace that are drawn for a second of it."""

DRAWN_CHANNELS = 32

WAITING_PAGES = 100
"""News that a page which does not keep up may be behind before it misses some."""


class LivePage:
    """Serves the page and tells it what is new; on the loopback interface only.

    Args:
        port: 0 takes a free one.
        model, stream: names, for the page.

    Attributes:
        address: of the page.
    """

    def __init__(self, port: int, model: str, stream: str) -> None:
        self.names = {"model": model, "stream": stream}
        self._listeners: list[queue.Queue[str | None]] = []
        self._lock = threading.Lock()
        self._shown = 0
        self._seconds = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def show(self, window: LiveWindow, signal: RunningSignal) -> None:
        """Tell every open page about an answer, with the traces since the one before it."""
        fresh = signal.samples - self._shown if signal.samples >= self._shown else signal.samples
        self._shown = signal.samples
        self._seconds += fresh / signal.new_rate if window.duration else window.delay
        thinning = max(1, round(signal.new_rate / DRAWN_RATE))
        traces = signal.latest(fresh)[:DRAWN_CHANNELS, ::thinning]
        news: dict[str, Any] = {
            **self.names,
            "answer": asdict(replace(window, features=None)),
            "labels": list(window.scores),
            "seconds": self._seconds,
            "rate": signal.new_rate / thinning,
            "channels": signal.channel_names[:DRAWN_CHANNELS],
            "bad": {signal.channel_names[index]: reason for index, reason in signal.bad.items()},
            "scale": _scale(signal),
            "traces": np.round(traces, 1).tolist(),
        }
        text = json.dumps(news)
        with self._lock:
            for listener in self._listeners:
                if listener.qsize() < WAITING_PAGES:
                    listener.put(text)

    def close(self) -> None:
        """Stop serving."""
        with self._lock:
            for listener in self._listeners:
                listener.put(None)
        self._server.shutdown()
        self._server.server_close()

    def _listen(self) -> queue.Queue[str | None]:
        listener: queue.Queue[str | None] = queue.Queue()
        with self._lock:
            self._listeners.append(listener)
        return listener

    def _leave(self, listener: queue.Queue[str | None]) -> None:
        with self._lock:
            self._listeners.remove(listener)


def _scale(signal: RunningSignal) -> float:
    """Microvolts of half a row: what the median channel needs, without what is rare."""
    newest = signal.latest(int(10 * signal.new_rate))
    if not newest.shape[1]:
        return 50.0
    return max(1.0, 3.0 * float(np.median(np.median(np.abs(newest), axis=1))) / 0.6745)


def _handler(page: LivePage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers.get("Host", "").rpartition(":")[0]
            if host not in ("127.0.0.1", "localhost"):
                # Another site's page, whose name was made to point here, asks for the signal.
                self.send_error(403)
            elif self.path == "/":
                self._answer(Path(__file__).with_suffix(".html").read_bytes())
            elif self.path == "/events":
                self._send_news()
            else:
                self.send_error(404)

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _send_news(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            listener = page._listen()
            try:
                while (text := listener.get()) is not None:
                    self.wfile.write(f"data: {text}\n\n".encode())
                    self.wfile.flush()
            except OSError:
                pass  # the page was closed
            finally:
                page._leave(listener)

        def log_message(self, *_: object) -> None:
            """Say nothing: the terminal shows answers."""

    return Handler
