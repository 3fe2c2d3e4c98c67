"""Files appear complete or not at all, with the permissions that the umask asks for."""

import os
import stat

import numpy as np
import pytest

from sskseg import PercentileScaler
from sskseg.io import atomic_path, write_atomically


@pytest.fixture(params=[0o022, 0o002, 0o077], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def permissions(path):
    return stat.S_IMODE(path.stat().st_mode)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_new_files_get_the_permissions_of_the_umask(umask, tmp_path):
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert permissions(tmp_path / "file") == 0o666 & ~umask
    assert names(tmp_path) == ["file"]


def test_models_can_be_opened_by_whom_the_umask_admits(umask, tmp_path):
    PercentileScaler().fit(np.random.default_rng(0).random((2, 8, 8))).save(tmp_path / "model")
    assert permissions(tmp_path / "model") == 0o666 & ~umask
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_a_replacement_keeps_the_permissions_of_what_it_replaces(mode, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert permissions(path) == mode


def test_links_are_followed(tmp_path):
    (tmp_path / "shared").mkdir()
    target = tmp_path / "shared" / "target"
    target.write_bytes(b"old")
    (tmp_path / "link").symlink_to(target)
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert target.read_bytes() == b"new"
    assert names(tmp_path / "shared") == ["target"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_keeps_the_older_file_and_leaves_nothing_behind(error, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_path(path) as temporary:  # noqa: PT012
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"ne")
        raise error
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_what_cannot_be_written_is_refused_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", b"")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_atomically(tmp_path / "nowhere" / "file", b"")
    assert names(tmp_path) == ["folder"]
