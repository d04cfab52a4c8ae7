"""From recordings to training windows: nothing of a subject on both sides, and what cannot be trained on is named."""

import re
import shutil

import pytest
from datasets import concatenate_datasets

from dare_eeg_hf import DareEegConfig
from dare_eeg_hf.corpora.loading import load_windows
from dare_eeg_hf.pretraining import run as pretraining
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.checkpointing import PretrainingError
from dare_eeg_hf.pretraining.data import (
    check_trainable,
    content_digest,
    describe,
    is_prepared,
    open_validation_windows,
    open_windows,
    prepare_windows,
    source_of_subjects,
    split_by_subject,
)
from dare_eeg_hf.pretraining.run import pretrain

FRONTAL = ("AF7", "AF8")


def test_validation_subjects_are_never_trained_on(recordings, tmp_path):
    train, none = open_windows(prepare_windows(recordings, tmp_path / "windows"))
    assert none is None
    assert is_prepared(tmp_path / "windows")
    assert not is_prepared(recordings)
    kept, held_out = split_by_subject(train, 0.3)
    assert set(kept["subject"]) | set(held_out["subject"]) == {"S001", "S002", "S003"}
    assert not set(kept["subject"]) & set(held_out["subject"])
    assert len(kept) + len(held_out) == len(train)
    again = split_by_subject(train, 0.3)[1]
    assert set(again["subject"]) == set(held_out["subject"])

    alone = train.filter(lambda subject: subject == "S001", input_columns="subject")
    kept, held_out = split_by_subject(alone, 0.3)
    assert len(set(kept["recording"])) == len(set(held_out["recording"])) == 1
    assert not set(kept["recording"]) & set(held_out["recording"])

    single = alone.filter(lambda name: name.endswith("R01.edf"), input_columns="recording")
    assert split_by_subject(single, 0.3)[1] is None
    assert split_by_subject(train, 0)[1] is None
    with pytest.raises(ValueError, match="validation_fraction"):
        split_by_subject(train, 1.5)
    [facts] = describe([train])
    assert (facts["subjects"], facts["recordings"], facts["windows"]) == (3, 6, len(train))
    assert facts["hours"] == round(len(train) * 4 / 3600, 2)


def test_validation_is_on_other_people_where_names_tell_them_and_not_said_to_be_where_they_do_not(
    recordings, tmp_path, tiny_config, example, caplog
):
    for name in ("flat", "unknown"):
        (tmp_path / name).mkdir()
    for number, path in enumerate(sorted(recordings.rglob("*.edf"))):
        (tmp_path / "flat" / path.name).symlink_to(path)
        (tmp_path / "unknown" / f"rec{number:02d}.edf").symlink_to(path)
    train, _ = open_windows(prepare_windows(tmp_path / "flat", tmp_path / "flat_windows"))
    kept, held_out = split_by_subject(train, 0.3)
    assert (set(kept["subject"]) | set(held_out["subject"])) == {"S001", "S002", "S003"}
    assert not set(kept["subject"]) & set(held_out["subject"])
    assert describe([train])[0]["subjects"] == 3

    train, _ = open_windows(prepare_windows(tmp_path / "unknown", tmp_path / "unknown_windows"))
    assert source_of_subjects(train) == "file"
    assert describe([train])[0]["subjects"] == "not known"
    kept, held_out = split_by_subject(train, 0.3, subject_pattern=r"(rec)")
    assert set(kept["recording"]).isdisjoint(held_out["recording"])  # one person: recordings are held out

    sizes = {**tiny_config, "patch_size": 64, "window_size": 1024}
    command = ["--data", str(tmp_path / "unknown"), "--set", *(f"{name}={value}" for name, value in sizes.items())]
    command += ["--epochs", "1", "--batch-size", "4", "--validation-fraction", "0.3", "--trackers", "--cpu"]
    assert example.main([*command, "--output", str(tmp_path / "run")]) == 0
    assert "each file was counted as a separate person" in caplog.text
    assert "each file was counted as a separate person" in (tmp_path / "run" / "README.md").read_text()

    caplog.clear()
    pattern = ["--subject-pattern", r"rec(0[01]|0[23]|0[45])"]
    assert example.main([*command, *pattern, "--output", str(tmp_path / "told")]) == 0
    assert "each file was counted as a separate person" not in caplog.text
    windows = load_windows(tmp_path / "told" / "windows" / "unknown")
    assert set(windows["subject_source"]) == {"pattern"}


def test_windows_without_a_subject_are_named(windows):
    rows = windows(4).map(lambda row, index: {"subject": None if index == 2 else row["subject"]}, with_indices=True)
    with pytest.raises(ValueError, match=r"subject of 1 of 4 windows is missing: rows 2"):
        split_by_subject(rows, 0.3)


def test_spellings_of_a_subject_stay_together(windows):
    names = ["a", "A ", "b", "c"]
    rows = windows(4).map(lambda row, index: {"subject": names[index]}, with_indices=True)
    for seed in range(5):
        kept, held_out = split_by_subject(rows, 0.5, seed)
        folded = [{name.strip().lower() for name in part["subject"]} for part in (kept, held_out)]
        assert not folded[0] & folded[1]


def test_a_subject_with_most_of_the_windows_stays_in_training(recordings, tmp_path):
    train, _ = open_windows(prepare_windows(recordings, tmp_path / "windows"))
    rows = {
        name: [row for row, subject in enumerate(train["subject"]) if subject == name] for name in ("S001", "S002")
    }
    uneven = train.select([*rows["S001"], *rows["S002"][:1]])
    for seed in range(8):
        kept, held_out = split_by_subject(uneven, 0.1, seed=seed)
        assert (set(kept["subject"]), set(held_out["subject"])) == ({"S001"}, {"S002"})


def test_a_digest_tells_data_apart_and_not_where_they_lie(windows_folder, windows, tmp_path):
    data = windows(12)
    digest = content_digest(data)
    copy = shutil.copytree(windows_folder(12), tmp_path / "copy")
    assert content_digest(open_windows(copy)[0]) == digest
    assert content_digest(data.select(range(12))) == digest
    others = [
        windows(12, seed=1),
        data.select(range(11)),
        data.select([1, 0, *range(2, 12)]),
        data.map(lambda row: {"signal": bytes(len(row["signal"]))}),
    ]
    assert len({digest, *map(content_digest, others)}) == 5


def test_a_path_that_is_nothing_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither a folder"):
        open_windows(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no EEG recordings"):
        prepare_windows(tmp_path / "empty", tmp_path / "windows")


def with_splits(folder, windows_folder, **seeds):
    """A data set with a split of six windows for each name; the seed tells them apart (subject `subject SEED`)."""
    folder.mkdir()
    for name, seed in seeds.items():
        shutil.copy(windows_folder(6, seed) / "train.parquet", folder / f"{name}-00000-of-00001.parquet")
    return folder


@pytest.mark.parametrize("names", [["test"], ["validation"], ["validation", "test"]], ids=", ".join)
def test_windows_that_are_not_for_training_are_not_trained_on(names, windows_folder, tmp_path):
    source = with_splits(tmp_path / "windows", windows_folder, **dict.fromkeys(names, 0))
    with pytest.raises(ValueError, match=f"no split called train, only {', '.join(names)}"):
        open_windows(source)


def test_windows_for_validation_are_their_validation_split_or_their_only_one(windows_folder, tmp_path):
    def subjects(name, **seeds):
        return set(open_validation_windows(with_splits(tmp_path / name, windows_folder, **seeds))["subject"])

    assert subjects("both", train=0, validation=1) == {"subject 1"}
    assert subjects("train alone", train=0) == {"subject 0"}
    assert subjects("test alone", test=2) == {"subject 2"}
    with pytest.raises(ValueError, match="has the splits train, test and none called validation"):
        subjects("unclear", train=0, test=2)


def test_example_validates_on_the_validation_split_of_the_data_given(
    windows_folder, tmp_path, tiny_config, example, monkeypatch
):
    train = with_splits(tmp_path / "train", windows_folder, train=0, validation=1)
    other = with_splits(tmp_path / "other", windows_folder, train=2, validation=3)
    used = []

    def remember(_, train_datasets, validation_datasets, *__, **___):
        used.extend(set(windows["subject"]) for windows in [*train_datasets, *validation_datasets])
        raise PretrainingError("far enough")

    monkeypatch.setattr(example, "pretrain", remember)
    command = ["--data", str(train), "--validation-data", str(other), "--output", str(tmp_path / "run"), "--cpu"]
    assert example.main(command) == 1
    assert used == [{"subject 0"}, {"subject 3"}]


@pytest.fixture
def arguments(common_arguments):
    defaults = {"max_steps": 2, "invariance_windows": 0}
    return lambda **changes: PretrainingArguments(**{**common_arguments, **defaults, **changes})


@pytest.fixture
def started(monkeypatch):
    """Steps that were begun."""
    steps, advance = [], pretraining.advance
    monkeypatch.setattr(pretraining, "advance", lambda run, batches: (steps.append(1), advance(run, batches)))
    return steps


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("where", ["training", "a mixture", "validation"])
def test_a_montage_outside_that_of_pretraining_is_named_before_training(
    arguments, windows, started, tiny_config, where, streamed
):
    outside = windows(8, seed=1, channels=FRONTAL)
    outside = outside.to_iterable_dataset() if streamed else outside
    data = {"training": ([outside], None), "a mixture": ([windows(8), outside], None)}.get(
        where, ([windows(8)], outside)
    )
    with pytest.raises(
        ValueError, match=r"corpus noise \(the first in recording 1\) .*AF7, AF8.*names=all"
    ) as refusal:
        pretrain(arguments(), *data)
    assert not started
    # What the message offers is what helps.
    [setting] = re.findall(r"--set (\S+=all)", str(refusal.value))
    name, value = setting.split("=")
    assert pretrain(arguments(config={**tiny_config, name: value}), *data).step == 2


def test_channels_that_are_left_out_are_told_once(arguments, windows, tiny_config, capsys):
    data = windows(8, channels=("C3", "CZ", *FRONTAL))
    pretrain(arguments(), data)
    assert capsys.readouterr().out.count("noise: its channels AF7, AF8 are not in the pre-training montage") == 1
    whole = {**tiny_config, "pretraining_channel_names": "all"}
    pretrain(arguments(output_dir=arguments().output_dir / "all", config=whole), data)
    assert "left out" not in capsys.readouterr().out


@pytest.mark.parametrize("scope", ["batch", "sample"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_window_of_one_patch_and_one_channel_is_named_before_training(
    arguments, windows, started, tiny_config, scope, streamed
):
    small = windows(8, seed=4, channels=("OZ",))
    config = {**tiny_config, "masking": {"scope": scope}, "patch_size": 128}
    data = [windows(8), small.to_iterable_dataset() if streamed else small]
    with pytest.raises(
        ValueError, match=r"corpus noise \(the first in recording 4\) \(channels OZ\): .*two patches.*longer windows"
    ):
        pretrain(arguments(config=config), data)
    with pytest.raises(ValueError, match=r"recording 4.*two patches.* Raise crop_patches"):
        pretrain(arguments(config={**tiny_config, "masking": {"scope": scope}}, crop_patches=1), data)
    assert not started
    assert pretrain(arguments(config={**tiny_config, "masking": {"scope": scope}}, crop_patches=2), data).step == 2


def test_windows_of_another_rate_or_of_unknown_channels_are_named(windows, tiny_config):
    with pytest.raises(
        ValueError, match=r"corpus noise \(the first in recording 0\) are stored at 256 Hz.* works at 200 Hz"
    ):
        check_trainable([windows(8)], DareEegConfig(**tiny_config, sampling_rate=200))
    few = DareEegConfig(**tiny_config, channel_names=["C3", "C4"])
    with pytest.raises(ValueError, match=r"recording 2\) have channels outside the model's vocabulary: OZ"):
        check_trainable([windows(8, channels=("C3",)), windows(8, seed=2, channels=("C4", "OZ"))], few)


def test_every_montage_of_a_data_set_is_looked_at_and_a_selection_only_for_its_own_rows(windows, tiny_config):
    mixed = concatenate_datasets([windows(8), windows(8, seed=1, channels=FRONTAL)])
    config = DareEegConfig(**tiny_config)
    with pytest.raises(ValueError, match=r"8 windows of the corpus noise \(the first in recording 1\)"):
        check_trainable([mixed.shuffle(seed=0)], config)
    assert check_trainable([mixed.select(range(8))], config) == []
    assert check_trainable([mixed.select([])], config) == []
