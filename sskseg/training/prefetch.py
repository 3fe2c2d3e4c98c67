"""Make batches in threads, ahead of the training."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import torch
from joblib import cpu_count

_N_THREADS = min(8, cpu_count())


def prefetch(iterator: Iterator) -> Generator[Any, None, None]:
    """Make the items of an endless iterator in threads, some ahead.

    They are the same items in the same order. An error is raised in the place of its item.

    Parameters
    ----------
    iterator : iterator
        If it has a method `draw`, as `PatchBatches` has, up to eight items are made at once;
        otherwise one is made ahead.

    Yields
    ------
    object
    """
    draw, n_threads = partial(partial, next, iterator), 1
    if hasattr(iterator, "draw"):
        draw, n_threads = iterator.draw, _N_THREADS
    with ThreadPoolExecutor(n_threads) as pool:
        pending = deque(pool.submit(draw()) for _ in range(n_threads))
        while True:
            item = pending.popleft().result()
            pending.append(pool.submit(draw()))
            yield item


@contextmanager
def prefetch_on_gpu(iterator: Iterator, device: torch.device) -> Iterator[Iterator]:
    """Prefetch while a GPU trains; on a CPU threads would take the cores from the training.

    Parameters
    ----------
    iterator : iterator
    device : torch.device

    Yields
    ------
    iterator
        With the same items.
    """
    if device.type != "cuda":
        yield iterator
        return
    with closing(prefetch(iterator)) as ahead:  # also where a traceback would keep it
        yield ahead
