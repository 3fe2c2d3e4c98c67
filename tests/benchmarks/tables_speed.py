"""Tables of speed and memory."""

from itertools import product

import numpy as np
from page_tables import cells, grouped, markdown, only, table
from tables_accuracy import ORIGIN


@table
def throughput():
    row = only("throughput", lambda row: True)
    speeds = {name: value for name, value in row.items() if name.startswith("Mpixel/s ")}
    lines = [
        {"method": name.removeprefix("Mpixel/s "), "speed": value} for name, value in speeds.items()
    ]
    return markdown(lines, {"method": "method", "megapixels / s": ("speed", ".1f")})


@table
def windows():
    row = only("peers", lambda row: row["task"] == "windows")
    lines = [
        {"method": name, **value}
        for name, value in row.items()
        if isinstance(value, dict) and "seconds" in value
    ]
    return markdown(
        lines,
        {
            "method": "method",
            "seconds": ("seconds", ".2f"),
            "peak, MB": ("peak MB", ".0f"),
            "largest difference": ("largest difference", ".2g"),
            "pixels on the other side of 0.5": ("other side of 0.5", ".4f"),
        },
    )


@table
def metrics():
    lines = []
    for (name,), rows in grouped(cells("metrics"), "metric").items():
        line = {"metric": f"`{name}`"}
        for row in rows:
            line |= {
                f"{row['size']} ms": row["ours, ms"],
                f"{row['size']} ratio": row.get("peer / ours"),
            }
        lines.append(line)
    columns = {"metric": "metric"}
    for size in (256, 512, 1024, 2048):
        columns |= {
            f"{size}², ms": (f"{size} ms", ".1f"),
            f"{size}², peer / ours": (f"{size} ratio", ".1f"),
        }
    return markdown(lines, columns)


@table
def weights():
    return markdown(
        cells("weights"), {"image": "image", "objects": "objects", "ms": ("ms", ".1f"), **ORIGIN}
    )


@table
def object_tables():
    lines = []
    for (columns,), rows in grouped(cells("tables"), "columns").items():
        line = {"columns": columns}
        for row in rows:
            n = 10 ** round(np.log10(row["objects"]))
            line |= {f"{n} s": row["ours, s"], f"{n} ratio": row.get("peer / ours")}
        lines.append(line)
    return markdown(
        lines,
        {
            "columns": "columns",
            "10,000 objects, s": ("10000 s", ".2f"),
            "peer / ours": ("10000 ratio", ".1f"),
            "100,000 objects, s": ("100000 s", ".2f"),
            "peer / ours ": ("100000 ratio", ".1f"),
            "1,000,000 objects, s": ("1000000 s", ".1f"),
        },
    )


@table
def rois():
    return markdown(
        cells("rois"),
        {
            "format": "format",
            "trace, s": ("trace, s", ".0f"),
            "write, s": ("write, s", ".0f"),
            "read, s": ("read, s", ".0f"),
            "file, MB": ("MB", ".0f"),
            "peak, MB": ("peak MB", ".0f"),
            **ORIGIN,
        },
    )


@table
def continuity():
    row = only("continuity", lambda row: True)
    names = ("in memory, s", "in memory, no labels, s", "sequential, s", "dask, s")
    return markdown(
        [{"way": name.removesuffix(", s"), "seconds": row[name]} for name in names],
        {"way": "way", "seconds": ("seconds", ".1f")},
    )


@table
def memory():
    row = only("memory", lambda row: row["task"] == "peak memory")
    lines = [{"sections": n, "MB": row[f"MB, {n} sections"]} for n in (16, 128)]
    return markdown(lines, {"sections": "sections", "peak, MB": ("MB", ".0f")})


@table
def memory_leak():
    rows = [
        {
            **row,
            "before": row["megabytes"][0],
            "first": row["megabytes"][1],
            "last": row["megabytes"][-1],
        }
        for row in cells("memory_leak")
    ]
    return markdown(
        rows,
        {
            "estimator": "estimator",
            "before, MB": ("before", ".1f"),
            "after 10 fits": ("first", ".1f"),
            "after 200 fits": ("last", ".1f"),
            "kB a fit, second half": ("kB a fit", ".1f"),
            **ORIGIN,
        },
    )


@table
def scans_speed():
    rows = cells("scans", lambda row: row["task"] == "speed")
    lines = [
        {**row, "bare": np.median(row["bare"]), "scan": np.median(row["count_scan"])}
        for row in rows
    ]
    return markdown(
        lines,
        {
            "network": "network",
            "objects by": "method",
            "cores": "cores",
            "bare network, Mpixel/s": ("bare", ".1f"),
            "`count_scan`, Mpixel/s": ("scan", ".1f"),
            "ratio": ("median_ratio", ".2f"),
            **ORIGIN,
        },
    )


@table
def scans_kills():
    names = {"threads": "1", "shards": "2 to 4 shards", "cluster": "2 workers of a cluster"}
    rows = cells("kill_shards")
    newest, lines = rows[-1]["version"], []
    for is_newest, mode, zarr_format in product((False, True), names, (3, 2)):
        key = (is_newest, mode, zarr_format)
        runs = [
            row for row in rows
            if (row["version"] == newest, row["mode"], row.get("zarr_format", 3)) == key
        ]  # fmt: skip
        if runs:
            equal = sum(row["same_bytes"] for row in runs)
            kills = sum(row["kills"] for row in runs)
            lines.append({**runs[-1], "processes": names[mode], "format": zarr_format,
                          "runs": len(runs), "kills": kills, "equal": equal})  # fmt: skip
    columns = {"processes": "processes", "Zarr": "format", "runs": "runs", "`kill -9`": "kills"}
    return markdown(lines, {**columns, "runs with equal bytes": "equal", **ORIGIN})


@table
def scans_labels():
    rows = cells("scans", lambda row: row["task"] == "labels")
    return markdown(
        rows,
        {
            "objects": "objects",
            "`label_blocks`, Mvoxel/s": ("ours", ".0f"),
            "dask-image, Mvoxel/s": ("dask_image", ".1f"),
            "ratio": ("ratio", ".1f"),
            **ORIGIN,
        },
    )


@table
def scans_memory():
    rows = cells("scans", lambda row: row["task"] == "memory")
    lines = [
        {**row, "small": row["small"]["peak"] / 2**20, "large": row["large"]["peak"] / 2**20}
        for row in rows
    ]
    return markdown(
        lines,
        {
            "4096 x 4096, MB": ("small", ".0f"),
            "16384 x 16384, MB": ("large", ".0f"),
            "ratio": ("ratio", ".2f"),
            "share of the estimate": ("by 2 workers x formula", ".2f"),
            **ORIGIN,
        },
    )


@table
def scans_workers():
    """Of the present model, and of the one before it, which had the costs of another process."""
    found = []
    for row in cells("scans", lambda row: row["task"] in ("scale", "clusters")):
        earlier = row["task"] == "scale"
        times = {"1": row["one"], "2": row["two"]} if earlier else row["times"]
        for n, seconds in times.items():
            measured, predicted = np.median(seconds), row["predicted"][n]
            model = "earlier" if earlier else "present"
            own = {"model": model, "workers": n, "measured": measured, "predicted": predicted}
            found.append({**row, **own, "error": 100 * (predicted / measured - 1)})
    return markdown(
        found,
        {
            "model": "model",
            "workers": "workers",
            "seconds": ("measured", ".1f"),
            "seconds, predicted": ("predicted", ".1f"),
            "difference, %": ("error", "+.0f"),
            **ORIGIN,
        },
    )


@table
def scans_simulated():
    rows = [row["rows"] for row in cells("scans", lambda row: row["task"] == "many")]
    lines = [
        {**each, "efficiency": 100 * each["efficiency"], "dispatching": 100 * each["dispatching"]}
        for each in (rows[-1] if rows else [])
    ]
    return markdown(
        lines,
        {
            "workers": "workers",
            "hours": ("hours", ".1f"),
            "speed of a worker, % of that of one alone": ("efficiency", ".0f"),
            "starting blocks, % of the time": ("dispatching", ".1f"),
            "joining and tables, hours": ("leading", ".1f"),
        },
    )


@table
def scans_shards():
    """Medians of three runs by turns; the speedup is that of pairs of runs."""
    lines = []
    for row in cells("scans", lambda row: row["task"] == "shards"):
        row = {"side": 4096, **row}
        one, two = np.median(row["one"]), np.median(row["two"])
        lines += [
            {**row, "shards": 1, "seconds": one, "speedup": 1.0},
            {**row, "shards": 2, "seconds": two},
        ]
    return markdown(
        lines,
        {
            "scan, pixels a side": "side",
            "shards": "shards",
            "seconds": ("seconds", ".1f"),
            "speedup": ("speedup", ".2f"),
            **ORIGIN,
        },
    )


@table
def scans_files():
    lines = []
    for row in cells("scans", lambda row: row["task"] == "many")[-1:]:
        files = {f"files {name}": n for name, n in row["files"].items()}
        scheduler = "client and scheduler: 10,000 blocks submitted, MB"
        figures = {"blocks": row["blocks"], **files, scheduler: row["scheduler bytes"] / 1e6}
        for graph in cells("scans", lambda row: row["task"] == "graph")[-1:]:
            figures["leading process, or each shard: blocks and what they need, MB"] = graph["MB"]
            seconds = "leading process, or each shard: processor time before the first block, s"
            figures[seconds] = sum(graph["seconds"].values())
        lines += [{"what": what, "figure": f"{n:,.0f}"} for what, n in figures.items()]
    return markdown(lines, {"of a run on 10^12 pixels": "what", "": "figure"})
