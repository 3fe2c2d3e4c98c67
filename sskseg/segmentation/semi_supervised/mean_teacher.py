"""Mean teacher: agree with the moving average of the network under other noise."""

from __future__ import annotations

from math import exp, inf
from typing import ClassVar

import torch

from ._teacher import TeacherMethod, first_output

_MAX_NOISE = 2.0  # standard deviations


class MeanTeacher(TeacherMethod):
    """Mean squared difference from the teacher's probabilities of the same noisy patches [1]_.

    Parameters
    ----------
    noise : float, default=0.1
        Standard deviation of the Gaussian noise, in units of the images' standard deviation.
    ramp_up : float in [0, 1], default=0.4
        Share of the training in which the weight rises, as ``exp(-5 (1 - progress / ramp_up)**2)``;
        0 is none.
    weight : float, default=1.0
        Weight of this loss, relative to the supervised one.
    teacher_start : float in [0, 1], default=0.1
        Share of the training after which there is a teacher.

    References
    ----------
    .. [1] Tarvainen, Valpola. Mean teachers are better role models. NeurIPS 2017.
       :doi:`10.48550/arXiv.1703.01780`
    """

    name = "mean-teacher"
    limits: ClassVar = {**TeacherMethod.limits, "noise": (0, inf), "ramp_up": (0, 1)}

    def __init__(self, noise=0.1, *, ramp_up=0.4, weight=1.0, teacher_start=0.1):
        self.noise = noise
        self.ramp_up = ramp_up
        self.weight = weight
        self.teacher_start = teacher_start

    def unlabeled_loss(self, network, images, progress):
        target = self.teach(self._noisy(images))
        predicted = first_output(network(self._noisy(images)))
        predicted = self.training.objective.activate(predicted)
        risen = min(1.0, progress / self.ramp_up) if self.ramp_up else 1.0
        weight = exp(-5 * (1 - risen) ** 2)
        return weight * (predicted - target).square().mean()

    def _noisy(self, images):
        generator = torch.Generator(images.device).manual_seed(int(self.rng.integers(2**62)))
        noise = torch.empty_like(images).normal_(generator=generator) * self.noise
        limit = _MAX_NOISE * self.noise
        return images + noise.clamp(-limit, limit)
