"""The training loop."""

import copy
import warnings
from dataclasses import dataclass, field
from math import cos, pi
from time import perf_counter

import torch
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from .batches import prefetch
from .muon import Muon, is_matrix

_REPORTS = 20
_NO_TIME = 1e-9  # seconds; progress is a share of what there is
_WARM_UP = 0.05  # share of the training in which the learning rate rises


@dataclass
class Budget:
    """When to stop: after so many steps, or so many seconds from now, whichever comes first."""

    max_steps: int | None = None
    time_budget: float | None = None
    started: float = field(default_factory=perf_counter)
    interrupted: bool = False  # by Ctrl-C

    def elapsed(self):
        return perf_counter() - self.started

    def progress(self, step):
        """Share of the budget that is used up, from 0 to 1 (and beyond)."""
        steps = step / self.max_steps if self.max_steps is not None else 0.0
        time = self.elapsed() / self.time_budget if self.time_budget is not None else 0.0
        return max(steps, time)

    def part(self, share):
        """The same steps, and a share of the time; what is left of it is for what comes after."""
        time = None if self.time_budget is None else share * self.time_budget
        return Budget(self.max_steps, time, self.started)

    def shorten(self, seconds):
        """End no later than so many seconds after the start; at once if that has gone by."""
        self.time_budget = min(self.time_budget, max(seconds, _NO_TIME))

    def rest(self, max_steps):
        """Budget of at most so many steps, in the time that is left."""
        time = None if self.time_budget is None else self.time_budget - self.elapsed()
        return Budget(max_steps, time if time is None else max(time, _NO_TIME))


@dataclass(frozen=True)
class LoopSettings:
    """Parameters of `optimize`.

    Parameters
    ----------
    learning_rate : float
        The highest of the schedule: it rises linearly and falls as a half cosine.
    device : torch.device
    dtype : torch.dtype
        bfloat16 computes in mixed precision.
    weight_decay : float, default=1e-4
    average : float, default=0.998
        Decay of the exponential moving average of the weights, which are what training returns.
    patience : int or None, default=None
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


def optimize(
    network, batches, compute_loss, budget, settings, *, validate=None, callbacks=(), groups=None
):
    """Train a network.

    The weights that are returned are an exponential moving average; with `validate`, those of the
    best validation. Ctrl-C ends training early, with the weights so far; the budget tells of it.

    Parameters
    ----------
    network : torch.nn.Module
        Trained in place; left with the returned weights.
    batches : iterator
    compute_loss : callable
        ``compute_loss(network, batch, progress) -> scalar Tensor``; `progress` is the share of the
        budget that is used up, from 0 to 1.
    budget : Budget
        One step is made at least.
    settings : LoopSettings
    validate : callable, optional
        ``validate(network) -> float``, greater is better; called in the second half.
    callbacks : sequence of (float, callable), optional
        ``(progress, function)``, in the order of their progress: ``function(average)`` is called
        once, when that share of the budget is used up, with the moving average of the network, a
        module in evaluation mode that goes on changing.
    groups : list of (list of Parameter, callable), optional
        Parameters and ``share(progress)`` of the learning rate that is theirs; None is all, with
        the whole of it. Where the share is 0 nothing is learned, and no gradient computed.

    Returns
    -------
    history : list of dict
        ``step, time, loss, learning_rate`` and, where validated, ``validation_score``.

    Raises
    ------
    FloatingPointError
        If the loss is NaN or infinite; the message says at which step.
    """
    groups = groups or [(list(network.parameters()), lambda progress: 1.0)]
    optimizers = _optimizers(groups, settings)
    average = AveragedModel(
        network, multi_avg_fn=_moving_average(settings.average), use_buffers=True
    )
    average.eval()
    watch = _Watch(validate, settings.patience)
    callbacks = list(callbacks)
    report = _Report(budget, settings.verbose)
    step = 0
    network.train()
    # On a CPU threads would take the cores from the training.
    ahead = prefetch(batches) if settings.device.type == "cuda" else None
    batches = batches if ahead is None else ahead
    try:
        while step == 0 or (budget.progress(step) < 1 and not watch.exhausted):
            while callbacks and callbacks[0][0] <= budget.progress(step):
                callbacks.pop(0)[1](average.module)
            progress = min(1.0, budget.progress(step))
            rate = settings.learning_rate * _schedule(progress)

            def compute(batch, progress=progress):
                return compute_loss(network, batch, progress)

            _set_rates(optimizers, groups, rate, progress)
            loss = _step(network, optimizers, compute, next(batches), settings)
            step += 1
            _check_loss(loss, step)
            average.update_parameters(network)
            if report.add(step, loss, rate):
                report.close_row(watch.look(average.module, budget.progress(step)))
    except KeyboardInterrupt:
        budget.interrupted = True
        warnings.warn(f"Training was interrupted at step {step}; the weights so far are kept.",
                      stacklevel=2)  # fmt: skip
    finally:
        _set_rates(optimizers, [(group, lambda progress: 1.0) for group, _ in groups], 1.0, 1.0)
        report.finish()
        if ahead is not None:
            ahead.close()  # also where an error's traceback would keep it, and its batches
    network.load_state_dict(watch.best if watch.best is not None else average.module.state_dict())
    network.eval()
    return report.rows


def _optimizers(groups, settings):
    """Two optimizers with the same groups: of what `is_matrix` tells, and of all the rest."""
    matrices, others = (
        [{"params": [p for p in group if is_matrix(p) == wanted]} for group, _ in groups]
        for wanted in (True, False)
    )
    options = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    return [
        Muon(matrices, **options),
        torch.optim.AdamW(others, **options, fused=True),
    ]


def _set_rates(optimizers, groups, rate, progress):
    """Set the rate of each group, and freeze those whose rate is 0 until it is not."""
    for at, (_, share) in enumerate(groups):
        frozen = share(progress) == 0
        for group in (optimizer.param_groups[at] for optimizer in optimizers):
            group["lr"] = rate * share(progress)
            if frozen != group.get("frozen", False):
                group["frozen"] = frozen
                for parameter in group["params"]:
                    parameter.requires_grad_(not frozen)
                    parameter.grad = None


def _step(network, optimizers, compute_loss, batch, settings):
    mixed = settings.dtype != torch.float32
    with torch.autocast(settings.device.type, settings.dtype, enabled=mixed):
        loss = compute_loss(batch)
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
    return float(loss.detach())


def _check_loss(loss, step):
    if not abs(loss) < float("inf"):
        raise FloatingPointError(
            f"Training diverged: the loss is {loss} at step {step}. Lower learning_rate, or use "
            "precision='float32'."
        )


def _schedule(progress):
    if progress < _WARM_UP:
        return (progress + 1e-3) / (_WARM_UP + 1e-3)
    return 0.5 * (1 + cos(pi * min(1.0, (progress - _WARM_UP) / (1 - _WARM_UP))))


def _moving_average(decay):
    """Exponential moving average that forgets the start of a short training faster."""

    @torch.no_grad()
    def update(averaged, current, n):
        weight = 1 - min(decay, float((1 + n) / (10 + n)))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, weight)
        else:  # counters of batch normalization
            torch._foreach_copy_(averaged, current)

    return update


class _Watch:
    """Validation: the best weights, and whether patience ran out."""

    def __init__(self, validate, patience):
        self.validate, self.patience = validate, patience
        self.best, self.best_score, self.since = None, -float("inf"), 0

    @property
    def exhausted(self):
        return self.patience is not None and self.since >= self.patience

    def look(self, network, progress):
        if self.validate is None or progress < 0.5:
            return {}
        score = float(self.validate(network))
        self.since += 1
        if score > self.best_score:
            self.best, self.best_score, self.since = copy.deepcopy(network.state_dict()), score, 0
        return {"validation_score": score}


class _Report:
    """Rows of the history, and the progress bar."""

    def __init__(self, budget, verbose):
        self.budget, self.rows, self.losses = budget, [], []
        self.bar = tqdm(total=100, unit="%", disable=not verbose, desc="training")
        self.pending = None

    def add(self, step, loss, rate):
        """Note a step; True where a row of the history is due."""
        self.losses.append(loss)
        progress = min(1.0, self.budget.progress(step))
        self.bar.update(int(100 * progress) - self.bar.n)
        self.pending = {"step": step, "loss": sum(self.losses) / len(self.losses),
                        "learning_rate": rate}  # fmt: skip
        return progress >= (len(self.rows) + 1) / _REPORTS

    def close_row(self, more):
        row = {"step": self.pending["step"], "time": self.budget.elapsed(), **self.pending, **more}
        self.bar.set_postfix({k: f"{row[k]:.4f}" for k in ("loss", "validation_score") if k in row})
        self.rows.append(row)
        self.losses, self.pending = [], None

    def finish(self):
        if self.pending is not None:
            self.close_row({})
        self.bar.close()
