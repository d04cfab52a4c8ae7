"""Maps of embeddings."""

import sys

import numpy as np
import pytest

from dare_eeg_hf.visualization import plot_embedding_map, project_to_plane


def test_windows_that_are_alike_lie_together_without_umap(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(0, 1, (20, 6)), rng.normal(5, 1, (20, 6))])
    points, method = project_to_plane(features)
    assert points.shape == (40, 2)
    assert method.startswith("PCA, which shows ")
    apart = abs(points[:20].mean(0) - points[20:].mean(0)).max()
    assert apart > 2 * points[:20].std()
    with pytest.raises(ValueError, match="at least 3 windows; there are 2"):
        project_to_plane(features[:2])


def test_every_name_has_a_look_of_its_own():
    names = [f"P{i % 10}" for i in range(40)]
    figure = plot_embedding_map(np.random.default_rng(0).normal(size=(40, 2)), names, "mine, nano", "person", "UMAP")
    handles = figure.legends[0].get_lines()
    looks = {(handle.get_color(), handle.get_marker()) for handle in handles}
    assert len(looks) == len(handles) == 10
    assert sum(len(dots.get_offsets()) for dots in figure.axes[0].collections) == 40
    assert figure.axes[0].get_xlabel() == "UMAP"


def test_too_many_names_are_counted_and_points_have_to_fit():
    figure = plot_embedding_map(np.zeros((30, 2)), [f"P{i}" for i in range(30)], legend="person")
    assert not figure.legends
    assert figure.axes[0].texts[0].get_text() == "30 different: person"
    with pytest.raises(ValueError, match="2 names go with as many points"):
        plot_embedding_map(np.zeros((3, 2)), ["a", "b"])
