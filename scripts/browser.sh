#!/bin/sh
# Prints the path of a Chromium for the tests: $CHROMIUM, an installed one, Playwright's own, or Debian's.
# One without a window comes first: a page opens in it in less than half the time.
set -eu
cd "$(dirname "$0")/.."

runs() { [ -n "$1" ] && "$1" --version >/dev/null 2>&1; }

installed() {
    for name in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
        found=$(command -v "$name" || true)
        if runs "$found"; then echo "$found"; return 0; fi
    done
    return 1
}

playwrights() {
    .venv/bin/python - <<'PYTHON'
import pathlib
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(pathlib.Path(playwright.chromium.executable_path))
PYTHON
}

if [ -n "${CHROMIUM:-}" ]; then
    runs "$CHROMIUM" || { echo "CHROMIUM is set to $CHROMIUM, which does not run." >&2; exit 1; }
    echo "$CHROMIUM"; exit 0
fi
installed && exit 0
own=$(playwrights)
if runs "$own"; then echo "$own"; exit 0; fi

echo "Installing a Chromium for the tests ..." >&2
if .venv/bin/python -m playwright install chromium >&2 && runs "$own"; then echo "$own"; exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q; apt-get install -y -q chromium-headless-shell || apt-get install -y -q chromium; } >&2
    installed && exit 0
fi
echo "No Chromium can be had here. Install one, or set CHROMIUM to its path." >&2
exit 1
