"""Medians, ratios, and what counts as a fault."""

import pytest

from tests.benchmarks.figures import MEMORY, Result, faults, figures, percentile, ratios, result
from tests.benchmarks.plan import Idle, Measure, Outcome, Window
from tests.benchmarks.report import table, tables


def a_window(server_us=100.0, *, deliveries=1000, lost=0, faults=0, latencies=(1.0, 2.0)):
    """A second in which every delivery took the server so many microseconds."""
    cpu = (deliveries * server_us / 1e6, 0.1, 0.2, 0.3)
    return Window(deliveries, lost, faults, 1.0, *cpu, list(latencies))


def a_result(server_us, kilobytes=None):
    outcome = Outcome(
        {Measure.STREAM: [a_window(server_us)]}, Idle(kilobytes, 0, 0) if kilobytes else None
    )
    return result([outcome])


def test_a_figure_is_the_median_of_its_windows():
    found = figures([a_window(90), a_window(500), a_window(100)])

    assert found.server_us == pytest.approx(100)
    assert found.all_server_us == [90, 500, 100]
    assert found.deliveries_per_second == 1000
    assert found.load_busy == pytest.approx(0.6)


def test_losses_and_latencies_are_those_of_all_windows():
    found = figures([a_window(lost=1, latencies=[3.0]), a_window(lost=2, latencies=[1.0, 2.0])])

    assert (found.lost, found.p50_ms, found.p99_ms) == (3, 2.0, 3.0)


def test_a_window_without_a_delivery_has_figures():
    assert figures([a_window(deliveries=0, lost=5, latencies=())]).p99_ms == 0


@pytest.mark.parametrize(("per_cent", "value"), [(0, 1), (50, 50), (99, 99), (100, 100)])
def test_a_percentile_is_one_of_the_values(per_cent, value):
    assert percentile(range(1, 101), per_cent) == value


def test_a_ratio_says_how_many_times_less_ours_takes_on_the_same_server():
    results = {
        "stock/daphne": a_result(600, 40),
        "stock/uvicorn": a_result(400, 35),
        "ours/daphne": a_result(60, 20),
        "ours/uvicorn": a_result(20),
    }

    assert ratios(results) == {
        Measure.STREAM.value: {"daphne": pytest.approx(10), "uvicorn": pytest.approx(20)},
        MEMORY: {"daphne": pytest.approx(2)},
    }


def test_a_row_that_failed_has_no_ratio():
    results = {"stock/daphne": Result(errors=["the server ended"]), "ours/daphne": a_result(60)}

    assert ratios(results) == {}


def test_phases_of_a_row_are_put_together():
    found = result(
        [
            Outcome({Measure.ONE: [a_window()]}, None, 200),
            Outcome({Measure.STREAM: [a_window()]}, Idle(20, 1, 2), 210, ["2 sockets: cut off"]),
        ],
        ["stream: late"],
    )

    assert set(found.measures) == {Measure.ONE, Measure.STREAM}
    assert (found.idle, found.frame_bytes) == (Idle(20, 1, 2), 210)
    assert found.errors == ["stream: late", "2 sockets: cut off"]


def test_a_slow_row_has_no_fault():
    assert faults("ours/daphne", a_result(1e6)) == []


@pytest.mark.parametrize("window", [a_window(lost=1), a_window(faults=1)])
def test_a_loss_or_a_disorder_is_a_fault(window):
    found = result([Outcome({Measure.STREAM: [window]})])

    (said,) = faults("ours/daphne", found)

    assert said.startswith("ours/daphne: stream: 1")


def test_an_error_is_a_fault():
    assert faults("ours/daphne", Result(errors=["late"])) == ["ours/daphne: late"]


def test_columns_of_a_table_stand_under_one_another():
    assert table(("a", "bb"), [["ccc", "d"]]) == "| a   | bb |\n| --- | -- |\n| ccc | d  |"


def test_the_ratios_come_first():
    results = {"stock/daphne": a_result(600, 40), "ours/daphne": a_result(60, 20)}

    shown = tables(results, ratios(results))

    assert shown.index("10.00×") < shown.index("stock/daphne")
