#!/bin/sh
# Puts a virtual environment with the given requirements into .venv, or into the folder that is given beside;
# does nothing where it is there already.
set -eu
cd "$(dirname "$0")/.."
requirements=$1
venv=${2:-.venv}

works() { # is this command a Python that can be used?
    "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for name in python3.14 python3.13 python3.12 python3.11 python3; do
        if works "$name"; then echo "$name"; return; fi
    done
    echo "No Python 3.11 or newer with the venv module was found. Install one, then try again." >&2
    exit 1
}

fingerprint() { # of what was asked for, and of the Python it is for
    { cat requirements*.txt; [ "$venv" = .venv ] || cat "$requirements"; $venv/bin/python -VV 2>/dev/null || true; } | cksum
}

stamp=$venv/.$(basename "$requirements").stamp
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ]; then exit 0; fi

failed() {
    echo "The set-up failed: $1" >&2
    exit 1
}

uv=$(command -v uv || true)
if ! works $venv/bin/python; then
    python=$(find_python)
    echo "Setting up $venv with $("$python" -V) ..." >&2
    rm -rf $venv
    if [ -n "$uv" ]; then
        uv venv --quiet --python "$(command -v "$python")" $venv || failed "uv could not make $venv."
    elif ! "$python" -c 'import ensurepip' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        failed "the venv module lacks pip. On Debian or Ubuntu: sudo apt-get install python$version-venv"
    else
        "$python" -m venv $venv || failed "python -m venv did not work."
    fi
fi

echo "Installing $requirements ..." >&2
if [ -n "$uv" ]; then
    uv pip install --quiet --python $venv/bin/python -r "$requirements" \
        || failed "the packages could not be installed. Is there a network?"
else
    $venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements" \
        || failed "the packages could not be installed. Is there a network?"
fi
fingerprint >"$stamp"
