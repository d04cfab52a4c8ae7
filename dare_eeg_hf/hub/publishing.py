"""Put a run, a data set or the Space on the Hub: look first, refuse what must stay private, upload, check the upload.

    python -m dare_eeg_hf.hub.publishing runs/nano my-name/dare-eeg-nano --dry-run
    python -m dare_eeg_hf.hub.publishing runs/nano my-name/dare-eeg-nano --tag v1

Nothing is public unless asked for, and nothing but safetensors and Parquet goes up as data. If an upload broke off,
the same command continues it: files are known by their SHA-256 and not sent twice.
"""

import argparse
import importlib.metadata
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, RepoCard
from packaging.requirements import Requirement
from transformers.dynamic_module_utils import get_relative_import_files

from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.hub.cards import CURVE_NAME, FACTS_NAME, draw_training_curve, is_generated, render_model_card
from dare_eeg_hf.hub.command_arguments import add_publishing_arguments
from dare_eeg_hf.hub.transfer import PublishingError, explained, upload
from dare_eeg_hf.leaks import find_leaks
from dare_eeg_hf.metrics_log import FILE_NAME as METRICS_FILE

PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
SPACE_FOLDER = PACKAGE_FOLDER / "hub" / "space"

AUTO_MAP = {
    "AutoConfig": "configuration_dare_eeg.DareEegConfig",
    "AutoModel": "modeling_dare_eeg.DareEegModel",
    "AutoModelForPreTraining": "modeling_dare_eeg.DareEegForPreTraining",
    "AutoModelForSequenceClassification": "modeling_dare_eeg.DareEegForSequenceClassification",
}
CUSTOM_PIPELINES = {
    "eeg-classification": {
        "impl": "pipeline_dare_eeg.EegClassificationPipeline",
        "pt": ["AutoModelForSequenceClassification"],
        "default": None,
        "type": "multimodal",
    },
    "eeg-feature-extraction": {
        "impl": "pipeline_dare_eeg.EegFeatureExtractionPipeline",
        "pt": ["AutoModel"],
        "default": None,
        "type": "multimodal",
    },
}
FEATURE_EXTRACTOR_MAP = {"AutoFeatureExtractor": "feature_extraction_dare_eeg.DareEegFeatureExtractor"}

DISTRIBUTION = "dare-eeg-hf"
HANDLER_NEEDS = frozenset({"transformers", "mne", "scipy"})
"""What an Inference Endpoint has to install for handler.py; it brings torch itself."""

PICKLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npz", ".npy"})
DATASET_SUFFIXES = frozenset({".parquet", ".md", ".json", ".jsonl", ".csv", ".tsv", ".txt", ".png", ".html"})
SPACE_SUFFIXES = frozenset({".py", ".md", ".txt", ".css", ".html", ".png", ".edf", ".json"})

Files = dict[str, Path | bytes]


@dataclass(frozen=True)
class Publication:
    """What was, or with a dry run would be, uploaded."""

    repo_id: str
    repo_type: str
    private: bool
    sizes: dict[str, int]  # bytes of each file, by its path in the repository
    tag: str | None
    url: str | None  # None after a dry run
    commit: str | None

    def __str__(self) -> str:
        verb = "would be uploaded to" if self.commit is None else "uploaded to"
        width = max(len(path) for path in self.sizes)
        lines = [f"{path:<{width}}  {_readable(size):>10}" for path, size in sorted(self.sizes.items())]
        lines.append(f"{f'{len(self.sizes)} files':<{width}}  {_readable(sum(self.sizes.values())):>10}")
        visibility = "private" if self.private else "public"
        version = f" as {self.tag}" if self.tag else ""
        lines.append(f"{verb} the {visibility} {self.repo_type} repository {self.url or self.repo_id}{version}")
        return "\n".join(lines)


def publish_model(
    run_folder: Path | str,
    repo_id: str,
    *,
    tag: str | None = None,
    private: bool = True,
    dry_run: bool = False,
    api: HfApi | None = None,
) -> Publication:
    """Publish a checkpoint folder as a model repository that loads with and without this package.

    The remote code, `auto_map` for every head, the custom pipelines, `handler.py` and a card written from the run are
    added to what the folder holds; a card that its author has edited is kept (see `cards.GENERATED_MARK`). The folder
    itself is not changed. Optimizer states and other pickles in sub-folders stay where they are.

    Args:
        run_folder: folder with config.json, preprocessor_config.json and model*.safetensors.
        repo_id: `owner/name`; created when needed.
        tag: version under which this state can be loaded later, as `revision`.
        private: whether only the owner sees a repository that has to be created.
        dry_run: only say what would be uploaded; nothing is asked of or sent to the Hub.
        api: client of the Hub; by default one with the token of `hf auth login` or `HF_TOKEN`.

    Raises:
        PublishingError: a file is missing, is a pickle or gives something away; the Hub refuses; the upload broke off.
    """
    files = collect_model(Path(run_folder), repo_id)
    return _publish(files, repo_id, "model", tag=tag, private=private, dry_run=dry_run, api=api)


def publish_dataset(
    folder: Path | str,
    repo_id: str,
    *,
    tag: str | None = None,
    private: bool = True,
    dry_run: bool = False,
    api: HfApi | None = None,
) -> Publication:
    """Publish a built data set: Parquet files and their card. Arguments and errors are those of `publish_model`.

    Text columns are searched like text files, so a data set whose rows hold local paths is refused.
    """
    files = collect_folder(Path(folder), DATASET_SUFFIXES)
    if not any(name.endswith(".parquet") for name in files):
        raise PublishingError(f"{folder} has no Parquet file. Build the data set first (dataset_scripts/).")
    _require_card(files, folder, "license")
    return _publish(files, repo_id, "dataset", tag=tag, private=private, dry_run=dry_run, api=api)


def publish_space(
    repo_id: str,
    folder: Path | str = SPACE_FOLDER,
    *,
    model: str | None = None,
    tag: str | None = None,
    private: bool = True,
    dry_run: bool = False,
    api: HfApi | None = None,
) -> Publication:
    """Publish the Gradio Space, with this package's own source in it, so that it runs as it was tested here.

    Args:
        repo_id: `owner/name` of the Space.
        folder: folder with app.py and README.md.
        model: Hub id of the classifier that the Space serves; it can also be set on the Space's page later.
        tag, private, dry_run, api: as for `publish_model`, and so are the errors.
    """
    files = collect_folder(Path(folder), SPACE_SUFFIXES)
    if "app.py" not in files:
        raise PublishingError(f"{folder} has no app.py: it is not a Space.")
    _require_card(files, folder, "sdk")
    source = collect_folder(PACKAGE_FOLDER, SPACE_SUFFIXES, hidden=(".", "__pycache__"))
    files |= {f"{PACKAGE_FOLDER.name}/{name}": path for name, path in source.items()}
    files["requirements.txt"] = requirements(extra="demo")
    api = api or HfApi()
    publication = _publish(files, repo_id, "space", tag=tag, private=private, dry_run=dry_run, api=api)
    if model is not None and not dry_run:
        with explained(repo_id, PublishingError):
            api.add_space_variable(repo_id, "DARE_EEG_MODEL", model)
    return publication


def collect_model(run_folder: Path, repo_id: str) -> Files:
    """Everything a model repository consists of: paths of large files, contents of generated ones."""
    for name in ("config.json", "preprocessor_config.json"):
        if not (run_folder / name).is_file():
            raise PublishingError(f"{run_folder} has no {name}: give the checkpoint folder that a run has saved.")
    _refuse_pickles(run_folder.iterdir())
    weights = _weights(run_folder)
    card = run_folder / "README.md"
    own_card = card.is_file() and not is_generated(card)
    curve = draw_training_curve(run_folder)

    files: Files = {path.name: path for path in weights}
    files["config.json"] = as_json(hub_config(_read_json(run_folder / "config.json")))
    preprocessor_config = _read_json(run_folder / "preprocessor_config.json")
    files["preprocessor_config.json"] = as_json(hub_preprocessor_config(preprocessor_config))
    files["README.md"] = card if own_card else render_model_card(run_folder, repo_id=repo_id).encode()
    if curve is not None:
        files[CURVE_NAME] = curve
    files |= {name: run_folder / name for name in (METRICS_FILE, FACTS_NAME) if (run_folder / name).is_file()}
    files |= _images_of(card) if own_card else {}
    files |= remote_code()
    files["handler.py"] = (PACKAGE_FOLDER / "hub" / "handler.py").read_bytes()
    files["requirements.txt"] = requirements(only=HANDLER_NEEDS)
    return files


def _images_of(card: Path) -> Files:
    """The images beside a card that it shows."""
    named = re.findall(r"!\[[^\]]*\]\(([\w.-]+\.(?:png|jpg|svg))\)", card.read_text(encoding="utf-8"))
    return {name: card.parent / name for name in named if (card.parent / name).is_file()}


def remote_code() -> dict[str, bytes]:
    """The travelling files: the modules that `auto_map` and the pipelines name, and what they import of each other."""
    references = [*AUTO_MAP.values(), *FEATURE_EXTRACTOR_MAP.values(), *(p["impl"] for p in CUSTOM_PIPELINES.values())]
    paths = {PACKAGE_FOLDER / f"{reference.split('.')[0]}.py" for reference in references}
    paths |= {Path(found) for path in tuple(paths) for found in get_relative_import_files(path)}
    return {path.name: path.read_bytes() for path in sorted(paths)}


def requirements(*, only: frozenset[str] | None = None, extra: str = "") -> bytes:
    """A requirements.txt with what this package needs, of these names only or with an extra; bounds as installed."""
    needs = [Requirement(line) for line in importlib.metadata.requires(DISTRIBUTION)]
    needs = [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]
    return "".join(f"{need.name}{need.specifier}\n" for need in needs if only is None or need.name in only).encode()


def collect_folder(folder: Path, suffixes: frozenset[str], hidden: tuple[str, ...] = (".", "__")) -> Files:
    """Files of a folder that may be published, by their path in it.

    Files of other kinds, and whatever has a name or lies in a folder that begins with `hidden`, are left out.
    """
    if not folder.is_dir():
        raise PublishingError(f"There is no folder {folder}.")
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(hidden) for part in path.relative_to(folder).parts)
    ]
    _refuse_pickles(paths)
    for path in paths:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise PublishingError(f"{path} is a link to a file outside {folder}. Copy the file, or remove the link.")
    allowed = [path for path in paths if path.suffix in suffixes or path.name == "LICENSE"]
    return {path.relative_to(folder).as_posix(): path for path in allowed}


def hub_config(config: dict) -> dict:
    """The model's configuration with what lets Transformers find the code of every head and of the pipelines."""
    return {**config, "auto_map": AUTO_MAP, "custom_pipelines": CUSTOM_PIPELINES}


def hub_preprocessor_config(preprocessor_config: dict) -> dict:
    """The signal contract with what lets Transformers find the feature extractor's code."""
    return {**preprocessor_config, "auto_map": FEATURE_EXTRACTOR_MAP}


def _weights(run_folder: Path) -> list[Path]:
    """The safetensors file, or the index and exactly the shards it names."""
    single, index = run_folder / "model.safetensors", run_folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        raise PublishingError(f"{run_folder} has no model.safetensors: only safetensors weights are published.")
    shards = [run_folder / name for name in sorted(set(_read_json(index)["weight_map"].values()))]
    for shard in shards:
        if shard.parent != run_folder or not shard.is_file():
            raise PublishingError(f"{index} names {shard.name}, which is not in {run_folder}.")
    return [index, *shards]


def _refuse_pickles(paths) -> None:
    for path in paths:
        if path.suffix.lower() in PICKLE_SUFFIXES:
            raise PublishingError(
                f"{path} may be a pickle, which runs code when it is loaded. Take it out of the folder; reference "
                "checkpoints become safetensors with `python -m dare_eeg_hf.hub.convert`."
            )


def _require_card(files: Files, folder: Path | str, field: str) -> None:
    if "README.md" not in files:
        raise PublishingError(f"{folder} has no README.md: without a card nobody knows what it is or may do with it.")
    if not RepoCard.load(files["README.md"]).data.get(field):
        raise PublishingError(f"{files['README.md']} does not state `{field}` in its YAML head.")


def _publish(
    files: Files, repo_id: str, repo_type: str, *, tag: str | None, private: bool, dry_run: bool, api: HfApi | None
) -> Publication:
    leaks = [leak for name, content in sorted(files.items()) for leak in find_leaks(name, content)]
    if leaks:
        shown = "\n".join(f"  {leak}" for leak in leaks[:20])
        raise PublishingError(f"Not published, because {len(leaks)} places give something away:\n{shown}")
    sizes = {
        name: len(content) if isinstance(content, bytes) else content.stat().st_size for name, content in files.items()
    }
    url = commit = None
    if not dry_run:
        url, commit = upload(api or HfApi(), files, repo_id, repo_type, tag=tag, private=private)
    return Publication(repo_id, repo_type, private, sizes, tag, url, commit)


def _read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def as_json(data: dict) -> bytes:
    """A JSON file's content, the same for the same data."""
    return (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _readable(size: int) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def run(arguments: argparse.Namespace) -> int:
    """Publish what the folder holds; returns the exit status."""
    options = {"tag": arguments.tag, "private": not arguments.public, "dry_run": arguments.dry_run}
    try:
        if (arguments.folder / "app.py").is_file():
            publication = publish_space(arguments.repo_id, arguments.folder, model=arguments.model, **options)
        elif (arguments.folder / "config.json").is_file():
            publication = publish_model(arguments.folder, arguments.repo_id, **options)
        else:
            publication = publish_dataset(arguments.folder, arguments.repo_id, **options)
    except PublishingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(publication)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m dare_eeg_hf.hub.publishing`."""
    parser = CommandParser(
        prog="python -m dare_eeg_hf.hub.publishing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="The token is that of `hf auth login` or of the variable HF_TOKEN; it needs write access.",
    )
    add_publishing_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
