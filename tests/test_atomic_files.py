"""A file that is being written is the old one, or the new one, and never half of it."""

import pytest

from dare_eeg_hf.atomic_files import new_folder, replacing, write_json, write_text


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    file = write_text(tmp_path / "table.csv", "old")

    def write_half():
        with replacing(file) as temporary:
            assert temporary.parent == file.parent
            assert temporary.suffix == ".csv"
            temporary.write_text("half of the n")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_success_replaces_the_old_file(tmp_path):
    file = write_text(tmp_path / "facts.json", "old")
    assert write_json(file, {"subject": "Zoë"}) == file
    assert file.read_text(encoding="utf-8") == '{\n "subject": "Zo\\u00eb"\n}\n'
    assert list(tmp_path.iterdir()) == [file]


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    assert write_text(tmp_path / "atomic", "").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_is_whole_or_absent(tmp_path):
    def write_half():
        with new_folder(tmp_path / "models" / "mine") as temporary:
            (temporary / "config.json").write_text("{}")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert list((tmp_path / "models").iterdir()) == []
    (tmp_path / "models" / "mine").mkdir()
    with new_folder(tmp_path / "models" / "mine") as temporary:
        (temporary / "config.json").write_text("{}")
        assert not (tmp_path / "models" / "mine" / "config.json").exists()
    assert [path.name for path in (tmp_path / "models").rglob("*")] == ["mine", "config.json"]
    with (
        pytest.raises(FileExistsError, match="mine exists already; name a folder that does not"),
        new_folder(tmp_path / "models" / "mine"),
    ):
        pass
