from keras_sharpness.runs import StudyFolder, find_studies


def test_no_folder_no_studies(tmp_path):
    assert find_studies(tmp_path / "none") == ()
    assert find_studies(tmp_path) == ()
    (tmp_path / "file").touch()
    assert find_studies(tmp_path / "file") == ()


def test_studies_at_any_depth_sorted(tmp_path):
    paths = [tmp_path / name for name in ("b", "a", "c/d/e")]
    for path in paths:
        StudyFolder.create_or_open(path, {}).run("run", {})
    (tmp_path / "c" / "other").mkdir()
    assert find_studies(str(tmp_path)) == tuple(sorted(paths))


def test_root_that_is_a_study(tmp_path):
    StudyFolder.create_or_open(tmp_path, {})
    assert find_studies(tmp_path) == (tmp_path,)


def test_where_is_not_searched(tmp_path):
    outer = StudyFolder.create_or_open(tmp_path / "root" / "outer", {})
    StudyFolder.create_or_open(outer.path / "copy", {})
    StudyFolder.create_or_open(tmp_path / "root" / ".hidden" / "study", {})
    StudyFolder.create_or_open(tmp_path / "elsewhere", {})
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "circle").symlink_to(tmp_path / "root")
    assert find_studies(tmp_path / "root") == (outer.path,)
