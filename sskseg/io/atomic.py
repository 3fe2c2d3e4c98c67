"""Files that appear when they are complete."""

import os
import tempfile
from pathlib import Path


def write_atomically(path, content):
    """Write bytes under a temporary name and rename: an older file stays until then."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
