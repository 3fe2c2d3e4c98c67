"""Training a refiner against a discriminator."""

import warnings
from math import cos, pi

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

_REPORTS = 10
_BLUR = 2.0  # pixels
_LOCAL = 0.5  # share of gradients in the self-regularization
_RINGS = 5  # pixels on each side of outlines
_SLIGHT = 0.1  # difference of intensities
_BETAS = (0.0, 0.9)
_CALM = 0.02  # share of the training in which only the discriminator learns


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

    def __init__(self, size, rng):
        self.size, self.rng, self.images = size, rng, []

    def mix(self, images):
        """Half of a batch, and as many from the buffer; half of the batch is then kept.

        Parameters
        ----------
        images : Tensor of shape (batch, ...)

        Returns
        -------
        Tensor of the same shape
        """
        half = len(images) // 2
        mixed = images
        if half and len(self.images) >= half:
            old = self.rng.choice(len(self.images), half, replace=False)
            mixed = torch.cat([images[half:], torch.stack([self.images[i] for i in old])])
        for image in images[:half]:
            if len(self.images) < self.size:
                self.images.append(image)
            else:
                self.images[int(self.rng.integers(self.size))] = image
        return mixed


def self_regularization(refined, images, conditioning):
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
        Of `sskseg.simulation.label_conditioning`.

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
    sums, within = [], torch.zeros_like(near)
    for _ in range(_RINGS):
        rings = (near - within) * objects, (near - within) * (1 - objects)
        if not all(ring.any() for ring in rings):  # no object is so thick
            break
        sums.append(sum((change * ring).sum() / ring.sum() for ring in rings))
        within, near = near, grow(near, 3, stride=1, padding=1)
    if not sums:
        return change.new_zeros(())
    differences = torch.stack(sums) - sums[-1]
    # Quadratic where small: absolute values would hold back all that the refiner learns first.
    return F.smooth_l1_loss(differences, torch.zeros_like(differences), beta=_SLIGHT)


def train_refiner(
    refiner, discriminator, simulated, real, budget, settings, *, weight, rng, monitor
):  # fmt: skip
    """Train a refiner adversarially.

    Hinge losses, spectral normalization, a discriminator that learns four times faster, and a
    history of refined images.

    Parameters
    ----------
    refiner, discriminator : torch.nn.Module
        Trained in place.
    simulated : iterator of (images, conditioning)
    real : iterator of images
    budget : Budget
    settings : LoopSettings
        Its learning rate is the discriminator's.
    weight : float
        Of the self-regularization.
    rng : numpy.random.Generator
    monitor : callable
        ``monitor(progress) -> (dict, bool)``: further columns of the history, and whether to stop;
        called 10 times.

    Returns
    -------
    history : list of dict
        ``step, time, adversarial, regularization, discriminator`` (means since the last row) and
        what `monitor` returns.

    Warns
    -----
    UserWarning
        If training ends because a loss is not finite, or is interrupted.
    """
    rates = settings.learning_rate / 4, settings.learning_rate
    optimizers = [
        torch.optim.Adam(network.parameters(), rate, betas=_BETAS)
        for network, rate in zip((refiner, discriminator), rates, strict=True)
    ]
    buffer, rows, losses, step = HistoryBuffer(200, rng), [], [], 0
    bar = tqdm(total=100, unit="%", disable=not settings.verbose, desc="refining")
    try:
        while budget.progress(step) < 1:
            progress = budget.progress(step)
            for optimizer, rate in zip(optimizers, rates, strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = rate * 0.5 * (1 + cos(pi * progress))
            losses.append(_step(
                refiner, discriminator, optimizers, next(simulated), next(real), buffer, settings,
                weight if progress >= _CALM else None, rng,
            ))  # fmt: skip
            step += 1
            if not np.isfinite(losses[-1]).all():
                warnings.warn(
                    f"Refining diverged: the losses are {losses[-1]} at step {step}. Lower "
                    f"learning_rate (now {settings.learning_rate:g}); the last good state is kept.",
                    stacklevel=2,
                )
                break
            bar.update(int(100 * min(1.0, budget.progress(step))) - bar.n)
            if budget.progress(step) >= (len(rows) + 1) / _REPORTS:
                more, stop = monitor(progress)
                names = ("adversarial", "regularization", "discriminator")
                means = dict(zip(names, np.mean(losses, axis=0).tolist(), strict=True))
                rows.append({"step": step, "time": budget.elapsed(), **means, **more})
                losses = []
                if stop:
                    break
    except KeyboardInterrupt:
        warnings.warn(f"Refining was interrupted at step {step}; the last good state is kept.",
                      stacklevel=2)  # fmt: skip
    finally:
        bar.close()
    return rows


def _step(refiner, discriminator, optimizers, batch, real, buffer, settings, weight, rng):
    """One step of both; the refiner learns nothing where `weight` is None."""
    images, conditioning = batch
    seed = int(rng.integers(2**62))
    generator = torch.Generator(images.device).manual_seed(seed)
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    mixed = settings.dtype != torch.float32
    with torch.autocast(settings.device.type, settings.dtype, enabled=mixed):
        refined = refiner(images, conditioning, noise)
        shown = buffer.mix(refined.detach().float())
        both = discriminator(torch.cat([real, shown]))
        loss = sum(
            F.relu(1 - s[: len(real)].float()).mean() + F.relu(1 + s[len(real) :].float()).mean()
            for s in both
        ) / len(both)
    optimizers[1].zero_grad(set_to_none=True)
    loss.backward()
    optimizers[1].step()
    if weight is None:
        return 0.0, 0.0, float(loss.detach())
    with torch.autocast(settings.device.type, settings.dtype, enabled=mixed):
        scores = discriminator(refined)
        adversarial = -sum(s.float().mean() for s in scores) / len(scores)
        kept = self_regularization(refined.float(), images, conditioning)
    optimizers[0].zero_grad(set_to_none=True)
    (adversarial + weight * kept).backward()
    torch.nn.utils.clip_grad_norm_(refiner.parameters(), 1.0)
    optimizers[0].step()
    return float(adversarial.detach()), float(kept.detach()), float(loss.detach())
