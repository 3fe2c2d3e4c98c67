import pytest


@pytest.fixture(autouse=True)
def _pages_write_to_a_folder_of_their_own(tmp_path, monkeypatch):
    """So that their code can name files as a reader would."""
    monkeypatch.chdir(tmp_path)
