"""Model cards: the README.md of a checkpoint folder, written from what the folder holds and what the run knows.

Facts that only the run knows (data, licence, seeds, evaluation) are kept in `model_card.json` beside the card, so a
later call, after an evaluation or when publishing, adds to them and writes the card again without losing any.
"""

import html
import json
import math
import os
import re
import sys
from collections import Counter
from pathlib import Path

import jinja2
import torch
from huggingface_hub import EvalResult, ModelCardData
from safetensors import safe_open

from dare_eeg_hf import modeling_dare_eeg
from dare_eeg_hf.atomic_files import write_bytes, write_text
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.configuration_dare_eeg import PRESETS, DareEegConfig
from dare_eeg_hf.corpora.people import are_known, statement
from dare_eeg_hf.file_digest import file_digest
from dare_eeg_hf.metrics_log import FILE_NAME as METRICS_FILE
from dare_eeg_hf.metrics_log import best_validation, read_metrics
from dare_eeg_hf.visualization import plot_loss_curves, png_of

FACTS_NAME = "model_card.json"
CURVE_NAME = "training_curve.png"
ONE_SPLIT = "one split, not a result"
CARD_FILES = ("README.md", CURVE_NAME, FACTS_NAME)
GENERATED_MARK = "<!-- Written by dare_eeg_hf. Remove this line to keep your own edits when publishing. -->"

SIZE_FIELDS = tuple(PRESETS["nano"])
SIGNAL_CONTRACT = tuple(
    "sampling_rate unit reference average_from highpass lowpass notch window_size patch_size".split()
)

# Balanced accuracies given by the paper (METHOD.md, "Downstream tasks"). They belong to weights that are not these.
REPORTED_BY_PAPER = {
    "base": (("TUAB", "balanced accuracy", 0.8145), ("TUEV, size not stated", "balanced accuracy", 0.6561)),
    "deep": (("TUAB", "balanced accuracy", 0.8156), ("TUEV, size not stated", "balanced accuracy", 0.6561)),
}


def write_model_card(
    folder: Path | str, *, run: dict | None = None, evaluation: list[dict] | None = None, repo_id: str | None = None
) -> Path:
    """Write `README.md` (and the training curve) into a checkpoint folder and return its path.

    What the folder holds is read from there: config.json, preprocessor_config.json, the tensor shapes of the
    safetensors files, and metrics.jsonl (rows with `step`, `split`, `loss`, ...).

    Args:
        folder: a checkpoint folder with at least config.json.
        run: what only the run knows; every key is optional:
            `name`, `license` (SPDX identifier in lower case, of the weights), `base_model` (Hub id),
            `corpora` (list of dicts with `name` and optionally `license`, `url`, `dataset_id`, `subjects`,
            `recordings`, `windows`, `hours`), `command`, `arguments` (dict; of absolute paths only the last name is
            kept), `versions` (dict), `hardware`, `duration`.
        evaluation: measured results, dicts with `dataset`, `metric`, `value` and optionally `dataset_id`, `split`,
            `mode`, `std`, `seeds`, `command`. They become the table of the card and its model-index.
        repo_id: where it will be published; used in the examples.

    Raises:
        FileNotFoundError: there is no config.json.
        ValueError: a result lacks `dataset`, `metric` or `value`.
    """
    folder = Path(folder)
    facts = remember_facts(folder, run, evaluation)
    curve = draw_training_curve(folder)
    if curve is not None:
        write_bytes(folder / CURVE_NAME, curve)
    if facts["run"] or facts["evaluation"]:
        write_text(folder / FACTS_NAME, json.dumps(facts, indent=2, default=str) + "\n")
    return write_text(folder / "README.md", render_model_card(folder, facts, repo_id=repo_id))


def write_run_card(folder: Path, facts: dict) -> list[Path]:
    """Write the card of the model that a pre-training has just left in a folder: `write_card` of `pretrain`.

    Args:
        folder: the run's folder.
        facts: what only the run knows, as `run` of `write_model_card`.

    Returns:
        The files of the card.
    """
    write_model_card(folder, run=facts)
    return [folder / name for name in CARD_FILES if (folder / name).is_file()]


def render_model_card(folder: Path, facts: dict | None = None, *, repo_id: str | None = None) -> str:
    """Return the card's text; `facts` defaults to those kept in the folder. Arguments as for `write_model_card`."""
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} has no config.json: a model card describes a checkpoint folder.")
    facts = facts or remember_facts(folder)
    run, evaluation = facts["run"], facts["evaluation"]
    config = DareEegConfig.from_pretrained(folder)
    preset = preset_of(config)
    name = run.get("name") or (repo_id or f"dare-eeg-{preset or 'custom'}").split("/")[-1]
    return _template("model_card.md").render(
        metadata=_metadata(name, run, evaluation).to_yaml(),
        mark=GENERATED_MARK,
        name=name,
        repo_id=repo_id or f"ORGANISATION/{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-')}",
        preset=preset,
        config=config,
        sizes={field: getattr(config, field) for field in SIZE_FIELDS},
        head=(config.architectures or ["DareEegModel"])[0],
        labels=[config.id2label[i] for i in sorted(config.id2label)],
        parameters=count_parameters(folder, config),
        has_weights=has_weights(folder),
        contract=_signal_contract(folder),
        run=run,
        evaluation=evaluation,
        one_split=any(result.get("one_split") for result in evaluation),
        losses=_losses(folder / METRICS_FILE),
        curve=CURVE_NAME if _read_losses(folder / METRICS_FILE) else None,
        reported=REPORTED_BY_PAPER.get(preset, ()),
    )


def remember_facts(folder: Path, run: dict | None = None, evaluation: list[dict] | None = None) -> dict:
    """Merge the given facts with those of earlier calls, which are kept beside the card."""
    path = folder / FACTS_NAME
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    weights = file_digest(*sorted(folder.glob("*.safetensors")))
    if kept.get("weights") != weights:
        # Training and results of weights that have been replaced since then do not describe these.
        kept = {"run": {key: kept["run"][key] for key in ("name", "license") if key in kept.get("run", {})}}
    run = {**_finetuning_facts(folder), **kept.get("run", {}), **(run or {})}
    if evaluation is None:
        evaluation = kept.get("evaluation") or _test_results(folder)
    for result in evaluation:
        missing = {"dataset", "metric", "value"} - result.keys()
        if missing:
            raise ValueError(f"An evaluation result lacks {', '.join(sorted(missing))}: {result}")
    if "arguments" in run:
        run["arguments"] = {key: _last_name_of_path(value) for key, value in run["arguments"].items()}
    return {"run": run, "evaluation": evaluation, "weights": weights}


def _finetuning_facts(folder: Path) -> dict:
    """What fine-tuning has left beside the weights. Subjects are only counted: their names stay private."""
    path = folder / "finetuning.json"
    if not path.is_file():
        return {}
    facts = json.loads(path.read_text(encoding="utf-8"))
    corpus = {"name": "fine-tuning data, not named"}
    corpus |= {"subjects": len(facts["training_subjects"]), "windows": facts["training_windows"]}
    if source := facts.get("subject_source"):
        corpus |= {"people": statement(source)} | ({} if are_known(source) else {"subjects": "not known"})
    run = {"arguments": facts["arguments"], "corpora": [corpus]}
    if checkpoint := facts.get("checkpoint"):
        run["arguments"] = {"checkpoint": checkpoint, **run["arguments"]}
        if "/" in checkpoint:  # a folder is given by its last name only: this is a Hub id
            run["base_model"] = checkpoint
    return run


def _test_results(folder: Path) -> list[dict]:
    """What fine-tuning has measured on the subjects, or files, that it held out."""
    path = folder / "test_results.json"
    if not path.is_file():
        return []
    measured = json.loads(path.read_text(encoding="utf-8"))
    row = {"dataset": "Fine-tuning data, not named", "dataset_id": "unnamed"}
    row |= {"split": measured.get("split", ONE_SPLIT), "one_split": measured.get("one_split", True)}
    names = ("balanced_accuracy", "cohen_kappa", "auroc")
    return [
        row | {"metric": name, "value": round(measured[name], 4)} for name in names if measured.get(name) is not None
    ]


def results_of_benchmark(results: Path, folder: Path) -> list[dict]:
    """Rows for the card's evaluation table from a benchmark's results.json.

    Only what was measured with the weights of this folder on tasks of the benchmark is taken.

    Raises:
        ValueError: nothing in the file was measured with these weights on such a task.
    """
    from dare_eeg_hf.checkpoints import digest_of_weights
    from dare_eeg_hf.evaluation.benchmark_report import group_cells, summarize
    from dare_eeg_hf.evaluation.tasks import TASKS

    digest = digest_of_weights(folder)
    records = json.loads(results.read_text(encoding="utf-8"))
    # On data of one's own the benchmark runs too, but no reader of a card could look them up.
    own = [record for record in records if record["inputs"]["weights"] == digest and record["inputs"]["task"] in TASKS]
    if not own:
        raise ValueError(f"Nothing in {results} was measured with the weights in {folder}: run the benchmark on them.")
    rows = []
    for (task, _, mode), cells in group_cells(own).items():
        summary = summarize(cells)
        for metric in ("balanced_accuracy", "cohen_kappa", "auroc"):
            value, spread = summary[metric]
            if value is not None:
                row = {"dataset": TASKS[task].title, "dataset_id": task, "split": TASKS[task].protocol, "mode": mode}
                rows.append(row | {"metric": metric, "value": round(value, 4), "seeds": len(summary["seeds"])})
                if spread is not None:
                    rows[-1]["std"] = round(spread, 4)
    return rows


def preset_of(config: DareEegConfig) -> str | None:
    """Name of the preset whose sizes the configuration has, or None."""
    sizes = {field: getattr(config, field) for field in SIZE_FIELDS}
    return next((name for name, preset in PRESETS.items() if preset == sizes), None)


def has_weights(folder: Path) -> bool:
    """Whether there is a safetensors file in the folder."""
    return any(folder.glob("*.safetensors"))


def is_generated(card: Path) -> bool:
    """Whether a card is still the generated one, and not edited by its author."""
    return GENERATED_MARK in card.read_text(encoding="utf-8")


def count_parameters(folder: Path, config: DareEegConfig) -> dict[str, int]:
    """Number of parameters of each part of the checkpoint, read from the headers of its safetensors files.

    Without weights they are counted on the model that the configuration describes, built without memory.
    """
    parts = Counter()
    parameters = {name: parameter.numel() for name, parameter in _model_without_memory(config).named_parameters()}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as tensors:
            # Buffers, such as the probe's standardisation, are stored too.
            for key in sorted(parameters.keys() & set(tensors.keys())):
                parts[key.split(".")[0]] += math.prod(tensors.get_slice(key).get_shape())
    if not parts:
        for key, size in parameters.items():
            parts[key.split(".")[0]] += size
    return dict(parts)


def _model_without_memory(config: DareEegConfig) -> modeling_dare_eeg.DareEegPreTrainedModel:
    architecture = (config.architectures or ["DareEegForPreTraining"])[0]
    with torch.device("meta"):
        return getattr(modeling_dare_eeg, architecture)(config)


def _last_name_of_path(value):
    """Without the paths of the author's machine, which a card must not reveal."""
    if isinstance(value, Path) or (isinstance(value, str) and os.path.isabs(value)):
        return Path(value).name
    if isinstance(value, (list, tuple)):
        return [_last_name_of_path(item) for item in value]
    return value


def _metadata(name: str, run: dict, evaluation: list[dict]) -> ModelCardData:
    """The YAML head of the card; huggingface_hub builds and checks the model-index."""
    results = [
        EvalResult(
            task_type="feature-extraction",
            task_name="EEG classification",
            dataset_type=result.get("dataset_id") or result["dataset"].lower().replace(" ", "-"),
            dataset_name=result["dataset"],
            dataset_split=result.get("split"),
            metric_type=result["metric"].lower().replace(" ", "_"),
            metric_name=result["metric"].replace("_", " "),
            metric_value=result["value"],
        )
        for result in evaluation
        if not result.get("one_split")
    ]
    datasets = [corpus["dataset_id"] for corpus in run.get("corpora", []) if corpus.get("dataset_id")]
    return ModelCardData(
        library_name="transformers",
        # The classifier would otherwise be taken for a text classifier; no task of the Hub is about EEG.
        pipeline_tag="feature-extraction",
        license=run.get("license", "apache-2.0"),
        base_model=run.get("base_model"),
        datasets=datasets or None,
        tags=["eeg", "electroencephalography", "dare-eeg", "foundation-model", "self-supervised-learning"],
        metrics=sorted({result["metric"].lower().replace(" ", "_") for result in evaluation}) or None,
        model_name=name if results else None,
        eval_results=results or None,
    )


def _signal_contract(folder: Path) -> dict | None:
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return None
    preprocessor = json.loads(path.read_text(encoding="utf-8"))
    return {key: preprocessor[key] for key in SIGNAL_CONTRACT if key in preprocessor}


def _losses(path: Path) -> dict | None:
    """The last training record and the best validation record of metrics.jsonl."""
    rows = _read_losses(path)
    training = [row for row in rows if row.get("split") == "train"]
    validation = best_validation(rows)
    if not training and validation is None:
        return None
    return {"training": training[-1] if training else None, "validation": validation}


def _read_losses(path: Path) -> list[dict]:
    """The records of metrics.jsonl that have a loss. A loss that was NaN or infinite is null there."""
    if not path.is_file():
        return []
    return [row for row in read_metrics(path) if row.get("loss") is not None]


def draw_training_curve(folder: Path) -> bytes | None:
    """PNG of the losses in metrics.jsonl, or None where there are none."""
    rows = _read_losses(folder / METRICS_FILE)
    if not rows:
        return None
    return png_of(plot_loss_curves(rows))


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown; free text goes through the filter `plain`
    )
    environment.filters["plain"] = _plain
    return environment.get_template(name)


def _plain(value) -> str:
    """Free text made harmless in a Markdown table: no HTML, no cell or line breaks."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("`", "'")


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m dare_eeg_hf.hub.cards`."""
    parser = CommandParser(
        description="Write the model card of a checkpoint folder again, with the results of a benchmark."
    )
    parser.add_argument("folder", type=Path, help="checkpoint folder, as pre-training or fine-tuning leaves it")
    parser.add_argument("--results", type=Path, help="results.json of a benchmark of these weights")
    parser.add_argument("--repo-id", help="owner/name for the card's examples")
    arguments = parser.parse_args(argv)
    try:
        evaluation = results_of_benchmark(arguments.results, arguments.folder) if arguments.results else None
        print(write_model_card(arguments.folder, evaluation=evaluation, repo_id=arguments.repo_id))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
