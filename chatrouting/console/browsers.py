"""A short name for the program at the other end, from the text it gives of itself."""

import re

# The first that matches counts: most browsers also name those they want to be taken for.
BROWSERS = (
    (re.compile(r"Edg(?:e|A|iOS)?/(\d+)"), "Edge"),
    (re.compile(r"OPR/(\d+)"), "Opera"),
    (re.compile(r"SamsungBrowser/(\d+)"), "Samsung Internet"),
    (re.compile(r"(?:Firefox|FxiOS)/(\d+)"), "Firefox"),
    (re.compile(r"(?:Chrome|CriOS)/(\d+)"), "Chrome"),
    (re.compile(r"Version/(\d+)\S* (?:Mobile/\S+ )?Safari/"), "Safari"),
    (re.compile(r"curl/(\d+)"), "curl"),
    (re.compile(r"websockets/(\d+)"), "websockets"),
    (re.compile(r"Python/(\d+)"), "Python"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
SHOWN = 40  # characters of a text that names no browser we know


def browser_name(user_agent: str) -> str:
    """Such as `Firefox 140 on Windows`; the beginning of the text where it is of another kind."""
    program = _program(user_agent)
    if not program:
        return user_agent[:SHOWN]
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    return f"{program} on {system}" if system else program


def _program(user_agent: str) -> str:
    for pattern, name in BROWSERS:
        if found := pattern.search(user_agent):
            return f"{name} {found[1]}"
    return ""
