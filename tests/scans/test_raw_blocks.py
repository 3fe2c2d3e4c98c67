"""Arrays that a run soon removes, as plain files."""

import numpy as np
import pytest

from sskseg.io.storage import open_storage
from sskseg.scans.boxes import boxes
from sskseg.scans.grid import Grid
from sskseg.scans.raw_blocks import RawBlocks

SHAPE = (50, 70)


@pytest.fixture
def written(tmp_path):
    """Blocks of 20 x 30 pixels, the array, and the checksums."""
    grid = Grid(SHAPE, (20, 30), (0, 0), boxes([(20, 20, 10), (30, 30, 10)]), (1, 1))
    blocks = RawBlocks(open_storage(tmp_path), grid)
    array = np.random.default_rng(0).random(SHAPE, np.float32)
    crcs = [blocks.write("probabilities", i, array[box]) for i, box in enumerate(grid.boxes)]
    return blocks, array, crcs


@pytest.mark.parametrize(
    "region",
    [(slice(0, 50), slice(0, 70)), (slice(15, 41), slice(29, 61)), (slice(3, 4), slice(69, 70))],
)
def test_any_region_is_read(written, region):
    blocks, array, _ = written
    assert np.array_equal(blocks.read("probabilities", region), array[region])


def test_damaged_blocks_are_found(written, tmp_path):
    blocks, _, crcs = written
    assert all(blocks.has_checksum("probabilities", i, crc) for i, crc in enumerate(crcs))
    files = sorted((tmp_path / "probabilities").iterdir())
    files[0].unlink()
    files[1].write_bytes(b"nonsense")
    files[2].write_bytes(bytes(len(files[2].read_bytes())))
    found = [blocks.has_checksum("probabilities", i, crc) for i, crc in enumerate(crcs)]
    assert found == [False] * 3 + [True] * 6
    with pytest.raises(FileNotFoundError):
        blocks.read("probabilities", (slice(0, 5), slice(0, 5)))


def test_zeros_take_no_space(written, tmp_path):
    blocks, array, crcs = written
    box = blocks.grid.boxes[4]
    crc = blocks.write("probabilities", 4, np.zeros_like(array[box]))
    assert (tmp_path / "probabilities" / f"{4:09d}").stat().st_size == 0
    expected = array.copy()
    expected[box] = 0
    whole = (slice(0, SHAPE[0]), slice(0, SHAPE[1]))
    assert np.array_equal(blocks.read("probabilities", whole), expected)
    assert blocks.has_checksum("probabilities", 4, crc)
    assert not blocks.has_checksum("probabilities", 4, crcs[4])
