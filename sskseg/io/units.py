"""Units of length."""

from __future__ import annotations

import numpy as np

_LENGTHS = {  # in meters; the first name is that of NGFF
    1e-24: ("yoctometer", "ym"),
    1e-21: ("zeptometer", "zm"),
    1e-18: ("attometer", "am"),
    1e-15: ("femtometer", "fm"),
    1e-12: ("picometer", "pm"),
    1e-10: ("angstrom", "Å", "A"),
    1e-9: ("nanometer", "nm"),
    1e-6: ("micrometer", "µm", "μm", "um", "micron"),
    1e-3: ("millimeter", "mm"),
    1e-2: ("centimeter", "cm"),
    0.0254: ("inch", "in", "inches", '"'),
    0.1: ("decimeter", "dm"),
    0.3048: ("foot", "ft"),
    0.9144: ("yard", "yd"),
    1.0: ("meter", "m"),
    1e2: ("hectometer", "hm"),
    1e3: ("kilometer", "km"),
    1609.344: ("mile", "mi"),
    1e6: ("megameter", "Mm"),
    1e9: ("gigameter", "Gm"),
    1e12: ("terameter", "Tm"),
    1e15: ("petameter", "Pm"),
    3.0856775814913673e16: ("parsec", "pc"),
    1e18: ("exameter", "Em"),
    1e21: ("zettameter", "Zm"),
    1e24: ("yottameter", "Ym"),
}
_NO_UNITS = ("pixel", "px", "voxel", "")  # no length


def ngff_unit(unit: str) -> str | None:
    """Return the name that NGFF has for a unit of length, or None where it has none."""
    meters, name = _length(unit)
    return None if np.isnan(meters) else name


def unit_symbol(unit: str) -> str:
    """Return the symbol of a unit of length, such as "µm"; another unit as it is."""
    return next((names[1] for names in _LENGTHS.values() if ngff_unit(unit) == names[0]), unit)


def convert_spacing(
    spacing: dict[str, float], units: dict[str, str], wanted: str | None, source: object
) -> tuple[dict[str, float], str | None]:
    """Convert sizes of pixels to one unit: `wanted`, or that of x.

    Returns
    -------
    spacing : dict of str to float
    unit : str or None

    Raises
    ------
    ValueError
        If a size is not positive, or cannot be converted.
    """
    spacing = _lengths(spacing, units)
    unit, converted = wanted or (units.get("x") if "x" in spacing else None), {}
    for axis, step in spacing.items():
        own = units.get(axis) or units.get("x")
        same = own in (None, unit) or axis not in "zyx"
        factor = 1.0 if same else _length(own)[0] / _length(unit)[0]
        converted[axis] = float(step) * factor
        if axis in "zyx" and not 0 < converted[axis] < np.inf:
            raise ValueError(
                f"{source} has pixels of {step!r} {own or ''} along {axis}; expected a positive "
                f"size in {unit or 'any unit'}: give spacing and unit."
            )
    return converted, unit


def per_millimeter(unit: str) -> float | None:
    """Return the length of a unit in millimeters, or None where it is no length."""
    meters, _ = _length(unit)
    return None if np.isnan(meters) else meters / 1e-3


def describe_size(spacing: dict[str, float], units: dict[str, str]) -> str:
    """Describe the size of a pixel along z, y and x, such as "z 2, y 0.5, x 0.5 µm".

    Parameters
    ----------
    spacing, units : dict of str to float, and to str
        By axis.

    Returns
    -------
    str
        "unknown" without any.

    Examples
    --------
    >>> from sskseg.io.units import describe_size
    >>> describe_size({"y": 0.5, "x": 0.5}, {"y": "nm", "x": "nm"})
    'y 0.5, x 0.5 nm'
    """
    steps = {axis: spacing[axis] for axis in "zyx" if axis in spacing}
    own = {axis: units.get(axis, "") for axis in steps}
    shared = len({*own.values()}) == 1
    parts = [f"{axis} {step:g}" if shared else f"{axis} {step:g} {own[axis]}".strip()
             for axis, step in steps.items()]  # fmt: skip
    text = ", ".join(parts) + (f" {own['x']}" if shared and own.get("x") else "")
    return text or "unknown"


Size = tuple[tuple[float, ...] | None, str | None]


def is_same_size(one: Size, other: Size) -> bool:
    """Return whether two sizes of a pixel are equal, whatever their units.

    Parameters
    ----------
    one, other : (tuple of float or None, str or None)
        Sizes along each axis, and their unit.

    Returns
    -------
    bool
        Whether they differ by less than the rounding of files, a ten-thousandth.
    """
    if one[0] is None or other[0] is None:
        return one[0] is other[0]
    meters = [_length(unit or "")[0] for _, unit in (one, other)]
    if np.isnan(meters).any():  # no lengths that this library has
        if one[1] != other[1]:
            return False
        meters = [1.0, 1.0]
    first, second = np.multiply(one[0], meters[0]), np.multiply(other[0], meters[1])
    return first.shape == second.shape and bool(np.allclose(first, second, rtol=1e-4, atol=0))


def complete_size(own: Size, other: Size) -> Size:
    """Complete a size of a pixel along y and x by that of another one along z.

    Parameters
    ----------
    own, other : (tuple of float or None, str or None)
        Sizes along each axis, and their unit.

    Returns
    -------
    (tuple of float or None, str or None)
        In the unit of `own`. `other` if `own` has no size, or they have no units of length, of
        which one is converted to the other.

    Examples
    --------
    >>> from sskseg.io.units import complete_size
    >>> complete_size(((0.25, 0.25), "um"), ((2000.0, 500.0, 500.0), "nm"))
    ((2.0, 0.25, 0.25), 'um')
    """
    if own[0] is None or other[0] is None or len(other[0]) <= len(own[0]):
        return other
    factor = np.divide(*(_length(unit or "")[0] for unit in (other[1], own[1])))
    if np.isnan(factor):
        return other
    lacking = [float(size * factor) for size in other[0][: -len(own[0])]]
    return (*lacking, *own[0]), own[1]


def _lengths(spacing, units):
    """Sizes by axis without those in pixels, which is no unit of length.

    All stay where another axis has a length: these do not fit together.
    """
    own = {axis: units.get(axis, units.get("x")) for axis in spacing}
    plain = {axis for axis, unit in own.items() if unit is not None and _is_no_unit(unit)}
    if set(spacing) & set("zyx") - plain:
        return spacing
    return {axis: step for axis, step in spacing.items() if axis not in plain}


def _is_no_unit(unit):
    return unit.lower().removesuffix("s") in _NO_UNITS


def _length(unit):
    """Meters of a unit, NaN if it is unknown, and its name."""
    for meters, names in _LENGTHS.items():
        if unit and (unit in names or unit.lower().removesuffix("s") in names):
            return meters, names[0]
    return np.nan, unit
