"""What the result of a run depends on, in a form that can be compared."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from sklearn.pipeline import Pipeline

from .. import __version__
from ..io import list_images
from ..io.scans import ZARR_METADATA
from ..io.storage import is_url
from .code import VERSIONS
from .digest import hash_of
from .plan import Plan


def fingerprint(plan: Plan, estimator: Pipeline) -> dict[str, str]:
    """Summarize what the result depends on.

    Parameters
    ----------
    plan : Plan
    estimator : Pipeline
        As `count_scan` was given it.

    Returns
    -------
    dict of str to str
    """
    from dask.base import tokenize

    return {
        "model": hash_of(estimator),
        "source": _hash_source(plan.scan),
        "stamps": _stamps(plan.scan),
        "blocks": json.dumps({"shape": plan.shape, **plan.n_blocks}),
        "block_shape": json.dumps(plan.grid.core),
        "predict_shape": predict_shape(plan),
        "halo": str(plan.grid.halo),
        "skip_below": str(plan.skip_below),
        "object_diameter": json.dumps(plan.object_diameter),
        "mask": "None" if plan.mask is None else tokenize(plan.mask),
        "keep_probabilities": str(plan.keep_probabilities),
        "intensity": str(plan.intensity),
        "zarr_format": str(plan.zarr_format),
        **versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of the packages that compute a result."""
    others = {name: version(name) for name in VERSIONS.values() if name != "sskseg"}
    return {f"version of {name}": v for name, v in {"sskseg": __version__, **others}.items()}


def predict_shape(plan: Plan) -> str:
    """Describe the blocks of the network, which follow from `block_shape` only if it is given."""
    return json.dumps([plan.network_grid.core, plan.network_grid.halo])


def _hash_source(scan):
    """Hash of shape, type, axes and place."""
    place = scan.source
    if Path(place).exists():
        place = str(Path(place).absolute())
    summary = [scan.data.shape, str(scan.data.dtype), scan.axes, scan.spacing, scan.unit, place]
    summary += [] if scan.channel is None else [scan.channel]
    return hashlib.sha256(json.dumps(summary).encode()).hexdigest()


def _stamps(scan):
    """Hash of the sizes and times of a scan's files: a file, the metadata of zarr, or sections.

    Chunks of zarr are left out, and what is in object stores: `check_source` compares the pixels.
    """
    if is_url(scan.source):
        return hashlib.sha256().hexdigest()
    path = Path(scan.source)
    if not path.exists():  # a dataset in a file
        path = Path(scan.source.rpartition(":")[0] or scan.source)
    files = [path] if path.is_file() else []
    if path.is_dir():
        metadata = [path / name for name in ZARR_METADATA if (path / name).exists()]
        files = metadata or list_images(path)
    stamps = sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files)
    return hashlib.sha256(json.dumps(stamps).encode()).hexdigest()
