"""How a scan is cut into blocks: everything that is known before a pixel is read."""

import math
from dataclasses import replace
from itertools import groupby

import numpy as np
from sklearn.base import clone

from ..inference.blocks import cut
from ..io.scans import Scan
from .boxes import boxes
from .job import Job

_BLOCK = {2: (2048, 2048), 3: (128, 512, 512)}
_HALO = {2: 128, 3: 32}
_RADII = 8  # of objects, that a halo is long
_FOREVER = 2**30
BYTES = 40  # a voxel of a block needs: probabilities, mask, relief, labels, and their copies
PREDICTED_BYTES = 20  # and one that the network sees: the image, scaled, standardized, probability


def make_job(
    estimator, scan, block_shape, halo, *, skip_below=None, mask=None, memory=None, chosen=None
):
    """Check everything that does not need a pixel, and plan the blocks.

    Parameters
    ----------
    estimator, block_shape, halo, skip_below, mask
        As `count_scan` takes them.
    scan : Scan or dask array
    memory : int, default=None
        Bytes that a worker has, by which a `block_shape` of None is chosen.
    chosen : tuple of int, default=None
        What was chosen for a `block_shape` of None in an earlier call.

    Returns
    -------
    Job
    """
    counter = _check_estimator(estimator)
    consecutive = counter.sections == "consecutive"
    ndim = counter.spatial_ndim + consecutive
    scan = _check_scan(scan, ndim)
    _check_channels(estimator, scan, ndim)
    scan = _check_spacing(counter, scan)
    if consecutive:
        _check_scaling(estimator)
    shape = scan.data.shape[:ndim]
    mask = _check_mask(mask, shape)
    chunks = scan.data.chunksize[:ndim]
    if chosen is None:
        chosen = choose_block(shape, chunks, memory, *_needs_of_block(counter, ndim))
    sides = _check_sizes("block_shape", block_shape, chosen, shape, 1)
    job = Job(estimator, scan, sides, skip_below=skip_below, mask=mask)
    job.halo = _check_halo(job, halo)
    job.grid = boxes([cut(*axis, 0) for axis in zip(shape, sides, strict=True)])
    if job.by_contours:
        _plan_detection(job)
    else:
        _plan_prediction(job, None if block_shape is None else sides)
    return job


def _plan_prediction(job, wanted):
    """A grid of the network's own; what it sees at once is `wanted`, where that is given."""
    segmenter, shape = job.network, job.shape
    core, halo = segmenter.block_sizes(shape, wanted)
    core = tuple(min(side, size) for side, size in zip(core, shape, strict=True))
    job.core, job.network_halo, job.network_stride = core, halo, (1,) * len(shape)
    job.predict_grid = boxes([cut(*axis) for axis in zip(shape, core, halo, strict=True)])
    steps = list(job.estimator.steps)
    steps[-2] = (steps[-2][0], segmenter.for_blocks(core, halo))
    job.estimator = type(job.estimator)(steps)


def _plan_detection(job):
    """The network sees each block with its halo, and what it needs around that."""
    sides = zip(job.block_shape, job.halo, job.shape, strict=True)
    job.core = tuple(min(block + 2 * halo, size) for block, halo, size in sides)
    job.network_halo, job.network_stride = job.network.block_halo()
    job.predict_grid = [job.box(i) for i in range(len(job.grid))]


def _bytes_of_splitting(n_pixels):
    return BYTES * n_pixels


def _needs_of_block(counter, ndim):
    """How many bytes a block takes, by its pixels, its halo, and what the network sees beyond; with
    that network, where it sees blocks whole."""
    if counter.detector_ is None:
        return _bytes_of_splitting, _HALO[ndim], 0
    detector = counter.detector_
    halos = _contour_halo(detector), max(detector.block_halo()[0])
    return lambda n: (BYTES + PREDICTED_BYTES) * n + detector.block_bytes(n), *halos


def _contour_halo(detector):
    return math.ceil(_RADII * float(detector.network_.scale))


def choose_block(shape, chunks, memory=None, bytes_of=_bytes_of_splitting, halo=None, beyond=0):
    """Pixels of a block: as many as fit, in whole chunks of the scan where these are smaller.

    Parameters
    ----------
    shape, chunks : tuple of int
        Of the scan.
    memory : int, default=None
        Bytes of a worker, of which blocks may take half; None is no limit.
    bytes_of : callable
        Bytes that a block of so many pixels takes; 40 for each by default.
    halo : int, default=None
        Pixels that are read beyond it on each side, at most a quarter of it; None is 128 in a
        plane, 32 in a volume.
    beyond : int, default=0
        And what the network sees beyond these.

    Returns
    -------
    tuple of int
    """
    sides = list(_BLOCK[len(shape)])
    halo = _HALO[len(shape)] if halo is None else halo
    while memory is not None and min(sides) > 64:
        read = [side + 2 * (min(halo, side // 4) + beyond) for side in sides]
        if bytes_of(math.prod(read)) <= memory // 2:
            break
        longest = int(np.argmax(sides))
        sides[longest] //= 2
    sides = [s // c * c if c < s else s for s, c in zip(sides, chunks, strict=True)]
    return tuple(min(side, size) for side, size in zip(sides, shape, strict=True))


def needs(job):
    """Which blocks of which stage must be finished before a block of a stage.

    Returns
    -------
    dict of (stage, block) to list of (stage, block)
        In the order in which blocks are best done.
    """
    n_blocks = len(job.grid)
    if job.by_contours:
        found = {("label", i): [] for i in range(n_blocks)}
    else:
        predicted = _Lookup(job.predict_grid)
        found = {("predict", i): [] for i in range(len(job.predict_grid))}
        for i in range(n_blocks):
            found["label", i] = [("predict", k) for k in predicted.meeting(job.box(i))]
    for i in range(n_blocks):
        found["match", i] = [("label", j) for j in (i, *job.following(i).values())]
    return found


def pyramid_levels(job):
    """Blocks of each level of the pyramid, of which one is made of the one before."""
    rows = list(enumerate(level for level, _ in job.shrinking()))
    return [[k for k, _ in group] for _, group in groupby(rows, key=lambda row: row[1])]


class _Lookup:
    """Boxes of a grid by the places where they start, along each axis."""

    def __init__(self, grid):
        self.grid = grid
        self.starts = [sorted({box[a].start for box in grid}) for a in range(len(grid[0]))]

    def meeting(self, box):
        """Rows of the boxes that share a pixel with a box."""
        ranges = [
            range(max(0, int(np.searchsorted(starts, part.start, "right")) - 1),
                  int(np.searchsorted(starts, part.stop, "left")))
            for starts, part in zip(self.starts, box, strict=True)
        ]  # fmt: skip
        lengths = [len(starts) for starts in self.starts]
        places = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(lengths))
        rows = np.ravel_multi_index(tuple(places.T), lengths)
        return [int(row) for row in rows]


def _check_halo(job, halo):
    sides = zip(job.block_shape, job.shape, strict=True)
    most = _HALO[len(job.shape)]
    if job.by_contours:  # whose typical radius is known
        most = _contour_halo(job.network)
    default = [0 if job.exact or block == size else min(most, block // 4) for block, size in sides]
    if job.consecutive:
        default[0] = 0
    halo = _check_sizes("halo", halo, default, (_FOREVER,) * len(job.shape), 0)
    sides = zip(job.block_shape, halo, job.shape, strict=True)
    for axis, (block, margin, size) in enumerate(sides):
        if block < size and margin > block:
            raise ValueError(
                f"block_shape must be at least as long as the halo, got {block} and {margin} along "
                f"axis {axis}."
            )
    if job.exact:
        return (0,) * len(job.shape)
    return (0, *halo[1:]) if job.consecutive else halo


def _check_scan(scan, ndim):
    """A scan of `ndim` axes, and perhaps channels."""
    if not isinstance(scan, Scan):
        if scan.ndim not in (ndim, ndim + 1):
            raise ValueError(
                f"source must have {ndim} spatial axes, and perhaps channels, got {scan.shape}."
            )
        axes = "zyx"[-ndim:] + "c" * (scan.ndim - ndim)
        scan = Scan(scan, axes, (1.0,) * ndim, None, f"dask {scan.name}")
    if len(scan.spacing) != ndim:
        raise ValueError(
            f"source has the axes {scan.axes!r}; the estimator wants {ndim} spatial axes."
        )
    return scan


def _check_channels(estimator, scan, ndim):
    """As many channels as the pipeline was fitted on."""
    n_channels = scan.data.shape[ndim] if scan.data.ndim > ndim else 1
    first = estimator[0]
    if len(estimator.steps) == 1:
        first = first.detector_
    known = len(first.low_) if hasattr(first, "low_") else getattr(first, "n_channels_", n_channels)
    if known != n_channels:
        raise ValueError(f"source must have {known} channel(s), got {n_channels}.")


def _check_spacing(counter, scan):
    """The scan with its spacing, or the counter's where none is known; they must tell the same
    shape of a pixel."""
    if counter.spacing is None:
        return scan
    if scan.unit is None and set(scan.spacing) == {1.0}:
        return replace(scan, spacing=tuple(float(step) for step in counter.spacing))
    ratio = np.divide(scan.spacing, counter.spacing)
    if not np.allclose(ratio, ratio[0], rtol=1e-3):
        raise ValueError(
            f"The counter has spacing={tuple(counter.spacing)}, the source {scan.spacing}: give "
            "open_scan(..., spacing=...), or a counter of the source's."
        )
    return scan


def _check_mask(mask, shape):
    if mask is None:
        return None
    if getattr(mask, "ndim", None) != len(shape) or getattr(mask, "dtype", None) is None:
        raise ValueError(f"mask must be an array of {len(shape)} axes, got {mask!r}.")
    if mask.dtype.kind not in "bui" or any(
        not 0 < coarse <= fine for coarse, fine in zip(mask.shape, shape, strict=True)
    ):
        raise ValueError(
            f"mask must be of bool or int and nowhere finer than the scan of shape {shape}, got "
            f"{mask.dtype} of shape {mask.shape}."
        )
    return mask


def _check_estimator(estimator):
    """The counter of a fitted pipeline."""
    steps = getattr(estimator, "steps", None)
    last = steps[-1][1] if steps else None
    by_contours = getattr(last, "detector_", None) is not None
    if last is None or not hasattr(last, "threshold_") or len(steps) < 2 - by_contours:
        raise ValueError(
            "estimator must be a fitted pipeline of a segmenter and an InstanceCounter at its end, "
            "or of an InstanceCounter(method='contours') that works on images, got "
            f"{estimator!r}."
        )
    if last.margin:
        raise ValueError(
            "The counter of a scan must have margin=0, since all objects of the scan are told, got "
            f"{last.margin}; the table's touches_border tells those at its border."
        )
    if by_contours:
        _check_contours(steps)
        return last
    segmenter = steps[-2][1]
    if not hasattr(segmenter, "block_sizes"):
        raise ValueError(f"The step before the counter must be a segmenter, got {segmenter!r}.")
    if segmenter.sections != last.sections:
        raise ValueError(
            "Segmenter and counter must both have sections='consecutive', or neither, got "
            f"{segmenter.sections!r} and {last.sections!r}."
        )
    return last


def _check_contours(steps):
    """Steps that leave images what they are, and a counter of independent planes."""
    counter = steps[-1][1]
    if counter.spatial_ndim != 2 or counter.sections == "consecutive":
        raise ValueError(
            "method='contours' finds objects in independent two-dimensional images, got "
            f"spatial_ndim={counter.spatial_ndim} and sections={counter.sections!r}."
        )
    for _, step in steps[:-1]:
        if hasattr(step, "predict_proba"):
            raise ValueError(
                "InstanceCounter(method='contours') finds objects in images: no segmenter goes "
                f"before it in estimator, got {step!r}."
            )


def freeze(job, ledger=None):
    """Give scalers of an image the statistics of the whole scan, which is read for that; those that
    an earlier run noted, where `ledger` has them."""
    steps = list(job.estimator.steps)
    for at, (name, step) in enumerate(steps):
        if getattr(step, "scope", None) != "image":
            continue
        frozen = clone(step).set_params(scope="dataset")
        if ledger is not None and ledger.has("scaling", at):
            found = ledger.read("scaling", at)
            frozen.low_, frozen.high_ = found["low"], found["high"]
        else:
            frozen.fit(job.scan.data[None])
            if ledger is not None:
                ledger.write("scaling", at, low=frozen.low_, high=frozen.high_)
        steps[at] = (name, frozen)
    job.estimator = type(job.estimator)(steps)


def _check_scaling(estimator):
    for _, step in estimator.steps:
        if getattr(step, "scope", None) == "image":
            raise ValueError(
                f"{type(step).__name__}(scope='image') scales each section by itself, which a "
                "block does not see whole: use scope='dataset'."
            )


def _check_sizes(name, sizes, default, shape, least):
    """One integer an axis, not longer than the scan."""
    given = default if sizes is None else sizes
    given = np.atleast_1d(given)
    if given.dtype.kind not in "iu" or given.shape not in ((1,), (len(shape),)):
        raise ValueError(f"{name} must be {len(shape)} integers, got {sizes!r}.")
    if given.min() < least:
        raise ValueError(f"{name} must be at least {least}, got {sizes!r}.")
    given = np.broadcast_to(given, len(shape))
    return tuple(min(int(side), size) for side, size in zip(given, shape, strict=True))
