"""What was done to a recording: as a dictionary, as JSON, and as text to read."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dare_eeg_hf.montage import list_by_reason
from dare_eeg_hf.signal_reports_dare_eeg import SignalReport
from dare_eeg_hf.usability_dare_eeg import Loss


@dataclass
class RecordingReport(SignalReport):
    """A `SignalReport` of a whole file: where it came from, what was found in it, and the state it is in now.

    Attributes (besides those of `SignalReport`):
        file, format: what was read. `sampling_rate` (hertz) and `duration` (seconds) are those of the file.
        recorded_channels: the names in the file, in order.
        bad: channel -> why it counts as bad; bad channels are left out of the result unless they were interpolated or
            kept on request.
        interpolated: channels filled from their neighbours by spherical splines.
        unit_rescaling: set where the numbers of the file were not in the unit that the file claims.
        line_frequency: the mains frequency that was found or given, hertz.
        repaired: channel -> number of NaN, infinite or impossible samples that were bridged linearly (and annotated
            `BAD_repaired`).
        pieces: number of uninterrupted stretches; each was filtered separately.
        no_signal: stretches in which nothing was recorded that could be EEG: `onset`, `duration` (seconds), `reason`
            and `channels` (empty where most of them are concerned). Windows there are unusable.
        amplitude_uv, amplitude_after_uv: standard deviation over the channels before and after, in microvolts.
    """

    file: str = ""
    format: str = ""
    sampling_rate: float = 0.0
    duration: float = 0.0
    recorded_channels: list[str] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    interpolated: list[str] = field(default_factory=list)
    unit_rescaling: str | None = None
    line_frequency: float | None = None
    repaired: dict[str, int] = field(default_factory=dict)
    pieces: int = 1
    no_signal: list[dict[str, Any]] = field(default_factory=list)
    amplitude_after_uv: dict[str, float] = field(default_factory=dict)

    def to_json(self, indent: int | None = 2) -> str:
        """The report as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, default=float)

    def __str__(self) -> str:
        lines = [
            f"{self.file or 'recording'}: {self.format or 'unknown format'}, {len(self.recorded_channels)} channels, "
            f"{self.sampling_rate:g} Hz, {self.duration:.1f} s"
        ]
        lines += _entry(f"kept ({len(self.channels)})", self.channels)
        renamed = [f"{old} -> {new}" for old, new in self.renamed.items()]
        # What merely lost a prefix or changed case needs no list; the JSON has it in full.
        notable = [f"{old} -> {new}" for old, new in self.renamed.items() if new not in old.upper()]
        lines += _entry(f"renamed ({len(renamed)})", notable or [*renamed[:3], *["..."] * (len(renamed) > 3)])
        lines += _entry(f"dropped ({len(self.dropped)})", [list_by_reason(self.dropped)] if self.dropped else [])
        lines += _entry(f"bad ({len(self.bad)})", [list_by_reason(self.bad)] if self.bad else [])
        lines += _entry(f"interpolated ({len(self.interpolated)})", self.interpolated)
        missing = self.missing if len(self.missing) <= 20 else [*self.missing[:3], "..."]
        lines += _entry(f"missing ({len(self.missing)})", missing)
        lines += _entry("repaired samples", [f"{name}: {count}" for name, count in self.repaired.items()])
        lost = [str(Loss(**{**each, "channels": tuple(each["channels"])})) for each in self.no_signal]
        lines += _entry(f"no signal ({len(lost)})", lost if len(lost) <= 10 else [*lost[:10], "..."], separator="; ")
        lines += _entry("breaks in time", [self.pieces - 1] if self.pieces > 1 else [])
        lines += _entry("unit", [self.unit_rescaling] if self.unit_rescaling else [])
        lines += _entry("steps", self.steps, separator="; ")
        for label, amplitude in (("before", self.amplitude_uv), ("after", self.amplitude_after_uv)):
            values = [f"{name} {value:.3g} uV" for name, value in amplitude.items()]
            lines += _entry(f"amplitude {label}", values)
        lines += [f"  WARNING: {message}" for message in self.warnings]
        return "\n".join(lines)


def _entry(label: str, items: Iterable[Any], separator: str = ", ") -> list[str]:
    text = separator.join(str(item) for item in items)
    return [f"  {label}: {text}"] if text else []
