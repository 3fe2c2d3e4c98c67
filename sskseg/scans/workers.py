"""Running a stage over blocks, in threads or on a cluster."""

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial

from tqdm import tqdm

_RETRIES = 2


class ScanError(RuntimeError):
    """Blocks failed; all others are finished, and another call goes on with these.

    Parameters
    ----------
    failures : list of (str, int, Exception)
        Stage, block and reason; an attribute too.
    """

    def __init__(self, failures):
        self.failures = failures
        stage, block, error = failures[0]
        super().__init__(
            f"{len(failures)} block(s) failed after {1 + _RETRIES} tries, the first in stage "
            f"{stage!r}, block {block}: {error!r}. All others are finished: call count_scan again "
            "when the cause is gone."
        )


class Workers:
    """Runs a stage over those blocks that are not finished; a failed block is tried again."""

    def __init__(self, job, client, n_workers, verbose):
        self.job, self.client, self.verbose = job, client, verbose
        self.n_workers = n_workers or os.cpu_count() or 1
        self.remote = None if client is None else client.scatter(job, broadcast=True)

    def run(self, stage, blocks, threads=None):
        blocks = list(blocks)
        finished = set(self.job.ledger.finished(stage, blocks))
        todo = [block for block in blocks if block not in finished]
        failures = []
        bar = tqdm(total=len(blocks), initial=len(finished), desc=stage, unit="block",
                   disable=not self.verbose)  # fmt: skip
        for block, error in self._outcomes(stage, todo, threads or self.n_workers):
            bar.update()
            if error is not None:
                failures.append((stage, block, error))
        bar.close()
        if failures:
            raise ScanError(sorted(failures, key=lambda f: f[1]))

    def _outcomes(self, stage, todo, threads):
        if self.client is not None:
            yield from self._remote_outcomes(stage, todo)
            return
        with ThreadPoolExecutor(threads) as pool:
            futures = {pool.submit(_attempt, self.job, stage, block): block for block in todo}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _remote_outcomes(self, stage, todo):
        from distributed import as_completed as completed

        submit = partial(self.client.submit, _attempt, self.remote, stage, pure=False)
        futures = {submit(block): block for block in todo}
        for future in completed(futures):
            error = future.exception() if future.status == "error" else future.result()
            yield futures[future], error


def _attempt(job, stage, block):
    """Do a block, again if it fails; returns the last error, or None."""
    for _ in range(1 + _RETRIES):
        try:
            getattr(job, stage)(block)
            return None
        except Exception as error:  # told by `ScanError`
            last = error
    return last
