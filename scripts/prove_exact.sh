#!/usr/bin/env bash
# Proves that any failure and any number of ranks give the same bits. It trains one student on real text under many
# kinds of failure and prints a table of hashes over weights and optimizer state. It takes about five minutes and exits
# 1 unless all hashes are equal. `--list` names the cases. Names of cases as arguments select those.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ${1:-} != --list ]]; then
  scripts/setup.sh
  scripts/fetch_demo_data.sh
  scripts/build.sh dev still still-worker
fi
exec python3 scripts/prove_exact.py "$@"
