"""Bad input of `sskseg.totals`, for docs/bad_inputs.md: (function, input, call)."""

import numpy as np
import pandas as pd

from sskseg import OtsuWatershed
from sskseg.totals import (
    TotalEstimate,
    compare_groups,
    count_tiles,
    estimate_total,
    plan_audit,
    predict_tiles,
    write_audit,
)

_TILES = pd.DataFrame({"count": [3, 9, 4, 7], "disagreement": [0, 4, 0, 0]})
_TABLE = pd.DataFrame({"centroid_y": [1.0, 9.0], "centroid_x": [1.0, 2.0]})


def _estimate(audited):
    plan = plan_audit(_TILES, 3, random_state=0)
    given = {int(i): 4.0 for i in plan.to_audit}
    return estimate_total(plan, audited(given))


def _totals(numbers=(900, 1000, 700, 800), sizes=(1.0,) * 4, regions=(None,) * 4):
    return [
        TotalEstimate(n, (n - 60, n + 60), 30.0, 0.95, 0.93, n, 0.1, 180, 20, size,
                      None if region is None else pd.DataFrame({"region": region}))
        for n, size, region in zip(numbers, sizes, regions, strict=True)
    ]  # fmt: skip


def _plan(**columns):
    return lambda: plan_audit(_TILES.assign(**columns), 3)


def _tables(table=_TABLE, shape=(16, 16), **kwargs):
    return lambda: count_tiles([table], shape, 8, **kwargs)


def _audit(images):
    plan = plan_audit(count_tiles([_TABLE], (16, 16), 8), 3, random_state=0)
    return lambda: write_audit(plan, images, "not-written")


CASES = [
    ("count_tiles", "no table", lambda: count_tiles([], (16, 16), 8)),
    ("count_tiles", "a table without centroids", _tables(_TABLE[["centroid_y"]])),
    ("count_tiles", "centroids of NaN", _tables(_TABLE * np.nan)),
    ("count_tiles", "objects beyond the image", _tables(shape=(8, 8))),
    ("count_tiles", "an atlas of another shape", _tables(regions=np.zeros((8, 8), int))),
    ("count_tiles", "an atlas of floats", _tables(regions=np.zeros((16, 16)))),
    ("count_tiles", "one table, not a list", lambda: count_tiles(_TABLE, (16, 16), 8)),
    ("count_tiles", "a label image", _tables(np.zeros((16, 16), int))),
    ("count_tiles", "`tile=8.5`", lambda: count_tiles([_TABLE], (16, 16), 8.5)),
    ("predict_tiles", "no image", lambda: predict_tiles(OtsuWatershed(), [], 8)),
    ("plan_audit", "counts that are missing", lambda: plan_audit(_TILES[["disagreement"]], 3)),
    ("plan_audit", "negative counts", _plan(count=[3, -1, 4, 7])),
    ("plan_audit", "counts of NaN", _plan(count=[3, np.nan, 4, 7])),
    ("plan_audit", "`k=1`", lambda: plan_audit(_TILES, 1)),
    ("plan_audit", "`count_weight=-1`", lambda: plan_audit(_TILES, 3, count_weight=-1)),
    ("plan_audit", "all tiles are certain", lambda: plan_audit(_TILES, 3, certain=[True] * 4)),
    ("plan_audit", "a list of counts", lambda: plan_audit([3, 9, 4, 7], 3)),
    ("write_audit", "an image smaller than the tiles", _audit([np.zeros((8, 16))])),
    ("write_audit", "an image, not a list", _audit(np.zeros((16, 16)))),
    ("estimate_total", "a list of counts", lambda: _estimate(lambda given: [4, 4])),
    ("estimate_total", "a table of tiles as the plan", lambda: estimate_total(_TILES, {0: 3})),
    ("estimate_total", "no audit", lambda: _estimate(lambda given: {})),
    ("estimate_total", "audits of other tiles", lambda: _estimate(lambda given: {0: 3, 2: 4})),
    ("estimate_total", "a negative count", lambda: _estimate(lambda given: {**given, 1: -1})),
    ("estimate_total", "a count of NaN", lambda: _estimate(lambda given: {**given, 1: np.nan})),
    ("compare_groups", "fewer groups than totals", lambda: compare_groups(_totals(), "aab")),
    ("compare_groups", "counts", lambda: compare_groups([9, 8, 7, 6], "aabb")),
    ("compare_groups", "one group", lambda: compare_groups(_totals(), "aaaa")),
    ("compare_groups", "one animal in a group", lambda: compare_groups(_totals(), "aaab")),
    ("compare_groups", "a total of 0", lambda: compare_groups(_totals((9, 8, 7, 0)), "aabb")),
    ("compare_groups", "groups of unequal sizes",
     lambda: compare_groups(_totals(sizes=(1, 1, 2, 2)), "aabb")),
    ("compare_groups", "regions that one group lacks",
     lambda: compare_groups(_totals(regions=([1], [1], [1, 2], [1, 2])), "aabb")),
    ("compare_groups", '`method="t"`', lambda: compare_groups(_totals(), "aabb", method="t")),
]  # fmt: skip
