from prsbench.methods.parts.weights.user_cache import write_once


def test_a_folder_is_written_once_and_again_if_it_is_damaged(tmp_path):
    written = []

    def write(folder):
        written.append(folder)
        (folder / "a").write_bytes(b"whole")

    folder = tmp_path / "cache" / "model"
    assert write_once(folder, write) and write_once(folder, write) and len(written) == 1
    (folder / "a").write_bytes(b"hole!")
    assert write_once(folder, write) and len(written) == 2 and (folder / "a").read_bytes() == b"whole"
    assert [path.name for path in folder.parent.iterdir()] == ["model"], "no half-written folder stays"


def test_where_nothing_can_be_stored_it_returns_false(tmp_path):
    (tmp_path / "file").touch()
    assert not write_once(tmp_path / "file" / "model", lambda folder: None)
    assert not write_once(type(tmp_path)("no/home"), lambda folder: None)
