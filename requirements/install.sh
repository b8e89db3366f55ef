#!/bin/sh
# Make .venv and install a lock file into it: install.sh base|dev. Does nothing when that is done already.
# The Makefile calls it in its own folder. $PYTHON may name the Python to use.
set -eu

lock="requirements/$1.txt"
installed=".venv/installed-$1.txt" # A copy of the lock that was installed last.
python=.venv/bin/python

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

find_python() {
  for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s' "$name"
      return
    fi
  done
  found=$("${PYTHON:-python3}" --version 2>&1) || found="none"
  fail "Segue needs Python 3.11 or newer; found: $found." \
    "Install one (Debian: apt install python3 python3-venv), or name one: make up PYTHON=/path/to/python3.11"
}

make_venv() {
  base=$(find_python)
  "$base" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$base cannot make virtual environments: its module venv or ensurepip is missing." \
      "Install it (Debian: apt install python3-venv) and run this again."
  printf '%s\n' "Making .venv with $("$base" --version) ..."
  "$base" -m venv --clear .venv
}

if "$python" -c '' 2>/dev/null && cmp -s "$lock" "$installed"; then
  exit 0
fi
"$python" -m pip --version >/dev/null 2>&1 || make_venv
printf '%s\n' "Installing $lock (a minute or two) ..."
"$python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$lock" ||
  fail "The dependencies could not be installed; pip says why above."
cp "$lock" "$installed"
