import itertools

import numpy as np
import pytest
import torch

from sskseg.training import (
    Budget,
    LoopSettings,
    isolated_seed,
    optimize,
    random_numbers,
    select_precision,
)
from sskseg.training.optimizers import MovingAverage

CPU = torch.device("cpu")
SETTINGS = LoopSettings(0.05, CPU, torch.float32)


def loss_of(network, batch, progress):
    return (network(batch) - 3 * batch).square().mean()


def batches():
    generator = torch.Generator().manual_seed(0)
    while True:
        yield torch.randn(8, 1, generator=generator)


def train(steps=200, **changes):
    torch.manual_seed(0)
    network = torch.nn.Linear(1, 1)
    options = {"loss": loss_of, "settings": SETTINGS, "validate": None, **changes}
    history = optimize(
        network, batches(), options["loss"], Budget(steps), options["settings"],
        validate=options["validate"],
    )  # fmt: skip
    return network, history


def test_it_learns_and_reports():
    network, history = train()
    assert float(network.weight.detach()) == pytest.approx(3, abs=0.2)
    assert not network.training
    assert history[-1]["step"] == 200
    assert history[-1]["loss"] < history[0]["loss"] / 10
    assert len(history) == 20
    assert history[-1]["learning_rate"] < 1e-3
    assert max(row["learning_rate"] for row in history) > 0.04


def test_time_budget_ends_with_a_complete_schedule(monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr("sskseg.training.budget.perf_counter", lambda: next(ticks) * 0.01)
    torch.manual_seed(0)
    history = optimize(
        torch.nn.Linear(1, 1), batches(), loss_of, Budget(None, 5.0, started=0.0), SETTINGS
    )
    assert 4.9 < history[-1]["time"] < 5.2
    assert history[-1]["learning_rate"] < 0.001


def test_the_best_validated_weights_are_kept():
    scores = iter([0.1, 0.9, 0.5, 0.2, 0.1, 0.3, 0.2, 0.1, 0.0, 0.1, 0.2, 0.3])
    seen = []

    def validate(network):
        assert not network.training
        seen.append(float(network.weight.detach()))
        return next(scores)

    network, history = train(validate=validate)
    assert float(network.weight.detach()) == seen[1]
    assert sum("validation_score" in row for row in history) == len(seen) == 11


def test_patience_ends_training():
    settings = LoopSettings(0.05, CPU, torch.float32, patience=2)
    _, history = train(validate=lambda network: 1.0, settings=settings)
    assert history[-1]["step"] < 200


def test_divergence_names_the_step():
    steps = itertools.count(1)

    def diverging(network, batch, progress):
        loss = loss_of(network, batch, progress)
        return loss * float("nan") if next(steps) == 7 else loss

    with pytest.raises(FloatingPointError, match="at step 7"):
        train(loss=diverging)


def test_interruption_leaves_a_usable_network():
    steps = itertools.count(1)

    def interrupted(network, batch, progress):
        if next(steps) == 50:
            raise KeyboardInterrupt
        return loss_of(network, batch, progress)

    with pytest.warns(UserWarning, match="interrupted at step 49"):
        network, history = train(loss=interrupted)
    assert history[-1]["step"] == 49
    assert np.isfinite(float(network.weight.detach()))


def test_seeding_is_isolated():
    before = torch.get_rng_state()
    with isolated_seed(1, CPU), random_numbers():
        first = torch.rand(3)
    with isolated_seed(1, CPU), random_numbers():
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(torch.get_rng_state(), before)


def test_precision_can_be_fixed():
    assert select_precision("float32", CPU) is torch.float32
    assert select_precision("bfloat16", CPU) is torch.bfloat16
    assert select_precision("auto", CPU) in (torch.float32, torch.bfloat16)


def test_callbacks_are_called_once_with_the_average_in_evaluation_mode():
    seen = []

    def note(name):
        return lambda average: seen.append((name, average.training, average.weight.item()))

    torch.manual_seed(0)
    network = torch.nn.Linear(1, 1)
    callbacks = [(0.0, note("start")), (0.5, note("middle")), (0.5, note("again"))]
    optimize(network, batches(), loss_of, Budget(100), SETTINGS, callbacks=callbacks)
    assert [name for name, *_ in seen] == ["start", "middle", "again"]
    assert not any(training for _, training, _ in seen)
    assert abs(seen[1][2] - 3) < abs(seen[0][2] - 3)


def test_a_budget_has_parts(monkeypatch):
    now = [10.0]
    monkeypatch.setattr("sskseg.training.budget.perf_counter", lambda: now[0])
    budget = Budget(100, 20.0, started=10.0)
    first = budget.part(0.25)
    assert (first.max_steps, first.time_budget) == (100, 5.0)
    now[0] = 16.0
    rest = budget.rest(7)
    assert (rest.max_steps, rest.time_budget) == (7, 14.0)
    now[0] = 40.0
    assert budget.rest(7).progress(0) >= 0
    assert Budget(5).rest(2).time_budget is None


def test_a_shortened_budget_ends(monkeypatch):
    monkeypatch.setattr("sskseg.training.budget.perf_counter", lambda: 12.0)
    budget = Budget(100, 20.0, started=10.0)
    for seconds, progress in ((30.0, 0.1), (4.0, 0.5), (8.0, 0.5)):
        budget.shorten(seconds)
        assert budget.progress(0) == progress
    budget.shorten(-3.0)
    assert budget.progress(0) >= 1


def test_one_step_is_made_at_least():
    history = optimize(torch.nn.Linear(1, 1), batches(), loss_of, Budget(None, 1e-9), SETTINGS)
    assert [row["step"] for row in history] == [1]


def test_losses_that_are_tensors_are_read_when_a_row_is_due():
    from sskseg.training import History, run_steps

    def steps(wrong):
        numbers = itertools.count(1)

        def step(progress, learning_rate):
            n = next(numbers)
            return {"loss": torch.tensor(float("nan") if n == wrong else float(n))}

        budget = Budget(40)
        history = History(budget, n_entries=4)
        run_steps(step, lambda progress: 0.1, budget, history)
        return history.entries

    entries = steps(wrong=None)
    assert [row["step"] for row in entries] == [10, 20, 30, 40]
    assert [row["loss"] for row in entries] == [5.5, 15.5, 25.5, 35.5]
    assert isinstance(entries[0]["loss"], float)
    for wrong in (3, 40):
        with pytest.raises(FloatingPointError, match=f"at step {wrong}"):
            steps(wrong)


class _Counting(torch.nn.Module):
    """Replaces its buffer in each step, instead of changing it in place."""

    def __init__(self):
        super().__init__()
        self.layer, self.same = (torch.nn.Linear(1, 1),) * 2
        self.register_buffer("n", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.n = self.n + 1
        return self.layer(x)


def test_moving_average_follows_buffers_that_are_replaced():
    network = _Counting()
    average = MovingAverage(network, 0.5)
    for n in (1, 2, 3):
        network(torch.zeros(1, 1))
        with torch.no_grad():
            network.layer.weight.fill_(n)
        average.update()
    # 1, then by 2 / 11 of it and 9 / 11 of 2, then by 3 / 12 and 9 / 12 of 3.
    expected = (2 / 11 + 9 / 11 * 2) * 3 / 12 + 3 * 9 / 12
    assert average.module.n.item() == pytest.approx(expected)
    assert average.module.layer.weight.item() == pytest.approx(expected)
    assert average.module.same is average.module.layer
