"""Training against what a teacher, the moving average of the network, predicts."""

from __future__ import annotations

from contextlib import contextmanager
from math import inf, isfinite
from numbers import Real
from typing import Any, ClassVar

import torch

from ._base import SemiSupervisedMethod


class TeacherMethod(SemiSupervisedMethod):
    """Base of methods that add a loss of unlabeled patches against a teacher.

    Subclasses have the parameters `weight` and `teacher_start`, and override `unlabeled_loss`.

    Attributes
    ----------
    limits : dict
        Lowest and highest value of each parameter.
    """

    has_teacher = True
    reads_probabilities = False
    limits: ClassVar[dict[str, tuple[float, float]]] = {"weight": (0, inf), "teacher_start": (0, 1)}
    weight: float
    teacher_start: float

    def loss(self, supervised):
        self._check()
        batches = self.training.unlabeled_batches()
        self.rng = self.training.child_generator()
        self.teacher: Any = None

        def total(network, batch, progress):
            loss = supervised(network, batch, progress)
            if self.teacher is None:
                return loss
            with _fixed_statistics(network):
                unlabeled = self.unlabeled_loss(network, next(batches).images, progress)
            return loss + self.weight * unlabeled

        return total

    def _check(self):
        for name, (low, high) in self.limits.items():
            value = getattr(self, name)
            is_finite = isinstance(value, Real) and isfinite(float(value))
            if not is_finite or not low <= float(value) <= high:
                limits = f"of at least {low}" if high == inf else f"from {low} to {high}"
                raise ValueError(f"{name} must be a number {limits}, got {value!r}.")

    def callbacks(self):
        return [(self.teacher_start, self.set_teacher)]

    def set_teacher(self, average: torch.nn.Module) -> None:
        """Train against `average` from now on; until then the loss is the supervised one."""
        self.teacher = average

    def unlabeled_loss(
        self, network: torch.nn.Module, images: torch.Tensor, progress: float
    ) -> torch.Tensor:
        """Return the loss of patches (batch, channels, *patch) without labels."""
        raise NotImplementedError

    @torch.no_grad()
    def teach(self, images: torch.Tensor) -> torch.Tensor:
        """Return the teacher's probabilities (batch, n_probabilities, *spatial)."""
        return self.training.objective.activate(first_output(self.teacher(images)))


def first_output(outputs):
    """Return the main output of a network that may have auxiliary heads."""
    return outputs[0] if isinstance(outputs, tuple) else outputs


@contextmanager
def _fixed_statistics(network):
    """Normalize by the statistics of the batch, and leave those for predictions unchanged.

    Those of strongly augmented images are not those of images to predict.
    """
    layers = [
        layer for layer in network.modules()
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm) and layer.track_running_stats
    ]  # fmt: skip
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True
