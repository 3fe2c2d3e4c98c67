"""Object stores without a scan, that fail or that refuse access; `test_bad_inputs` lists them."""

import fsspec
import numpy as np
from bad_files import file, write
from fsspec.implementations.memory import MemoryFileSystem

from sskseg.scans import open_scan
from sskseg.scans.status import scan_status

AT = "Object stores (`open_scan`, `count_scan`)"


def store(name, error):
    """Return a URL of a store in memory whose requests raise an error."""

    class Store(MemoryFileSystem):
        protocol = name

        def cat_file(self, *_, **__):
            raise error

    fsspec.register_implementation(name, Store, clobber=True)
    return f"{name}://bucket/scan.zarr"


def tiff_in_memory(folder):
    fsspec.filesystem("memory").pipe_file(
        "/bad/a.tif", write(folder / "a.tif", np.zeros((8, 8), np.uint8)).read_bytes()
    )
    return "memory://bad/a.tif"


REFUSED = PermissionError("The AWS Access Key Id you provided does not exist in our records.")
THROTTLED = OSError(16, "Please reduce your request rate.")

file(AT, "no scan at a URL", open_scan)(lambda folder: "memory://bad/none.zarr")
file(AT, "a TIFF file", open_scan)(tiff_in_memory)
file(AT, "a protocol that fsspec does not know", open_scan)(lambda folder: "s4://bucket/scan.zarr")
file(AT, "a pattern", open_scan)(lambda folder: "memory://bad/scan[1].zarr")
file(AT, "credentials that are refused", open_scan)(lambda folder: store("refusing", REFUSED))
file(AT, "requests that are throttled, after all retries", open_scan)(
    lambda folder: store("throttling", THROTTLED)
)
file(AT, "a status of credentials that are refused", scan_status)(
    lambda folder: store("refusing", REFUSED)
)
file(
    AT, "`storage_options` for a path", lambda path: open_scan(path, storage_options={"key": "a"})
)(lambda folder: write(folder / "a.tif", np.zeros((8, 8), np.uint8)))
