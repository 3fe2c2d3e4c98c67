"""What the result of a run depends on, in a form that can be compared."""

import hashlib
import json
import re
from functools import partial
from pathlib import Path

import numpy as np

_IRRELEVANT = ("history_", "transduction_", "verbose", "device")  # change no prediction


def fingerprint(job, estimator, keep_probabilities):
    """What the result depends on: dict of str to str.

    Parameters
    ----------
    job : Job
    estimator : Pipeline
        As `count_scan` was given it.
    keep_probabilities : bool
    """
    from dask.base import tokenize

    return {
        "model": _hash_of(estimator),
        "source": _hash_source(job.scan),
        "block_shape": json.dumps(job.block_shape),
        "predict_shape": predict_shape(job),
        "halo": str(job.halo),
        "skip_below": str(job.skip_below),
        "mask": "None" if job.mask is None else tokenize(job.mask),
        "keep_probabilities": str(keep_probabilities),
    }


def predict_shape(job):
    """Blocks of the network, which follow from `block_shape` only where that was given."""
    return json.dumps([job.core, job.network_halo])


def _hash_of(estimator):
    """SHA-256 of all parameters and weights."""
    digest = hashlib.sha256()

    def add(value):
        if isinstance(value, (np.random.Generator, np.random.RandomState)):
            return  # its state is what fitting left of it
        if isinstance(value, partial):
            value = [value.func, value.args, value.keywords]
        elif callable(value) and hasattr(value, "__qualname__"):
            value = _named(value)
        elif hasattr(value, "state_dict"):
            value = {k: v.cpu().numpy() for k, v in value.state_dict().items()}
        if hasattr(value, "get_params"):
            value = {"class": type(value).__name__, **{
                k: v for k, v in vars(value).items()
                if k not in _IRRELEVANT}}  # fmt: skip
        if isinstance(value, dict):
            for key in sorted(value):
                digest.update(str(key).encode())
                add(value[key])
        elif isinstance(value, (list, tuple)):
            for item in value:
                add(item)
        elif isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        else:
            # Without addresses, which are others in another process.
            digest.update(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value)).encode())

    add(estimator)
    return digest.hexdigest()


def _named(function):
    """A function's name; and what it does, where the name does not tell."""
    name = f"{function.__module__}.{function.__qualname__}"
    code = getattr(function, "__code__", None)
    if code is None or not ("<" in name or function.__module__ == "__main__"):
        return name
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return [name, _instructions(code), cells, function.__defaults__, function.__kwdefaults__]


def _instructions(code):
    inner = [_instructions(c) if hasattr(c, "co_code") else c for c in code.co_consts]
    return [code.co_code, code.co_names, inner]


def _hash_source(scan):
    """Shape, type, place, and the sizes and times of the files at that place.

    Not of the files in its folders, of which one may be put right between runs; what blocks were
    made of is compared besides.
    """
    path = Path(scan.source)
    if not path.exists():  # a dataset in a file
        path = Path(scan.source.rpartition(":")[0] or scan.source)
    files = path.iterdir() if path.is_dir() else [path] if path.is_file() else []
    stamps = sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files)
    told = [scan.data.shape, str(scan.data.dtype), scan.axes, scan.spacing, scan.source, stamps]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
