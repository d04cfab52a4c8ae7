"""XDF files as LabRecorder writes them: https://github.com/sccn/xdf/wiki/Specifications. pyxdf only reads."""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

FORMATS = {"float32": "f", "double64": "d", "int16": "h", "int32": "i"}


@dataclass
class XdfStream:
    """One stream: samples (T, C) or T texts, and the stamps of their own clock.

    `offsets` are pairs (time of measurement, recorder's clock minus the stream's). `stamp_every` writes only each n-th
    stamp, from which pyxdf deduces the others. `labels`, `units`, `types` are left out of the description where None.
    """

    name: str
    kind: str
    rate: float
    samples: object
    stamps: np.ndarray
    labels: list | None = None
    units: list | None = None
    types: list | None = None
    sample_format: str = "float32"
    offsets: list = field(default_factory=lambda: [(0.0, 0.0), (1000.0, 0.0)])
    stamp_every: int = 1

    @property
    def count(self) -> int:
        """Number of channels."""
        return 1 if self.sample_format == "string" else np.asarray(self.samples).shape[1]

    def header(self) -> str:
        """The XML of the stream's header chunk."""
        described = {"label": self.labels, "type": self.types, "unit": self.units}
        described = {key: values for key, values in described.items() if values is not None}
        channels = "".join(
            "<channel>" + "".join(f"<{key}>{escape(values[n])}</{key}>" for key, values in described.items())
            + "</channel>"
            for n in range(self.count)
        )  # fmt: skip
        desc = f"<desc><channels>{channels}</channels></desc>" if described else "<desc />"
        return (
            f'<?xml version="1.0"?><info><name>{escape(self.name)}</name><type>{self.kind}</type>'
            f"<channel_count>{self.count}</channel_count><nominal_srate>{self.rate}</nominal_srate>"
            f"<channel_format>{self.sample_format}</channel_format><source_id>test</source_id>{desc}</info>"
        )

    def chunk(self, number: int) -> bytes:
        """The samples as the content of one chunk."""
        parts = [struct.pack("<I", number), b"\x04", struct.pack("<I", len(self.stamps))]
        for index, (stamp, sample) in enumerate(zip(self.stamps, self.samples, strict=True)):
            stamped = index % self.stamp_every == 0
            parts.append(b"\x08" + struct.pack("<d", stamp) if stamped else b"\x00")
            if self.sample_format == "string":
                text = sample.encode()
                parts.append(b"\x04" + struct.pack("<I", len(text)) + text)
            else:
                parts.append(struct.pack(f"<{self.count}{FORMATS[self.sample_format]}", *sample))
        return b"".join(parts)


def write_xdf(path: Path, *streams: XdfStream, datetime: str = "2026-11-26T12:00:00+0100") -> Path:
    """Write the streams, numbered from 1."""
    content = [b"XDF:", _chunk(1, f"<?xml version='1.0'?><info><version>1.0</version><datetime>{datetime}</datetime>"
                                  "</info>".encode())]  # fmt: skip
    for number, stream in enumerate(streams, start=1):
        content.append(_chunk(2, struct.pack("<I", number) + stream.header().encode()))
    for number, stream in enumerate(streams, start=1):
        for time, offset in stream.offsets:
            content.append(_chunk(4, struct.pack("<Idd", number, time, offset)))
        if len(stream.stamps):
            content.append(_chunk(3, stream.chunk(number)))
        content.append(_chunk(6, struct.pack("<I", number) + b"<?xml version='1.0'?><info></info>"))
    path.write_bytes(b"".join(content))
    return path


def _chunk(tag: int, content: bytes) -> bytes:
    return b"\x04" + struct.pack("<I", len(content) + 2) + struct.pack("<H", tag) + content
