"""Which GPU a worker of a cluster uses."""

from __future__ import annotations

import re
import zlib


def worker_device() -> str | None:
    """Choose the GPU of this worker of a cluster; None where there is no choice."""
    import torch

    n_devices = torch.cuda.device_count()
    if n_devices < 2:
        return None
    try:
        from distributed import get_worker

        name = get_worker().name
    except (ImportError, ValueError):  # not a worker of a cluster
        return None
    return f"cuda:{choose_device(name, n_devices)}"


def choose_device(name: int | str, n_devices: int) -> int:
    """Choose one of the GPUs of a machine by the name of a worker.

    Parameters
    ----------
    name : int or str
        Its last number counts the workers of one machine (``2``, ``"SLURMCluster-7-2"``); a name
        without numbers is hashed.
    n_devices : int

    Returns
    -------
    int
    """
    numbers = re.findall(r"\d+", str(name))
    number = int(numbers[-1]) if numbers else zlib.crc32(str(name).encode())
    return number % n_devices
