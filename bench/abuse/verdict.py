"""The check of each attack, and the table of the results."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from good import Seen


@dataclass(frozen=True)
class Limits:
    """Limits of the check."""

    p99_ratio_max: float
    p99_floor_ms: float
    p99_ms_max: float
    resident_mib_max: float


@dataclass
class Result:
    """The result of one attack."""

    name: str
    says: str
    settings: dict[str, str]
    skipped: str = ""
    before: Seen = field(default_factory=Seen)
    during: Seen = field(default_factory=Seen)
    newcomers_before: dict[str, Seen] = field(default_factory=dict)
    newcomers: dict[str, Seen] = field(default_factory=dict)
    resident_before_mib: float = 0.0
    resident_peak_mib: float = 0.0
    # `VmHWM`: between two looks it may have been more.
    resident_most_mib: float = 0.0
    # After a new start on the same ledger.
    resident_again_mib: float | None = None
    sent_bytes: int = 0
    seconds: float = 0.0
    facts: dict[str, object] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    stop_seconds: float | None = None
    # Failures of the check: of answers and memory, and of times.
    missed: list[str] = field(default_factory=list)
    missed_times: list[str] = field(default_factory=list)

    def verdict(self) -> str:
        """Returns `held`, `MISSED`, or why nothing was done."""
        if self.skipped:
            return "skipped"
        return "MISSED" if self.missed or self.missed_times else "held"

    def plain(self) -> dict[str, object]:
        """Returns everything, for JSON."""
        return {**asdict(self), "verdict": self.verdict()}


def judge(result: Result, limits: Limits, rate: float) -> None:
    """Adds the failures of the check to a result."""
    if result.skipped:
        return
    missed = result.missed
    steady = result.during
    for what, seen in [
        ("the steady client", steady),
        *((f"a newcomer ({door})", seen) for door, seen in result.newcomers.items()),
    ]:
        if seen.failed:
            words = ", ".join(f"{count} × {said}" for said, count in sorted(seen.failed.items()))
            missed.append(f"{what}: {seen.failures()} of {max(seen.calls, seen.failures())} calls failed ({words})")
    # Calls of the last second may be unanswered still.
    if rate < steady.unanswered:
        missed.append(f"the steady client: {steady.unanswered:,} calls had no answer")
    most = max(result.resident_peak_mib, result.resident_most_mib)
    if limits.resident_mib_max < most:
        missed.append(f"resident {most:,.0f} MiB, and at most {limits.resident_mib_max:,.0f} are allowed")
    if result.resident_again_mib is not None and limits.resident_mib_max < result.resident_again_mib:
        missed.append(f"resident {result.resident_again_mib:,.0f} MiB after a new start")
    missed += result.problems
    before, during = result.before.p99_ms, steady.p99_ms
    if before is None:
        result.missed_times.append("the steady client was not answered before the attack")
    elif during is not None:
        allowed = min(limits.p99_ms_max, limits.p99_ratio_max * max(before, limits.p99_floor_ms))
        if allowed < during:
            result.missed_times.append(f"p99 {during:,.1f} ms during the attack, and at most {allowed:,.1f} ms allowed")


HEADS = [
    "attack",
    "p50 ms",
    "p99 ms",
    "p50 ms during",
    "p99 ms during",
    "failed",
    "newcomers failed",
    "resident MiB",
    "sent MiB",
    "verdict",
]


def number(value: float | None) -> str:
    """Returns a number with two digits, or a dash."""
    return "–" if value is None else f"{value:,.2f}"


def row(result: Result) -> list[str]:
    """Returns the line of an attack."""
    if result.skipped:
        return [result.name, *["–"] * 8, "skipped"]
    newcomers = result.newcomers.values()
    of = sum(seen.calls for seen in newcomers)
    return [
        result.name,
        number(result.before.p50_ms),
        number(result.before.p99_ms),
        number(result.during.p50_ms),
        number(result.during.p99_ms),
        f"{result.during.failures():,} of {max(result.during.calls, result.during.failures()):,}",
        f"{sum(seen.failures() for seen in newcomers):,} of {of:,}",
        f"{max(result.resident_peak_mib, result.resident_most_mib):,.0f}",
        f"{result.sent_bytes / (1 << 20):,.1f}",
        result.verdict(),
    ]


def table(rows: list[list[str]], heads: list[str], left: set[int]) -> str:
    """Returns a table of Markdown, columns aligned."""
    widths = [max(len(line[column]) for line in [heads, *rows]) for column in range(len(heads))]

    def line(cells: list[str]) -> str:
        aligned = [
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths))
        ]
        return "| " + " | ".join(aligned) + " |"

    rules = ["-" * width if column in left else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return "\n".join([line(heads), "| " + " | ".join(rules) + " |", *(line(cells) for cells in rows)])


def markdown(results: list[Result], notes: list[str]) -> str:
    """Returns the table, the failures and the notes."""
    lines = [table([row(result) for result in results], HEADS, {0, len(HEADS) - 1}), ""]
    for result in results:
        lines += [f"* `{result.name}`: {text}" for text in result.missed + result.missed_times]
        if result.skipped:
            lines.append(f"* `{result.name}`: skipped, because {result.skipped}")
    return "\n".join(lines + ["", *(f"* {note}" for note in notes)]).strip() + "\n"
