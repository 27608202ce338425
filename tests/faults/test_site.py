"""What is made of the logs of the processes."""

import traceback

from tests.faults.site import raised

TEXT = "all is well\n"


def test_a_traceback_is_named_by_the_line_that_raised():
    try:
        "".index("nothing")
    except ValueError:
        log = f"{TEXT}{traceback.format_exc()}{TEXT}{traceback.format_exc()}"

    line = "ValueError: substring not found"
    assert [each.split(" ", 1)[1] for each in raised(log)] == [line, line]
    assert raised(log)[0].startswith("faults/test_site.py:")
