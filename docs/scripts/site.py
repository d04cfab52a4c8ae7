"""Pages that the site takes from elsewhere in the repository: texts, the command line, the reference, the figures.

MkDocs calls the `on_...` functions. A page made here is listed in mkdocs.yml like any other, so that one which is
missing there, or here, ends a strict build.
"""

import re
import sys
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))

import command_line  # noqa: E402
import gallery  # noqa: E402
import reference  # noqa: E402

TEXTS = {
    "guides/method.md": "dare_eeg_hf/METHOD.md",
    "guides/corpora.md": "dataset_scripts/README.md",
    "guides/pretraining-settings.md": "examples/configs/README.md",
    "guides/slurm.md": "examples/slurm/README.md",
    "project/contributing.md": "CONTRIBUTING.md",
    "project/changelog.md": "CHANGELOG.md",
}
"""Page of the site -> the text of the repository that it shows."""

IMAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "model_cards").glob("*/*.png"))
"""Images of the repository that pages may show."""

LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and images that are not in `docs/`."""
    for page, text in TEXTS.items():
        files.append(File.generated(config, page, content=(ROOT / text).read_text(encoding="utf-8")))
    for image in IMAGES:
        files.append(File.generated(config, image, abs_src_path=str(ROOT / image)))
    pages = [("gallery.md", gallery.page()), ("reference/command-line.md", command_line.page()), *reference.pages()]
    for page, text in pages:
        files.append(File.generated(config, page, content=text))
    for figure in sorted(drawn_figures().glob("*.png")):
        files.append(File.generated(config, f"figures/{figure.name}", abs_src_path=str(figure)))
    return files


def drawn_figures() -> Path:
    """The folder of the gallery's figures, drawn anew where the code that draws them has changed."""
    folder = ROOT / "build" / "figures"
    code = [Path(gallery.__file__), *(ROOT / "dare_eeg_hf").rglob("*.py")]
    drawn = [folder / f"{figure.__name__}.png" for figure in gallery.FIGURES]
    if not all(path.is_file() for path in drawn) or oldest(drawn) < max(path.stat().st_mtime for path in code):
        gallery.draw(folder)
    return folder


def oldest(paths: list[Path]) -> float:
    """When the first of some files was written."""
    return min(path.stat().st_mtime for path in paths)


def on_page_markdown(markdown: str, page: Page, files: Files, **_: object) -> str:
    """Turn links to files of the repository into links to their pages; where they have none, leave the name."""
    source = TEXTS.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    here = PurePosixPath(page.file.src_uri).parent

    def rewritten(link: re.Match) -> str:
        target = link["target"]
        if ":" in target:
            return link[0]
        path = (ROOT / source).parent.joinpath(target).resolve()
        if not path.is_relative_to(ROOT) or not path.exists():
            return link[0]  # MkDocs knows it, or says that it is broken
        found = path.relative_to(ROOT).as_posix()
        uri = next((uri for uri, text in TEXTS.items() if text == found), found.removeprefix("docs/"))
        if uri in files.src_uris:
            up = "../" * len(here.parts)
            return f"{link['image']}[{link['text']}]({up}{uri}{link['anchor'] or ''})"
        return link["text"]

    blocks = [match.span() for match in CODE.finditer(markdown)]
    pieces, end = [], 0
    for start, stop in blocks:
        pieces += [LINK.sub(rewritten, markdown[end:start]), markdown[start:stop]]
        end = stop
    return "".join([*pieces, LINK.sub(rewritten, markdown[end:])])
