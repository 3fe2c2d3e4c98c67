"""How a scan is cut for a segmenter, so that blocks give what the whole gives."""

from __future__ import annotations

from ..inference import (
    SectionPredictor,
    core_size,
    covers_reach,
    round_up,
    values_per_pixel,
)

_SECTIONS = 16  # of a block
_NETWORK_BYTES = 2**32  # of a block in the network, in float32


def block_bytes(predictor: SectionPredictor, n_channels: int, n_pixels: int) -> int:
    """Estimate the bytes that the network keeps of so many pixels at one time, in float32."""
    n_sections = predictor.sections.n_read
    network, ndim = predictor.first.network, predictor.first.ndim
    return int(4 * n_pixels * values_per_pixel(network, n_sections * n_channels, ndim))


def block_sizes(
    predictor: SectionPredictor,
    n_channels: int,
    shape: tuple[int, ...],
    wanted: tuple[int, ...] | None = None,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose the blocks in which a scan is predicted.

    Parameters
    ----------
    predictor : SectionPredictor
    n_channels : int
        Of the scan.
    shape : tuple of int
        Size of the scan in pixels. Consecutive sections are the first axis.
    wanted : tuple of int, default=None
        Pixels of a block, about; None is as many as the network takes in 4 GB. Where the halo does
        not cover the receptive field, blocks are the tiles of `predict`.

    Returns
    -------
    core, halo : tuple of int
        What a block writes, and reads beyond it on each side where the scan continues.

    Raises
    ------
    ValueError
        For a network without ``reach``.
    """
    network, tiling = predictor.first.network, predictor.first.tiling
    if not hasattr(network, "reach"):
        raise ValueError(
            "Scans are predicted with a network that has the attributes reach and stride, got "
            f"{type(network).__name__}."
        )
    plane = shape[-predictor.first.ndim :]
    axes = zip(plane, tiling.tile, tiling.halo, tiling.stride, strict=True)
    core, halo = tuple(core_size(*axis) for axis in axes), tiling.halo
    if covers_reach(halo, network):
        larger = _largest_core(predictor, n_channels, wanted)
        core = tuple(min(s, max(c, m)) for s, c, m in zip(plane, core, larger, strict=True))
    sections = predictor.sections
    if not sections.consecutive:
        return core, halo
    if predictor.correction is not None:
        more = predictor.correction.tiling.halo
        # Blocks begin at multiples of the stride, so that poolings lie as in the whole.
        sides = zip(halo, more, tiling.stride, strict=True)
        halo = tuple(round_up(a + b, step) for a, b, step in sides)
    return (_SECTIONS, *core), (sections.context + sections.correction_context, *halo)


def _largest_core(predictor, n_channels, wanted):
    """Sides of a block whose halo covers the receptive field: as wanted, or as memory allows."""
    tiling, ndim = predictor.first.tiling, predictor.first.ndim
    n_pixels = _NETWORK_BYTES * 1000 / block_bytes(predictor, n_channels, 1000)
    side = int(n_pixels ** (1 / ndim))
    if predictor.correction is not None:
        side //= 2  # it keeps the probabilities of several sections
    most = [(side - 2 * h) // s * s for h, s in zip(tiling.halo, tiling.stride, strict=True)]
    if wanted is None:
        return most
    wanted = [w // s * s for w, s in zip(wanted[-ndim:], tiling.stride, strict=True)]
    return [min(pair) for pair in zip(wanted, most, strict=True)]
