"""Losses that need no labels: what a network says must not depend on how an image is taken."""

from contextlib import contextmanager
from math import exp

import torch
import torch.nn.functional as F

from ...images.augmentation import Augmentation, adjust, sample_photometry

_STRONG = Augmentation(
    photometric_probability=0.8, gamma=0.5, contrast=0.4, brightness=0.4, noise=0.4, blur=1.5
)
_CONFIDENCE = 0.9
_DROPOUT = 0.5
_NOISE, _MAX_NOISE = 0.1, 0.2  # of the mean teacher, standard deviations of the images
_RAMP = 0.4  # share of the training in which the weight of the mean teacher rises


class ConsistencyLoss:
    """Supervised loss, and one of unlabeled patches against what a teacher says of them.

    Parameters
    ----------
    objective : ForegroundObjective or ClassObjective
    unlabeled : iterator of Batch
        Patches whose labels are not looked at.
    rng : numpy.random.Generator

    Attributes
    ----------
    teacher : torch.nn.Module or None
        The moving average of the network, see `watch`; None: the supervised loss alone.
    """

    def __init__(self, objective, unlabeled, rng):
        self.objective, self.unlabeled, self.rng = objective, unlabeled, rng
        self.teacher = None

    def watch(self, average):
        """Take a module as the teacher: a function for `optimize`'s callbacks."""
        self.teacher = average

    def __call__(self, network, batch, progress):
        loss = self.objective.loss(network, batch, progress)
        if self.teacher is None:
            return loss
        with _kept_statistics(network):
            return loss + self._unlabeled_loss(network, next(self.unlabeled).images, progress)

    def _unlabeled_loss(self, network, images, progress):
        raise NotImplementedError

    @torch.no_grad()
    def _teach(self, images):
        """Probabilities (batch, n_outputs, *spatial)."""
        return self.objective.activate(_first(self.teacher(images)))


class WeakToStrong(ConsistencyLoss):
    """What the teacher is sure of in a patch, the network is to say of it when its intensities are
    strongly changed and parts of it come from another patch (CutMix), and when half of the features
    of its lowest level are dropped, where the network has an attribute `dropout` [1]_ [2]_.

    References
    ----------
    .. [1] Yang, Qi, Feng, Zhang, Shi. Revisiting weak-to-strong consistency in semi-supervised
       semantic segmentation. CVPR 2023. :doi:`10.1109/CVPR52729.2023.00699`
    .. [2] French, Laine, Aila, Mackiewicz, Finlayson. Semi-supervised semantic segmentation needs
       strong, varied perturbations. BMVC 2020. :doi:`10.5244/C.34.136`
    """

    def _unlabeled_loss(self, network, images, progress):
        labels = self.objective.sure_labels(self._teach(images), _CONFIDENCE)
        labels = _padded(labels, images.shape[2:])
        half = len(images) // 2
        strong = adjust(images[:half].clone(), sample_photometry(_STRONG, self.rng, half))
        strong, mixed = cut_mix(strong, labels[:half], self.rng)
        loss = self.objective.overlap_loss(_first(network(strong)), mixed)
        with _dropped_features(network):
            logits = _first(network(images[half:]))
        return 0.5 * (loss + self.objective.overlap_loss(logits, labels[half:]))


class MeanTeacher(ConsistencyLoss):
    """Mean squared difference from what the teacher says of the same patches with other noise, with
    a weight that rises [1]_.

    References
    ----------
    .. [1] Tarvainen, Valpola. Mean teachers are better role models. NeurIPS 2017.
       :doi:`10.48550/arXiv.1703.01780`
    """

    def _unlabeled_loss(self, network, images, progress):
        target = self._teach(self._noisy(images))
        said = self.objective.activate(_first(network(self._noisy(images))))
        weight = exp(-5 * (1 - min(1.0, progress / _RAMP)) ** 2)
        return weight * (said - target).square().mean()

    def _noisy(self, images):
        generator = torch.Generator(images.device).manual_seed(int(self.rng.integers(2**62)))
        noise = torch.empty_like(images).normal_(generator=generator) * _NOISE
        return images + noise.clamp(-_MAX_NOISE, _MAX_NOISE)


def cut_mix(images, labels, rng):
    """Replace a box of each sample by that of the next one.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, *spatial)
    labels : Tensor of shape (batch, *spatial)
    rng : numpy.random.Generator

    Returns
    -------
    images, labels : Tensor
        Copies.
    """
    mixed, mixed_labels = images.clone(), labels.clone()
    for sample in range(len(images)):
        box = []
        for size in images.shape[2:]:
            side = max(1, int(size * rng.uniform(0.3, 0.7)))
            start = int(rng.integers(size - side + 1))
            box.append(slice(start, start + side))
        other = (sample + 1) % len(images)
        mixed[(sample, slice(None), *box)] = images[(other, slice(None), *box)]
        mixed_labels[(sample, *box)] = labels[(other, *box)]
    return mixed, mixed_labels


@contextmanager
def _kept_statistics(network):
    """Batch normalization by the batch, whose statistics are not remembered for predictions: those
    of images that are strongly changed are not those of images as they are."""
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


@contextmanager
def _dropped_features(network):
    """More dropout of the lowest level inside the block; nothing for networks without."""
    layer = getattr(network, "dropout", None)
    if not isinstance(layer, (torch.nn.Dropout, torch.nn.Dropout2d, torch.nn.Dropout3d)):
        layer = torch.nn.Dropout()
    before, layer.p = layer.p, max(layer.p, _DROPOUT)
    try:
        yield
    finally:
        layer.p = before


def _padded(labels, spatial):
    """Labels of the middle of patches, as those of whole patches."""
    margins = [(size - inner) // 2 for size, inner in zip(spatial, labels.shape[1:], strict=True)]
    amounts = [margin for m in reversed(margins) for margin in (m, m)]
    return F.pad(labels, amounts, value=-1)


def _first(outputs):
    return outputs[0] if isinstance(outputs, tuple) else outputs
