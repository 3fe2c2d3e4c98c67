"""The training loop."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch

from .budget import Budget
from .global_state import draws_random_numbers, random_numbers
from .history import History
from .optimizers import (
    MovingAverage,
    ParameterGroup,
    descend,
    make_optimizers,
    set_learning_rates,
    warm_up_cosine,
)
from .prefetch import prefetch_on_gpu


class Monitor(Protocol):
    """What evaluates a training at each row of its history."""

    @property
    def should_stop(self) -> bool:
        """Whether to end the training early."""

    def __call__(self, step: int) -> dict[str, float]:
        """Return scores for the history, after so many steps."""


def run_steps(
    step: Callable[[float, float], dict[str, Any]],
    schedule: Callable[[float], float],
    budget: Budget,
    history: History,
    *,
    callbacks: Sequence[tuple[float, Callable[[], None]]] = (),
    monitor: Monitor | None = None,
) -> None:
    """Make training steps until the budget is used up, the monitor stops them or Ctrl-C comes.

    One step is made at least. Ctrl-C and callbacks of `fit` set ``budget.interrupted``.

    Parameters
    ----------
    step : callable
        ``step(progress, learning_rate)`` makes a training step and returns its losses by name;
        `progress` rises from 0 to 1. Losses that are tensors are read when a row of the history is
        due, since reading one waits for the GPU.
    schedule : callable
        ``schedule(progress)`` returns the learning rate.
    budget : Budget
    history : History
    callbacks : sequence of (float, callable), default=()
        ``(progress, function)``, by rising progress: each function is called once, when that share
        of the budget is used up.
    monitor : Monitor, default=None
        Called for each row of the history.

    Raises
    ------
    FloatingPointError
        If a loss is NaN or infinite; the message names the step.
    """
    callbacks, n = list(callbacks), 0
    unchecked: list[tuple[int, dict[str, Any]]] = []
    try:
        while n == 0 or (budget.progress(n) < 1 and not (monitor and monitor.should_stop)):
            while callbacks and callbacks[0][0] <= budget.progress(n):
                callbacks.pop(0)[1]()
            progress = min(1.0, budget.progress(n))
            learning_rate = schedule(progress)
            losses = step(progress, learning_rate)
            n += 1
            unchecked.append((n, losses))
            is_due = history.add(n, losses, learning_rate)
            if is_due or all(isinstance(loss, float) for loss in losses.values()):
                _check_losses(unchecked)
                unchecked.clear()
            if is_due:
                history.close_row(monitor(n) if monitor else {})
            if budget.should_stop(n):
                budget.interrupted = True
                break
        _check_losses(unchecked)
    except KeyboardInterrupt:
        budget.interrupted = True
        message = f"Training was interrupted at step {n}; the weights so far are kept."
        warnings.warn(message, stacklevel=3)
    finally:
        history.close()


def readable(loss: torch.Tensor) -> Any:
    """Return a loss for the history: a number, or a tensor of a GPU, since reading one waits."""
    loss = loss.detach()
    return loss if loss.is_cuda else float(loss)


def _check_losses(steps):
    for step, losses in steps:
        if not all(abs(loss) < float("inf") for loss in losses.values()):
            values = " and ".join(f"the {name} is {loss:.4g}" for name, loss in losses.items())
            raise FloatingPointError(
                f"Training diverged: {values} at step {step}. Lower learning_rate, or use "
                "precision='float32'."
            )


@dataclass(frozen=True)
class LoopSettings:
    """Parameters of `optimize`.

    Parameters
    ----------
    learning_rate : float
        The highest of the schedule: it rises linearly and falls as a half cosine.
    device : torch.device
    dtype : torch.dtype
        bfloat16 is mixed precision.
    weight_decay : float, default=1e-4
    average : float, default=0.998
        Decay of the exponential moving average of the weights.
    patience : int, default=None
        Stop after so many validations without a better score.
    verbose : bool, default=False
        Show a progress bar.
    """

    learning_rate: float
    device: torch.device
    dtype: torch.dtype
    weight_decay: float = 1e-4
    average: float = 0.998
    patience: int | None = None
    verbose: bool = False

    def autocast(self) -> torch.autocast:
        """Return the context in which losses are computed."""
        mixed = self.dtype != torch.float32
        return torch.autocast(self.device.type, self.dtype, enabled=mixed)


class EarlyStopping:
    """Keep the weights of the best validation, and stop when patience runs out.

    Parameters
    ----------
    network : torch.nn.Module
    budget : Budget
    validate : callable
        ``validate(network) -> float``, greater is better; called in the second half of the
        training.
    patience : int, default=None
        Validations without a better score after which to stop; None never stops.

    Attributes
    ----------
    best_weights : dict or None
        State of the network with the best score.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        budget: Budget,
        validate: Callable[[torch.nn.Module], float],
        patience: int | None = None,
    ):
        self._network, self._budget = network, budget
        self._validate, self._patience = validate, patience
        self.best_weights: dict | None = None
        self._best_score, self._n_worse = -float("inf"), 0

    @property
    def should_stop(self) -> bool:
        return self._patience is not None and self._n_worse >= self._patience

    def __call__(self, step: int) -> dict[str, float]:
        """Validate the network."""
        if self._budget.progress(step) < 0.5:
            return {}
        score = float(self._validate(self._network))
        self._n_worse += 1
        if score > self._best_score:
            self.best_weights = copy.deepcopy(self._network.state_dict())
            self._best_score, self._n_worse = score, 0
        return {"validation_score": score}


def optimize(
    network: torch.nn.Module,
    batches: Iterator,
    compute_loss: Callable[[torch.nn.Module, Any, float], torch.Tensor],
    budget: Budget,
    settings: LoopSettings,
    *,
    validate: Callable[[torch.nn.Module], float] | None = None,
    callbacks: Sequence[tuple[float, Callable[[torch.nn.Module], None]]] = (),
    parameter_groups: Sequence[ParameterGroup] | None = None,
) -> list[dict[str, float]]:
    """Train a network.

    The final weights are an exponential moving average; with `validate`, those of the best
    validation (early stopping). Ctrl-C ends the training with the weights so far and sets
    ``budget.interrupted``.

    Parameters
    ----------
    network : torch.nn.Module
        Trained in place, and left in evaluation mode with the final weights.
    batches : iterator
    compute_loss : callable
        ``compute_loss(network, batch, progress) -> scalar Tensor``; `progress` is the share of the
        budget that is used up, from 0 to 1.
    budget : Budget
        One step is made at least.
    settings : LoopSettings
    validate : callable, default=None
        ``validate(network) -> float``, greater is better; called in the second half.
    callbacks : sequence of (float, callable), default=()
        ``(progress, function)``, by rising progress: ``function(average)`` is called once, when
        that share of the budget is used up, with the moving average of the network, a module in
        evaluation mode that training continues to update.
    parameter_groups : list of (list of Parameter, callable), default=None
        Parameters with ``share(progress)``, their share of the learning rate; None is all
        parameters with a share of 1. A share of 0 freezes them: no gradient is computed.

    Returns
    -------
    history : list of dict
        ``step, time, loss, learning_rate`` and, where validated, ``validation_score``.

    Raises
    ------
    FloatingPointError
        If the loss is NaN or infinite; the message names the step.
    """
    groups = parameter_groups or [(list(network.parameters()), _whole_rate)]
    optimizers = make_optimizers(groups, settings.learning_rate, settings.weight_decay)
    average = MovingAverage(network, settings.average)
    monitor = validate and EarlyStopping(average.module, budget, validate, settings.patience)
    history = History(budget, verbose=settings.verbose)
    network.train()

    def step(progress, learning_rate):
        set_learning_rates(optimizers, groups, learning_rate, progress)
        batch = next(batches)
        turn = random_numbers() if draws_random_numbers(network) else nullcontext()
        with turn, settings.autocast():
            loss = compute_loss(network, batch, progress)
        descend(network, optimizers, loss)
        average.update()
        return {"loss": readable(loss)}

    try:
        with prefetch_on_gpu(batches, settings.device) as batches:
            run_steps(
                step, lambda progress: settings.learning_rate * warm_up_cosine(progress), budget,
                history, monitor=monitor,
                callbacks=[(at, partial(call, average.module)) for at, call in callbacks],
            )  # fmt: skip
    finally:  # of frozen parameters
        set_learning_rates(optimizers, [(group, _whole_rate) for group, _ in groups], 1.0, 1.0)
    best = monitor and monitor.best_weights
    network.load_state_dict(best or average.module.state_dict())
    network.eval()
    return history.entries


def _whole_rate(progress):
    return 1.0
