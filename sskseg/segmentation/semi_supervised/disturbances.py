"""Disturbed probabilities of sections, with the errors that predictions of new sections have."""

import numpy as np
import torch
import torch.nn.functional as F

from ...images import child_generator
from ...images.tensors import array_to_device, box_masks

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
        return self._disturbed(next(self.batches), self.rng)

    def draw(self):
        """Draw the next batch; return a function that makes it in any thread."""
        make, rng = self.batches.draw(), child_generator(self.rng)
        return lambda: self._disturbed(make(), rng)

    def _disturbed(self, batch, rng):
        probabilities = batch.images.unflatten(1, (-1, self.n_outputs))
        return batch._replace(images=disturb_sections(probabilities, rng).flatten(1, 2))


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
    stack = tuple(probabilities.shape)
    drawn: list[tuple[list, list]] = [
        ([], []) for _ in _CHANGES
    ]  # sections, and what is drawn for each
    for section in range(stack[0] * stack[1]):
        if rng.random() < _SHARE:
            kind = rng.integers(len(_CHANGES))
            drawn[kind][0].append(section)
            drawn[kind][1].append(_CHANGES[kind][0](section, stack, rng))
    sections = probabilities.flatten(0, 1)
    result = sections.clone()
    for (at, values), (_, change) in zip(drawn, _CHANGES, strict=True):
        if at:
            index = _index(at, sections)
            result.index_copy_(0, index, change(sections, index, values))
    return result.unflatten(0, stack[:2])


def _index(values, tensor):
    return array_to_device(np.array(values, np.int64), tensor.device)


def _draw_neighbor(section, stack, rng):
    """Index of the section before or after, which may be itself at the end of a stack."""
    sample, at = divmod(section, stack[1])
    return sample * stack[1] + min(max(at + rng.choice([-1, 1]), 0), stack[1] - 1)


def _neighbors(sections, index, others):
    return sections.index_select(0, _index(others, sections))


def _draw_size(section, stack, rng):
    """Pixels by which objects become thinner or thicker, and the sign for each output: of classes,
    the one that grows is drawn."""
    n_outputs = stack[2]
    reach = int(rng.integers(1, 3))
    signs = np.full(n_outputs, 1.0 if rng.random() < 0.5 else -1.0, np.float32)
    if n_outputs > 1:
        signs[:] = -1
        signs[rng.integers(n_outputs)] = 1
    return reach, signs


def _resized(sections, index, drawn):
    """Objects thinner or thicker by a pixel or two."""
    chosen = sections.index_select(0, index)
    pool = F.max_pool2d if chosen.ndim == 4 else F.max_pool3d
    signs = array_to_device(np.stack([signs for _, signs in drawn]), chosen.device)
    signed = signs.view(*signs.shape, *(1,) * (chosen.ndim - 2)).to(chosen.dtype)
    resized = signed * chosen
    for reach in {reach for reach, _ in drawn}:
        rows = _index([i for i, (r, _) in enumerate(drawn) if r == reach], chosen)
        grown = pool(resized.index_select(0, rows), 2 * reach + 1, stride=1, padding=reach)
        resized.index_copy_(0, rows, grown)
    resized = signed * resized
    if chosen.shape[1] == 1:
        return resized
    return resized / resized.sum(1, keepdim=True).clamp_min(1e-6)


def _draw_box(section, stack, rng):
    """First and last pixels of a box, and the section of another sample to copy it from."""
    starts, stops = [], []
    for size in stack[3:]:
        side = int(rng.integers(1, max(2, size // 2 + 1)))
        starts.append(int(rng.integers(size - side + 1)))
        stops.append(starts[-1] + side)
    return starts, stops, int(rng.integers(stack[0])) * stack[1] + section % stack[1]


def _copied(sections, index, drawn):
    """A box from another sample: false negatives and false positives."""
    starts, stops, others = (np.array(each) for each in zip(*drawn, strict=True))
    inside = box_masks(starts, stops, sections.shape[2:], sections.device).unsqueeze(1)
    return torch.where(inside, _neighbors(sections, index, others), sections.index_select(0, index))


_CHANGES = ((_draw_neighbor, _neighbors), (_draw_size, _resized), (_draw_box, _copied))
