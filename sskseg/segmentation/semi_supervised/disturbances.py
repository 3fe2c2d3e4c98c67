"""Disturbed probabilities of sections, with the errors that predictions of new sections have."""

import torch
import torch.nn.functional as F

_SHARE = 0.3  # of the sections that are disturbed


class DisturbedSections:
    """Endless iterator of batches of probabilities whose sections are disturbed.

    A network predicts the sections that it was trained on better than others. So that a correction
    learned from the former serves the latter, some sections are replaced by a neighbor, their
    objects are thinned or thickened, or a part of them is copied from another place.

    Parameters
    ----------
    batches : iterator of Batch
        Images are (batch, n_sections * n_outputs, *patch).
    n_outputs : int
        Channels of one section.
    rng : numpy.random.Generator
    """

    def __init__(self, batches, n_outputs, rng):
        self.batches, self.n_outputs, self.rng = batches, n_outputs, rng

    def __iter__(self):
        return self

    def __next__(self):
        """Return a `Batch`."""
        batch = next(self.batches)
        probabilities = batch.images.unflatten(1, (-1, self.n_outputs))
        return batch._replace(images=disturb_sections(probabilities, self.rng).flatten(1, 2))


def disturb_sections(probabilities, rng):
    """Disturb some sections of stacks of probabilities.

    Parameters
    ----------
    probabilities : Tensor of shape (batch, n_sections, n_outputs, *spatial)
    rng : numpy.random.Generator

    Returns
    -------
    Tensor of that shape
        A copy.
    """
    result = probabilities.clone()
    batch, n_sections = probabilities.shape[:2]
    for sample in range(batch):
        for section in range(n_sections):
            if rng.random() < _SHARE:
                change = _CHANGES[rng.integers(len(_CHANGES))]
                result[sample, section] = change(probabilities, sample, section, rng)
    return result


def _neighbor(probabilities, sample, section, rng):
    other = section + rng.choice([-1, 1])
    return probabilities[sample, min(max(other, 0), probabilities.shape[1] - 1)]


def _resized(probabilities, sample, section, rng):
    """Objects thinner or thicker by a pixel or two; of classes, the one that grows is drawn."""
    section = probabilities[sample, section]
    pool = F.max_pool2d if section.ndim == 3 else F.max_pool3d
    reach = int(rng.integers(1, 3))
    sign = torch.ones(len(section)) if rng.random() < 0.5 else -torch.ones(len(section))
    if len(section) > 1:
        sign = -torch.ones(len(section))
        sign[rng.integers(len(section))] = 1
    sign = sign.to(section).view(-1, *(1,) * (section.ndim - 1))
    resized = sign * pool(sign * section, 2 * reach + 1, stride=1, padding=reach)
    return resized if len(section) == 1 else resized / resized.sum(0).clamp_min(1e-6)


def _elsewhere(probabilities, sample, section, rng):
    """A box from another sample: false negatives and false positives."""
    result = probabilities[sample, section].clone()
    box = [slice(None)]
    for size in result.shape[1:]:
        side = int(rng.integers(1, max(2, size // 2 + 1)))
        start = int(rng.integers(size - side + 1))
        box.append(slice(start, start + side))
    result[tuple(box)] = probabilities[int(rng.integers(len(probabilities))), section][tuple(box)]
    return result


_CHANGES = (_neighbor, _resized, _elsewhere)
