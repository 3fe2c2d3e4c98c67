"""Format tables as text."""

import pandas as pd


def format_table(table: pd.DataFrame, digits: int = 3) -> str:
    """Format a table as Markdown, columns aligned.

    Parameters
    ----------
    table : pandas.DataFrame
    digits : int, default=3
        Decimals of floating-point numbers.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> from sskseg.report import format_table
    >>> print(format_table(pd.DataFrame({"image": ["a", "b"], "count": [3, 10]})))
    | image | count |
    |-------|-------|
    | a     |     3 |
    | b     |    10 |
    """
    columns = {name: [_cell(value, digits) for value in table[name]] for name in table.columns}
    widths = {name: max(len(str(name)), *map(len, cells), 1) for name, cells in columns.items()}
    lines = [
        "| " + " | ".join(str(name).ljust(widths[name]) for name in columns) + " |",
        "|" + "|".join("-" * (width + 2) for width in widths.values()) + "|",
    ]
    for row in range(len(table)):
        cells = [
            cells[row].ljust(widths[name]) if isinstance(table[name].iloc[row], str)
            else cells[row].rjust(widths[name])
            for name, cells in columns.items()
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value, digits):
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)
