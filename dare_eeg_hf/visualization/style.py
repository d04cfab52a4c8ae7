"""What all figures share: colours, lettering, the unit of time, and how a figure becomes a picture."""

import functools
import io
from collections.abc import Callable

import matplotlib
from matplotlib.figure import Figure

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MUTED = "#6E6E6E"

STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "legend.frameon": False,
    "savefig.facecolor": "white",
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Run a drawing function under the project's style without touching the user's own settings."""

    @functools.wraps(draw)
    def wrapper(*args, **kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapper


def time_unit(last_second: float) -> tuple[float, str]:
    """Return (seconds per unit, axis label): a night is read in hours, a trial in seconds."""
    if last_second <= 180:
        return 1.0, "Time (s)"
    if last_second <= 3 * 3600:
        return 60.0, "Time (min)"
    return 3600.0, "Time (h)"


def png_of(figure: Figure, dpi: int = 120) -> bytes:
    """The figure as a PNG file."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=dpi)
    return image.getvalue()
