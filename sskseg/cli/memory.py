"""Too little memory: what was to be allocated, and which command needs less."""

from __future__ import annotations

import re

from .sizes import bytes_text

# Of torch on a CPU, which has no type of error for it.
_OF_TORCH = re.compile(r"DefaultCPUAllocator: .*allocate (\d+) bytes")
_BLOCKS = (
    "Smaller images need less, such as parts of them, and so does sskseg scan run, which reads an "
    "image of any size in blocks."
)
_ADVICE = {
    "count": _BLOCKS,
    "predict": _BLOCKS,
    "fit": "Smaller images need less, such as parts of them, and so does a smaller --batch-size or "
    "--patch-size.",
    "scan": "A smaller --block-shape needs less, and so do fewer --workers.",
}
_SMALLER = "Fewer or smaller images need less."


def memory_text(error: Exception, command: str) -> str | None:
    """Return what to say of an error if it is one of too little memory; None for another.

    Parameters
    ----------
    error : Exception
    command : str

    Returns
    -------
    str or None

    Examples
    --------
    >>> from sskseg.cli.memory import memory_text
    >>> memory_text(MemoryError("a.tif cannot be read as an image: 9 GiB."), "report")
    'there is too little memory: a.tif cannot be read as an image: 9 GiB. Fewer or smaller images \
need less.'
    >>> memory_text(RuntimeError("a fault"), "report")
    """
    on_cpu = _OF_TORCH.search(str(error))
    if on_cpu:
        reason = f": {bytes_text(int(on_cpu[1]))} for the network"
    elif isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # on a GPU
        reason = f": {error}".rstrip(".: ")
    else:
        return None
    return f"there is too little memory{reason}. {_ADVICE.get(command, _SMALLER)}"
