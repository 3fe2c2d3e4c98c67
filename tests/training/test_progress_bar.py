"""Bars on terminals, lines in logs."""

import io
import sys

import pytest

from sskseg.training import progress_bar as module
from sskseg.training.budget import Budget
from sskseg.training.history import History


class Terminal(io.StringIO):
    def isatty(self):
        return True


def written(monkeypatch, stream, seconds=30.0):
    """What a training of three steps writes."""
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(module, "_SECONDS", seconds)
    history = History(Budget(max_steps=3), n_entries=3, verbose=True)
    for step in range(1, 4):
        if history.add(step, {"loss": 1.0 / step}, 0.1):
            history.close_row({})
    history.close()
    return stream.getvalue()


def test_a_terminal_has_one_line_that_is_drawn_again(monkeypatch):
    text = written(monkeypatch, Terminal())
    assert text.count("\n") == 1
    assert text.startswith("\rtraining:   0%|")
    assert "loss=0.3333" in text.rpartition("\r")[2]


def test_a_log_has_lines(monkeypatch):
    first, *between, last = written(monkeypatch, io.StringIO(), seconds=0).splitlines()
    assert first.startswith("training: 0 %, 00:00 elapsed, ")
    assert [line.partition(" %")[0] for line in between] == [
        "training: 33", "training: 66", "training: 100"
    ]  # fmt: skip
    assert between[1].endswith(" left, loss=1.0000")  # of the row before
    assert last.startswith("training: 100 %, 00:00 elapsed, 00:00 left, loss=0.3333")


def test_a_log_of_a_short_training_is_short(monkeypatch):
    text = written(monkeypatch, io.StringIO())
    assert "\r" not in text
    assert [line.partition(" %")[0] for line in text.splitlines()] == [
        "training: 0", "training: 100"
    ]  # fmt: skip


@pytest.mark.parametrize("stream", [io.StringIO(), None])
def test_a_bar_that_is_turned_off_writes_nothing(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)  # None: of a program without a console
    bar = module.progress_bar(total=3, desc="off", disable=True)
    bar.update(3)
    bar.close()
    assert not stream or not stream.getvalue()
