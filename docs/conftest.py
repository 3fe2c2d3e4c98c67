import pytest


@pytest.fixture(autouse=True)
def _work_in_a_temporary_folder(tmp_path, monkeypatch):
    """Run each page in an empty folder, so that its code can use relative paths."""
    monkeypatch.chdir(tmp_path)
