"""The tables that are printed, in Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from tests.benchmarks.figures import Figures, Result
from tests.benchmarks.plan import Idle, Measure

LOADED = ("row", "CPU µs", "per s", "p50 ms", "p99 ms", "server busy", "load busy", "Valkey µs",
          "publisher µs", "lost", "disorder")  # fmt: skip
AT_REST = ("row", "KB a socket", "idle CPU", "CPU ms a connect")


def tables(results: Mapping[str, Result], ratios: Mapping[str, Mapping[str, float]]) -> str:
    """Ratios first, then each measure."""
    parts = [_ratios(ratios)] if ratios else []
    for measure in Measure:
        rows = [
            [name, *_loaded(found.measures[measure])]
            for name, found in results.items()
            if measure in found.measures
        ]
        parts.append(f"{measure} (CPU and Valkey for each delivery)\n\n{table(LOADED, rows)}")
    idle = [[name, *_at_rest(found.idle)] for name, found in results.items() if found.idle]
    parts.append(f"idle\n\n{table(AT_REST, idle)}")
    return "\n\n".join(parts)


def _ratios(ratios: Mapping[str, Mapping[str, float]]) -> str:
    servers = sorted({server for each in ratios.values() for server in each})
    rows = [
        [measure, *(f"{each[server]:.2f}×" if server in each else "-" for server in servers)]
        for measure, each in ratios.items()
    ]
    return f"stock ÷ ours: how many times less ours takes\n\n{table(('', *servers), rows)}"


def _loaded(found: Figures) -> list[str]:
    return [
        f"{found.server_us:.1f}",
        f"{found.deliveries_per_second:.0f}",
        f"{found.p50_ms:.1f}",
        f"{found.p99_ms:.1f}",
        f"{found.server_busy:.0%}",
        f"{found.load_busy:.0%}",
        f"{found.valkey_us:.2f}",
        f"{found.publisher_us:.1f}",
        str(found.lost),
        str(found.faults),
    ]


def _at_rest(found: Idle) -> list[str]:
    return [
        f"{found.kb_per_socket:.1f}",
        f"{found.cpu_percent:.1f} %",
        f"{found.connect_cpu_ms:.2f}",
    ]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns stand under one another."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    shown = [_line(line, widths) for line in lines]
    return "\n".join([shown[0], _line(["-" * width for width in widths], widths), *shown[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"
