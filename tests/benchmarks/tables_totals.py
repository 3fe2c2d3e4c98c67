"""Tables of totals and groups."""

from page_tables import cells, markdown, table

_CHOSEN = {"nuclei, cells-simulated", "nuclei, Otsu", "junctions, Otsu"}


def coverage_rows(where):
    rows = cells("totals", lambda row: row["kind"] == "coverage" and where(row))
    for row in rows:
        row["set"] = f"{row['data']}{' (chosen on)' if row['data'] in _CHOSEN else ''}"
        row["difference"] = 100 * (row["coverage"] - row["printed"])
    return sorted(rows, key=lambda row: (row["data"] in _CHOSEN, row["data"], row["tile"]))


def is_default(row):
    return row["confidence"] == 0.95 and row["count_weight"] == 0.1


@table
def totals_coverage():
    return markdown(
        coverage_rows(is_default),
        {
            "data, and what counts": "set",
            "tiles": "tiles",
            "of pixels": "tile",
            "audits": "k",
            "coverage": ("coverage", ".3f"),
            "printed (mean)": ("printed", ".3f"),
            "real - printed, points": ("difference", "+.1f"),
            "half-width": ("half_width", ".1%"),
            "by hand alone: coverage": ("by_hand_coverage", ".3f"),
            "half-width by hand": ("by_hand_half_width", ".1%"),
        },
    )


@table
def totals_draw():
    """What the weight of counts changes, and 90 % intervals."""
    rows = coverage_rows(lambda row: row["data"] in ("nuclei", "puncta, LogBlobs"))
    rows = [row for row in rows if row["data"] == "nuclei" or row["k"] == 20]
    rows.sort(key=lambda row: [row[name] for name in ("data", "tile", "confidence", "k")])
    return markdown(
        rows,
        {
            "data": "data",
            "tile, pixels": "tile",
            "confidence": ("confidence", ".0%"),
            "`count_weight`": ("count_weight", ".1f"),
            "audits": "k",
            "coverage": ("coverage", ".3f"),
            "printed": ("printed", ".3f"),
            "half-width": ("half_width", ".1%"),
            "half-width by hand": ("by_hand_half_width", ".1%"),
            "design effect": ("design_effect", ".2f"),
        },
    )


@table
def totals_estimators():
    rows = cells("totals", lambda row: row["kind"] == "estimators")
    names = {"difference": "difference", "ratio": "ratio", "hajek": "Hájek"}
    columns = {
        f"{name}: {figure}": (f"{key}_{figure}", ".1%")
        for key, name in names.items()
        for figure in ("bias", "rmse")
    }
    return markdown(rows, {"data": "data", "tile, pixels": "tile", **columns})


@table
def totals_regions():
    return markdown(
        cells("totals", lambda row: row["kind"] == "regions"),
        {
            "audits": "k",
            "regions": "regions",
            "coverage": ("coverage", ".3f"),
            "half-width": ("half_width", ".0%"),
            "regions without an interval": ("without", ".1%"),
        },
    )


@table
def totals_groups():
    rows = cells("totals", lambda row: row["kind"] == "groups")
    return markdown(
        sorted(rows, key=lambda row: -row["ratio"]),
        {
            "real ratio of the groups": ("ratio", ".1f"),
            "Welch": ("welch", ".3f"),
            "permutation": ("permutation", ".3f"),
            "20 tiles by hand alone": ("by_hand", ".3f"),
            "network, not audited": ("not_audited", ".3f"),
        },
    )


@table
def totals_betting():
    return markdown(
        cells("totals", lambda row: row["kind"] == "betting"),
        {
            "data": "data",
            "audits": "k",
            "largest count of a tile": "max_count",
            "betting: coverage": ("coverage", ".3f"),
            "half-width": ("half_width", ".0%"),
            "half-width of `estimate_total`": ("bootstrap_half_width", ".1%"),
        },
    )
