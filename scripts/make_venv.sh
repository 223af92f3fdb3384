#!/usr/bin/env bash
# Makes the virtual environment $1 with a Python that facevid runs on and installs $2 (uv) into it.
# PYTHON names the interpreter to use; without it, python3 and then python3.12 and python3.11 are tried.
set -euo pipefail
venv=$1
uv=$2

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' >/dev/null 2>&1; }

python=""
for candidate in ${PYTHON:-python3 python3.12 python3.11}; do
    if fits "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "facevid needs Python 3.11 or 3.12 (mediapipe 0.10.21 has no build for others), and ${PYTHON:-python3} is" \
        "$("${PYTHON:-python3}" --version 2>&1 || true). Install one of them and name it: make setup PYTHON=python3.12" >&2
    exit 1
fi

rm -rf "$venv"
# Debian's Python comes without ensurepip: there, its own pip fills the environment from outside.
if "$python" -c 'import ensurepip' >/dev/null 2>&1; then
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$uv"
elif "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --without-pip "$venv"
    "$python" -m pip --python "$venv/bin/python" install --quiet --disable-pip-version-check "$uv"
else
    echo "$python has neither ensurepip nor pip. Install one of them, for example: apt-get install python3-venv" >&2
    exit 1
fi
