"""Training a refiner against a discriminator."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..training import Budget, History, LoopSettings, prefetch_on_gpu, run_steps
from ..training.lean_optimizers import Adam
from ..training.loop import Monitor, readable
from ..training.optimizers import cosine
from .network import PatchDiscriminator, Refiner

_N_ENTRIES = 10  # of the history
_BLUR = 2.0  # pixels
_LOCAL = 0.5  # share of gradients in the self-regularization
_RINGS = 5  # pixels on each side of outlines
_SLIGHT = 0.1  # difference of intensities
_BETAS = (0.0, 0.9)
_DISCRIMINATOR_ONLY = 0.02  # share of the training in which only the discriminator learns


class HistoryBuffer:
    """Refined images of the past, of which the discriminator is shown some again.

    Parameters
    ----------
    size : int
        Images that are kept.
    rng : numpy.random.Generator

    References
    ----------
    .. [1] Shrivastava et al. Learning from simulated and unsupervised images through adversarial
       training. CVPR 2017. :doi:`10.1109/CVPR.2017.241`
    """

    images: list[Tensor]

    def __init__(self, size: int, rng: np.random.Generator):
        self.size, self.rng, self.images = size, rng, []

    def mix(self, images: Tensor) -> Tensor:
        """Half of a batch, and as many from the buffer; half of the batch is then kept.

        A single image is kept each time, and replaced by one from the buffer every other time.

        Parameters
        ----------
        images : Tensor of shape (batch, ...)

        Returns
        -------
        Tensor of the same shape
        """
        n_old = len(images) // 2 if len(images) > 1 else int(self.rng.random() < 0.5)
        mixed = images
        if n_old and len(self.images) >= n_old:
            old = self.rng.choice(len(self.images), n_old, replace=False)
            mixed = torch.cat([images[n_old:], torch.stack([self.images[i] for i in old])])
        for image in images[: max(1, len(images) // 2)]:
            if len(self.images) < self.size:
                self.images.append(image)
            else:
                self.images[int(self.rng.integers(self.size))] = image
        return mixed


def self_regularization(refined: Tensor, images: Tensor, conditioning: Tensor) -> Tensor:
    """How much a refiner changes what labels depend on.

    The mean absolute difference of blurred intensities everywhere, and that of gradients inside of
    objects and along their outlines, half of each; and what makes all objects look larger or
    smaller than their labels, a faint halo, say. The last term uses the mean difference p(d) at
    distance d from outlines: where only contrast and sharpness change, p(d) + p(-d) is the same for
    all d; it counts how much this sum differs from that 5 pixels away.

    Parameters
    ----------
    refined, images : Tensor of shape (batch, 1, *spatial)
    conditioning : Tensor of shape (batch, 3, *spatial)
        Output of `sskseg.simulation.label_conditioning`.

    Returns
    -------
    Tensor
        A scalar.
    """
    change = refined - images
    near = conditioning[:, :2].amax(1, keepdim=True)
    slopes = [
        (change.diff(dim=axis).abs() * near.narrow(axis, 1, near.shape[axis] - 1)).sum()
        for axis in range(2, change.ndim)
    ]
    slope = sum(slopes) / (len(slopes) * near.sum()).clamp(min=1.0)
    return (
        (1 - _LOCAL) * _blurred(change).abs().mean() + _LOCAL * slope + _bias(change, conditioning)
    )


def _blurred(x):
    """Blur (batch, 1, *spatial) by a Gaussian, axis after axis."""
    reach = round(2 * _BLUR)
    at = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (at / _BLUR) ** 2)
    kernel /= kernel.sum()
    for axis in range(2, x.ndim):
        rows = x.movedim(axis, -1)
        shape = rows.shape
        rows = F.pad(rows.reshape(-1, 1, shape[-1]), (reach, reach), mode="replicate")
        x = F.conv1d(rows, kernel.view(1, 1, -1)).view(shape).movedim(-1, axis)
    return x


def _bias(change, conditioning):
    """How much the mean change on both sides of outlines differs from that further away."""
    objects, near = conditioning[:, :1], conditioning[:, 1:2]
    grow = F.max_pool2d if conditioning.ndim == 4 else F.max_pool3d
    within, is_there = torch.zeros_like(near), near.new_ones((), dtype=torch.bool)
    means, counted = [], []
    for _ in range(_RINGS):
        rings = (near - within) * objects, (near - within) * (1 - objects)
        sizes = [ring.sum() for ring in rings]
        for size in sizes:  # objects may not be so thick
            is_there = is_there & (size > 0)
        means.append(sum(
            (change * ring).sum() / size.where(size > 0, 1)
            for ring, size in zip(rings, sizes, strict=True)
        ))  # fmt: skip
        counted.append(is_there)
        within, near = near, grow(near, 3, stride=1, padding=1)
    outermost = torch.stack(counted).sum()  # number of rings: to read it would wait for a GPU
    last = torch.stack(means).gather(0, (outermost - 1).clamp_min(0)[None])
    differences = torch.where(torch.stack(counted), torch.stack(means) - last, 0)
    # Quadratic where small: absolute values would hold back all that the refiner learns first.
    loss = F.smooth_l1_loss(
        differences, torch.zeros_like(differences), beta=_SLIGHT, reduction="sum"
    )
    return loss / outermost.clamp_min(1)


def train_refiner(
    refiner: Refiner,
    discriminator: PatchDiscriminator,
    simulated: Iterator[Tensor],
    real: Iterator[Tensor],
    budget: Budget,
    settings: LoopSettings,
    *,
    weight: float,
    rng: np.random.Generator,
    monitor: Monitor,
) -> list[dict[str, float]]:
    """Train a refiner adversarially.

    Hinge losses, spectral normalization, a discriminator that learns four times faster, and a
    history of refined images.

    Parameters
    ----------
    refiner, discriminator : torch.nn.Module
        Trained in place.
    simulated : iterator of Tensor of shape (batch, 4, *patch)
        Images, and the conditioning of their labels.
    real : iterator of Tensor of shape (batch, 1, *patch)
    budget : Budget
        One step is made at least.
    settings : LoopSettings
        Its learning rate is the discriminator's.
    weight : float
        Weight of the self-regularization.
    rng : numpy.random.Generator
    monitor : callable
        ``monitor(step)`` returns scores for the history, ``monitor.should_stop`` whether to end;
        called 10 times.

    Returns
    -------
    history : list of dict
        ``step, time, adversarial, regularization, discriminator, learning_rate`` and the scores of
        the monitor.

    Warns
    -----
    UserWarning
        If training ends because a loss is not finite, or is interrupted.
    """
    step = _AdversarialStep(refiner, discriminator, settings, weight, rng)
    history = History(
        budget, n_entries=_N_ENTRIES, description="refining", verbose=settings.verbose
    )
    try:
        with (
            prefetch_on_gpu(simulated, settings.device) as simulated,
            prefetch_on_gpu(real, settings.device) as real,
        ):
            run_steps(
                lambda progress, rate: step(next(simulated), next(real), progress, rate),
                lambda progress: settings.learning_rate * cosine(progress),
                budget, history, monitor=monitor,
            )  # fmt: skip
    except FloatingPointError as error:
        warnings.warn(
            f"{error} The learning rate is {settings.learning_rate:g}; the last good state is "
            "kept.",
            stacklevel=2,
        )
    return history.entries


class _AdversarialStep:
    """One step of gradient descent of the discriminator, and one of the refiner."""

    def __init__(self, refiner, discriminator, settings, weight, rng):
        self.refiner, self.discriminator = refiner, discriminator
        self.settings, self.weight, self.rng = settings, weight, rng
        self.buffer = HistoryBuffer(200, rng)
        self.refiner_optimizer, self.discriminator_optimizer = (
            Adam(network.parameters(), settings.learning_rate, betas=_BETAS)
            for network in (refiner, discriminator)
        )

    def __call__(self, batch, real, progress, learning_rate):
        """Return the losses by name."""
        images, conditioning = batch[:, :1], batch[:, 1:]
        _set_rate(self.refiner_optimizer, learning_rate / 4)
        _set_rate(self.discriminator_optimizer, learning_rate)
        noise = self._noise(images)
        with self.settings.autocast():
            refined = self.refiner(images, conditioning, noise)
        losses = {"adversarial": 0.0, "regularization": 0.0}
        discriminator_loss = self._train_discriminator(refined, real)
        if progress >= _DISCRIMINATOR_ONLY:
            losses = self._train_refiner(refined, images, conditioning)
        return {**losses, "discriminator": discriminator_loss}

    def _noise(self, images):
        seed = int(self.rng.integers(2**62))
        generator = torch.Generator(images.device).manual_seed(seed)
        return torch.randn(images.shape, generator=generator, device=images.device)

    def _train_discriminator(self, refined, real):
        with self.settings.autocast():
            mixed = self.buffer.mix(refined.detach().float())
            scores = self.discriminator(torch.cat([real, mixed]))
            n = len(real)
            hinges = [
                F.relu(1 - s[:n].float()).mean() + F.relu(1 + s[n:].float()).mean() for s in scores
            ]
            loss: Any = sum(hinges) / len(scores)
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.discriminator_optimizer.step()
        return readable(loss)

    def _train_refiner(self, refined, images, conditioning):
        with self.settings.autocast():
            scores = self.discriminator(refined)
            adversarial = -sum(s.float().mean() for s in scores) / len(scores)
            change = self_regularization(refined.float(), images, conditioning)
        self.refiner_optimizer.zero_grad(set_to_none=True)
        (adversarial + self.weight * change).backward()
        torch.nn.utils.clip_grad_norm_(self.refiner.parameters(), 1.0)
        self.refiner_optimizer.step()
        return {"adversarial": readable(adversarial), "regularization": readable(change)}


def _set_rate(optimizer, learning_rate):
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
