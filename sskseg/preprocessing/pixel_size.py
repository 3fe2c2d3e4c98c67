"""Images whose pixels have another size than those of the training images."""

from __future__ import annotations

import warnings

from ..io.units import Size, per_millimeter

_MAX_RATIO = 1.5


def warn_of_pixel_size(name: str, size: Size, trained: Size, stacklevel: int) -> None:
    """Warn if a pixel along x is much larger or smaller than one of the training images.

    Parameters
    ----------
    name : str
        Of the images.
    size, trained : (tuple of float or None, str or None)
        Sizes along each axis, and their unit. Sizes that cannot be compared give no warning.
    stacklevel : int
        Of the warning, as from the caller.
    """
    (steps, unit), (trained_steps, trained_unit) = size, trained
    theirs, ours = (per_millimeter(each or "") for each in (unit, trained_unit))
    if steps is None or trained_steps is None or (not (ours and theirs) and unit != trained_unit):
        return
    ratio = steps[-1] / trained_steps[-1] * ((theirs / ours) if ours and theirs else 1.0)
    if not 1 / _MAX_RATIO <= ratio <= _MAX_RATIO:
        warnings.warn(
            f"A pixel of {name} is {steps[-1]:.3g} {unit or ''}, and one of the images that the "
            f"model was trained on {trained_steps[-1]:.3g} {trained_unit or ''}: its results may "
            "be wrong. Resample the images, or train on images like these.",
            stacklevel=stacklevel + 1,
        )
