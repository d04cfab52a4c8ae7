"""Self-contained pages: everything given is escaped, figures lie inside."""

import base64
import re

from matplotlib.figure import Figure

from dare_eeg_hf.html_page import HtmlPage


def test_text_is_escaped_wherever_it_stands():
    bad = "<script>alert('x')</script> & \"quotes\""
    page = HtmlPage(bad).heading(bad).paragraph(bad).paragraph(bad, "warning").folded(bad, [bad])
    html = page.table([bad], [[bad]], caption=bad).figure(Figure(), alt=bad, caption=bad).html()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 12  # the title stands twice


def test_tables_set_numbers_to_the_right_and_leave_gaps_empty():
    html = HtmlPage("t").table(["a", "b", "c", "d"], [[1, 0.12345, None, True]]).html()
    assert '<td class="number">1</td><td class="number">0.123</td><td></td><td>True</td>' in html


def test_figures_lie_in_the_page_as_pictures():
    figure = Figure()
    figure.subplots().plot([1, 2])
    html = HtmlPage("t").figure(figure, alt="a line").html()
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert base64.b64decode(data).startswith(b"\x89PNG")
    assert "http" not in html


def test_written_page_is_what_html_gives(tmp_path):
    page = HtmlPage("title").paragraph("text")
    assert page.write(tmp_path / "folder" / "page.html").read_text(encoding="utf-8") == page.html()
