#!/usr/bin/env bash
# Same bits after any failure, on any number of ranks: trains one student on real text under every kind of bad luck and
# prints a table of hashes over weights and optimizer state; exits 1 unless all are equal. About five minutes.
# `scripts/prove_exact.sh --list` names the cases; names of cases as arguments run only those.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ${1:-} != --list ]]; then
  scripts/setup.sh
  scripts/fetch_demo_data.sh
  scripts/build.sh dev still still-worker
fi
exec python3 scripts/prove_exact.py "$@"
