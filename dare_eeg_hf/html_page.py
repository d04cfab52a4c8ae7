"""One self-contained HTML page of text, tables and figures: no other file, no script and no network are needed."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import jinja2
from markupsafe import Markup, escape

from dare_eeg_hf.atomic_files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class HtmlPage:
    """A page that is filled from top to bottom; everything given is text and is escaped.

    ```python
    page = HtmlPage("Eyes open or closed").paragraph("Twenty people, two minutes each.")
    page.table(["model", "balanced accuracy"], [["band power", 0.71]]).figure(figure, alt="Spectra")
    page.write("results.html")
    ```
    """

    def __init__(self, title: str):
        self.title = title
        self._blocks: list[Markup] = []

    def heading(self, text: str) -> HtmlPage:
        """Begin a section."""
        return self._add("<h2>{}</h2>", text)

    def paragraph(self, text: str, kind: Literal["plain", "note", "warning"] = "plain") -> HtmlPage:
        """Add a paragraph: plain, a note in small grey letters, or a warning with a bar."""
        return self._add("<p>{}</p>", text) if kind == "plain" else self._add('<p class="{}">{}</p>', kind, text)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> HtmlPage:
        """Add a table; numbers are set to the right, floats with three decimals."""
        top = Markup().join(Markup("<th>{}</th>").format(name) for name in header)
        body = Markup().join(Markup("<tr>{}</tr>\n").format(Markup().join(map(_cell, row))) for row in rows)
        below = Markup("<caption>{}</caption>").format(caption) if caption else ""
        return self._add('<div class="wide"><table>{}\n<tr>{}</tr>\n{}</table></div>', below, top, body)

    def figure(self, figure: Figure, alt: str, caption: str = "", dpi: int = 110) -> HtmlPage:
        """Add a figure; `alt` says what it shows to those who cannot see it."""
        from dare_eeg_hf.visualization.style import png_of  # matplotlib, which a page of text does not need

        image = "data:image/png;base64," + base64.b64encode(png_of(figure, dpi=dpi)).decode()
        below = Markup("<figcaption>{}</figcaption>").format(caption) if caption else ""
        return self._add('<figure><img src="{}" alt="{}">{}</figure>', image, alt, below)

    def folded(self, summary: str, lines: Iterable[str]) -> HtmlPage:
        """Add a list that is closed until one clicks on its summary."""
        items = Markup().join(Markup("<li>{}</li>").format(line) for line in lines)
        return self._add("<details><summary>{}</summary><ul>{}</ul></details>", summary, items)

    def html(self) -> str:
        """The whole page."""
        return _template().render(title=self.title, blocks=self._blocks)

    def write(self, path: str | Path) -> Path:
        """Write the page, whole or not at all, in a folder that is made where it is missing; returns its path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_text(path, self.html())

    def _add(self, frame: str, *parts: object) -> HtmlPage:
        self._blocks.append(Markup(frame).format(*parts))
        return self


def _cell(value: object) -> Markup:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Markup('<td class="number">{}</td>').format(f"{value:.3f}" if isinstance(value, float) else value)
    return Markup("<td>{}</td>").format(escape("" if value is None else value))


@cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined).get_template(
        "html_page.html"
    )
