"""Which GPU a worker of a cluster uses, and how many threads torch has in one of a process."""

from __future__ import annotations

import os
import re
import zlib

from ..training import select_device
from .boxes import n_pixels
from .plan import Plan


def worker_device() -> str | None:
    """Choose the GPU of this worker of a cluster, or of this process of torchrun.

    Returns
    -------
    str or None
        None where there is no choice.
    """
    import torch

    n_devices = torch.cuda.device_count()
    if n_devices < 2:
        return None
    try:
        from distributed import get_worker

        name = get_worker().name
    except (ImportError, ValueError):  # not a worker of a cluster
        name = os.environ.get("LOCAL_RANK")  # of torchrun
    if name is None:
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


def torch_threads(plan: Plan, n_workers: int) -> int:
    """Choose how many threads torch has in each of the threads that run blocks.

    With one, each of them runs a network by itself, and none waits for another: networks of two
    threads wait for each other after each layer, and so for whatever else runs on their cores. Else
    one network runs at a time, with all threads: on a GPU, with fewer workers than cores, and where
    memory is too small for so many networks.

    Parameters
    ----------
    plan : Plan
    n_workers : int

    Returns
    -------
    int
    """
    import torch
    from distributed.system import MEMORY_LIMIT

    n_threads = torch.get_num_threads()
    reader, grid = plan.predictor or plan.objects, plan.network_grid
    boxes = [grid.input_box(i) for i in range(len(grid))]
    pixels = max(n_pixels(box[1:] if plan.consecutive else box) for box in boxes)
    fits = n_workers * reader.memory(pixels) <= MEMORY_LIMIT // 2
    return 1 if fits and n_workers >= n_threads and select_device().type == "cpu" else n_threads
