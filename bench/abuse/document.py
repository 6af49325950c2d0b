"""Writes the figures of a result into a document, between two comments."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from verdict import number, table

BEGIN = "<!-- figures under abuse: written by `bench/run abuse --document` -->"
END = "<!-- end of the figures under abuse -->"


def rewrite(document: Path, result: Path) -> None:
    """Puts the table of a result between the comments of a document."""
    text = document.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        sys.exit(f"bench: {document} has to have each of these lines once, in this order: {BEGIN} and {END}")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    document.write_text(
        f"{before}{BEGIN}\n\n{figures(json.loads(result.read_text(encoding='utf-8')))}\n{END}{after}", encoding="utf-8"
    )


def figures(result: dict[str, Any]) -> str:
    """Returns the table, and the machine and settings of the measurement."""
    rows = []
    for one in result["results"]:
        if one["skipped"]:
            rows.append([f"`{one['name']}`", one["says"], "–", "–", "–", "–", "skipped"])
            continue
        good = [one["during"], *one["newcomers"].values()]
        rows.append(
            [
                f"`{one['name']}`",
                one["says"],
                number(one["before"]["p99_ms"]),
                number(one["during"]["p99_ms"]),
                f"{sum(sum(seen['failed'].values()) for seen in good):,} of {sum(seen['calls'] for seen in good):,}",
                f"{max(one['resident_peak_mib'], one['resident_most_mib']):,.0f}",
                one["verdict"],
            ]
        )
    heads = ["attack", "means", "p99 before, ms", "p99 during, ms", "good calls failed", "resident, MiB", "verdict"]
    notes = "\n".join(f"* {note}" for note in [f"measured {result['at']}", *result["notes"]])
    return f"{table(rows, heads, {0, 1, 6})}\n\n{notes}\n"
