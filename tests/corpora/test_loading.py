"""The order of windows: each comes once, in an order that workers, processes and resuming do not change."""

import numpy as np
import pytest
import torch
from datasets import Dataset, concatenate_datasets

from dare_eeg_hf.corpora.loading import WindowCollator, batch_plan, load_windows, training_dataloader
from tests.corpora.numbered_windows import FOUR, THREE, make


def numbers(loader):
    """Which windows the batches hold."""
    return [batch["input_values"][:, 0, 0].int().tolist() for batch in loader]


def flat(batches):
    return [number for batch in batches for number in batch]


def loader(datasets, **options):
    options = {"batch_size": 4, "collator": WindowCollator(), "seed": 0} | options
    return training_dataloader(datasets, **options)


def test_a_table_without_signals_is_refused():
    with pytest.raises(ValueError, match=r"not a data set of EEG windows.*signal"):
        loader(Dataset.from_dict({"text": ["a"]}))


# -- order ------------------------------------------------------------------------------------------------------------


def test_every_window_comes_once_and_each_epoch_has_an_order_of_its_own():
    dataset = make(20)
    first, again, second = (numbers(loader(dataset, epoch=epoch)) for epoch in (0, 0, 1))
    assert sorted(flat(first)) == list(range(20))
    assert first == again
    assert first != second
    assert numbers(loader(dataset, seed=1)) != first
    assert numbers(loader(dataset, shuffle=False)) == np.arange(20).reshape(5, 4).tolist()


@pytest.mark.parametrize("streaming", [False, True])
def test_workers_do_not_change_the_order(streaming):
    dataset = make(24).to_iterable_dataset(num_shards=3) if streaming else make(24)
    assert numbers(loader(dataset, num_workers=2)) == numbers(loader(dataset))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("start", [0, 1, 3, 6])
def test_resuming_goes_on_exactly_there(streaming, start):
    dataset = make(24).to_iterable_dataset(num_shards=3) if streaming else make(24)
    assert numbers(loader(dataset, start_batch=start)) == numbers(loader(dataset))[start:]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_processes_share_the_windows(streaming, drop_last):
    dataset = concatenate_datasets([make(30), make(17, THREE, first=30)])
    if streaming:
        dataset = dataset.to_iterable_dataset(num_shards=4)
    shares = [numbers(loader(dataset, rank=r, world_size=3, batch_size=2, drop_last=drop_last)) for r in range(3)]
    assert len({len(share) for share in shares}) == 1
    seen = [number for share in shares for batch in share for number in batch]
    assert len(seen) == len(set(seen))
    assert len(seen) >= 47 - 2 * 3 * 2
    whole = numbers(loader(dataset, batch_size=2, drop_last=False))
    assert sorted(flat(whole)) == list(range(47))


def test_reading_leaves_the_global_random_state_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    numbers(loader(make(8)))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_holds_one_montage_and_one_length_only():
    dataset = [make(9), make(10, THREE, first=9), make(8, FOUR, 256, first=19)]
    for batch in loader(dataset, batch_size=3):
        assert batch["channel_mask"].all()
        assert batch["patch_mask"].all()
    mixed = list(loader(dataset, batch_size=3, group_by_montage=False))
    assert len(mixed) == 9
    assert not all(batch["channel_mask"].all() for batch in mixed)


@pytest.mark.parametrize("streaming", [False, True])
def test_rare_montages_share_padded_batches(streaming):
    datasets = [make(12), make(2, THREE, first=12), make(3, FOUR, 256, first=14)]
    if streaming:
        datasets = [dataset.to_iterable_dataset() for dataset in datasets]
    batches = list(loader(datasets, batch_size=4))
    assert len(batches) == 4
    mixed = [batch for batch in batches if not (batch["channel_mask"].all() and batch["patch_mask"].all())]
    assert len(mixed) == 1
    assert set(flat(numbers(mixed))) < set(range(12, 17))
    seen = [set(flat(numbers(loader(datasets, batch_size=4, epoch=epoch)))) for epoch in range(10)]
    assert set.union(*seen) == set(range(17))


@pytest.mark.parametrize("streaming", [False, True])
def test_weights_decide_how_often_a_corpus_comes(streaming):
    small, large = make(10, corpus="a"), make(90, corpus="b", first=100)
    if streaming:
        small, large = small.to_iterable_dataset(), large.to_iterable_dataset()
    seen = np.array(flat(numbers(loader([small, large], weights=[3, 1], batch_size=5))))
    share = (seen < 100).mean()
    assert 0.65 < share < 0.85
    if not streaming:
        assert len(seen) == 100
        assert share == 0.75
        counts = np.bincount(seen[seen < 100], minlength=10)
        assert set(counts) == {7, 8}
    only = set(flat(numbers(loader([small, large], weights=[0, 1], batch_size=5))))
    assert min(only) >= 100


def test_labels_of_different_corpora_are_not_mixed_up():
    assert "labels" in next(iter(loader([make(8), make(8)])))
    assert "labels" not in next(iter(loader([make(8), make(8, labels=("left", "right"))])))


@pytest.mark.parametrize(("weights", "count"), [([1.0], 2), ([-1, 2], 2), ([0, 0], 2)])
def test_weights_that_do_not_fit_are_refused(weights, count):
    with pytest.raises(ValueError, match="weights"):
        loader([make(4)] * count, weights=weights)


def test_too_few_windows_for_a_batch_are_an_error():
    with pytest.raises(ValueError, match="lower the batch size"):
        loader(make(3))


def test_the_plan_of_many_rows_covers_all_of_them():
    plan = batch_plan([1000, 500], batch_size=7, seed=5, drop_last=False)
    assert sorted(np.concatenate(plan)) == list(range(1500))
    assert max(map(len, plan)) == 7


# -- opening ----------------------------------------------------------------------------------------------------------


def test_a_stream_gives_the_rows_of_the_files_whatever_their_order(tmp_path):
    for number in range(3):
        make(10, first=10 * number).to_parquet(tmp_path / f"train-{number:05d}-of-00003.parquet")
    stored, stream = load_windows(tmp_path), load_windows(tmp_path, streaming=True)
    assert [row["signal"] for row in stored] == [row["signal"] for row in stream]
    plain = numbers(loader(stream, shuffle=False))
    assert plain == numbers(loader(stored, shuffle=False))
    shuffled = numbers(loader(stream, drop_last=False))
    assert shuffled != plain
    assert sorted(flat(shuffled)) == list(range(30))
    assert numbers(loader(stream, epoch=1)) != numbers(loader(stream))


def test_what_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither a folder nor a repository"):
        load_windows(tmp_path / "nothing")
    make(2).to_parquet(tmp_path / "train-0.parquet")
    make(2).to_parquet(tmp_path / "test-0.parquet")
    with pytest.raises(ValueError, match="name one with split="):
        load_windows(tmp_path)
    assert len(load_windows(tmp_path, split="test")) == 2
    Dataset.from_dict({"text": ["a"]}).to_parquet(tmp_path / "other" / "train.parquet")
    with pytest.raises(ValueError, match="not a data set of EEG windows"):
        load_windows(tmp_path / "other")
