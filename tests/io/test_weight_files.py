"""Files of weights from strangers: tensors, or an error that names the file."""

import pickle

import pytest
import torch
from safetensors.torch import save_file

from sskseg.io.weights import read_weights

STATE = {"a.weight": torch.ones(2, 3), "n": torch.tensor(3)}


def test_both_formats_are_read(tmp_path):
    save_file(STATE, tmp_path / "w.safetensors")
    torch.save(STATE, tmp_path / "w.pt")
    torch.save({"state_dict": STATE, "epoch": 3}, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pt", "w.pth"):
        read = read_weights(tmp_path / name)
        assert read.keys() == STATE.keys()
        assert all(torch.equal(read[key], STATE[key]) for key in STATE)


class Evil:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.pth", Evil(), "no file of weights alone"),
        ("w.pth", {"a": Evil()}, "no file of weights alone"),
        ("w.pth", [torch.ones(1)], "must hold a dict of named tensors, got list"),
        ("w.pth", {"a": torch.ones(1), "b": 3}, "got a dict with 'b'"),
        ("w.pth", {}, "got an empty dict"),
        ("w.pth", {"a": torch.tensor([float("nan")])}, "NaN or infinity in a"),
        ("w.pth", b"", "damaged"),
        ("w.pth", b"neither zip nor pickle", "damaged"),
        ("w.pth", pickle.dumps({"a": 1}, protocol=2), "damaged|must hold"),
        ("w.safetensors", b"nothing", "damaged"),
    ],
)
def test_anything_else_is_refused(name, content, message, tmp_path, capsys):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=message) as caught:
        read_weights(path)
    assert str(path) in str(caught.value)
    assert capsys.readouterr().out == ""


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="No file of weights at"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(FileNotFoundError, match="No file of weights at"):
        read_weights(tmp_path)
