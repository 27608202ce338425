"""From what was counted to what is said: medians of repeats, ratios, faults."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median

import msgspec

from tests.benchmarks.plan import Idle, Measure, Outcome, Window
from tests.benchmarks.rows import OURS, STOCK

MICROSECONDS = 1e6
MEMORY = "memory of an idle socket"


class Figures(msgspec.Struct, frozen=True):
    """A measure of one row: medians over its windows. CPU is in µs for each delivery."""

    server_us: float
    valkey_us: float
    publisher_us: float
    load_us: float
    deliveries_per_second: float
    server_busy: float
    load_busy: float
    p50_ms: float
    p99_ms: float
    deliveries: int
    lost: int
    faults: int
    all_server_us: list[float]


class Result(msgspec.Struct, frozen=True):
    """All that is known of one row. `errors` are sentences for people."""

    measures: dict[Measure, Figures] = {}
    idle: Idle | None = None
    frame_bytes: int = 0
    errors: list[str] = []


def figures(windows: Sequence[Window]) -> Figures:
    """Medians of the windows; the latencies of all of them taken together."""

    def middle(value: Callable[[Window], float]) -> float:
        return median(value(window) for window in windows)

    latencies = sorted(each for window in windows for each in window.latencies_ms)
    return Figures(
        server_us=middle(lambda window: _us(window, window.server_cpu)),
        valkey_us=middle(lambda window: _us(window, window.valkey_cpu)),
        publisher_us=middle(lambda window: _us(window, window.publisher_cpu)),
        load_us=middle(lambda window: _us(window, window.load_cpu)),
        deliveries_per_second=middle(lambda window: window.deliveries / window.seconds),
        server_busy=middle(lambda window: window.server_cpu / window.seconds),
        load_busy=middle(_load_busy),
        p50_ms=percentile(latencies, 50),
        p99_ms=percentile(latencies, 99),
        deliveries=sum(window.deliveries for window in windows),
        lost=sum(window.lost for window in windows),
        faults=sum(window.faults for window in windows),
        all_server_us=[round(_us(window, window.server_cpu), 2) for window in windows],
    )


def _us(window: Window, cpu_seconds: float) -> float:
    return cpu_seconds / max(window.deliveries, 1) * MICROSECONDS


def _load_busy(window: Window) -> float:
    """How much of its core is used by all that is not the server."""
    return (window.valkey_cpu + window.publisher_cpu + window.load_cpu) / window.seconds


def percentile(ascending: Sequence[float], per_cent: int) -> float:
    """The value that so many per cent of the values are not above; 0 of none."""
    if not ascending:
        return 0.0
    return ascending[max(0, -(-len(ascending) * per_cent // 100) - 1)]


def result(outcomes: Sequence[Outcome], errors: Sequence[str] = ()) -> Result:
    """A row's phases put together."""
    measured = {
        measure: figures(windows)
        for outcome in outcomes
        for measure, windows in outcome.windows.items()
    }
    idle = next((outcome.idle for outcome in outcomes if outcome.idle), None)
    size = max((outcome.frame_bytes for outcome in outcomes), default=0)
    said = [error for outcome in outcomes for error in outcome.errors]
    return Result(measured, idle, size, [*errors, *said])


def ratios(results: Mapping[str, Result]) -> dict[str, dict[str, float]]:
    """Measure → server → how many times less CPU, or memory, ours takes than stock on this server."""
    found: dict[str, dict[str, float]] = {}
    for server in _servers(results):
        ours, stock = results[f"{OURS}/{server}"], results[f"{STOCK}/{server}"]
        for measure in Measure:
            if measure in ours.measures and measure in stock.measures:
                cpu = stock.measures[measure].server_us / ours.measures[measure].server_us
                found.setdefault(measure.value, {})[server] = cpu
        if ours.idle and stock.idle:
            memory = stock.idle.kb_per_socket / ours.idle.kb_per_socket
            found.setdefault(MEMORY, {})[server] = memory
    return found


def _servers(results: Mapping[str, Result]) -> list[str]:
    """Those that both applications were measured on."""
    named = [name.split("/") for name in results]
    return [
        server
        for application, server in named
        if application == OURS and f"{STOCK}/{server}" in results
    ]


def faults(row: str, found: Result) -> list[str]:
    """What went wrong in a row, a sentence each: errors, losses, disorder. No figure is a fault."""
    said = list(found.errors)
    for measure, each in found.measures.items():
        if each.lost:
            said.append(f"{measure}: {each.lost} of {each.deliveries + each.lost} events were lost")
        if each.faults:
            said.append(f"{measure}: {each.faults} times an event was out of order or came twice")
    return [f"{row}: {sentence}" for sentence in said]
