"""Names of browsers."""

import pytest

from chatrouting.console.browsers import browser_name

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (f"{WINDOWS} {CHROME}", "Chrome 140 on Windows"),
        (f"{WINDOWS} {CHROME} Edg/139.0.0.0", "Edge 139 on Windows"),
        (f"{MAC} {CHROME} OPR/120.0.0.0", "Opera 120 on macOS"),
        (f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
         "Safari 18 on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
         "Gecko) Version/18.5 Mobile/15E148 Safari/604.1", "Safari 18 on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
         "Firefox 140 on Linux"),
        (f"Mozilla/5.0 (Linux; Android 15) {CHROME}", "Chrome 140 on Android"),
        ("Python/3.11 websockets/15.0", "websockets 15"),
        ("", ""),
        ("x" * 300, "x" * 40),
    ],
)  # fmt: skip
def test_a_browser_has_a_short_name(user_agent, name):
    assert browser_name(user_agent) == name
