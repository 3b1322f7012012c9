#!/usr/bin/env bash
# Runs the demo, from a bare Debian 12 machine to a distilled student. It sets up, builds, fetches real text and a real
# teacher, and runs configs/demo.yaml (demo-small.yaml where the processor does not multiply bf16). Arguments go to
# `still run`. A second run reuses everything.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
scripts/fetch_demo_data.sh
scripts/build.sh dev still still-worker
config=configs/demo.yaml
if ! grep -qE '^flags.* (avx512_bf16|amx_bf16)( |$)' /proc/cpuinfo; then
  config=configs/demo-small.yaml
  echo "demo: this processor does not multiply bf16, so steps take several times as long; running $config"
fi
build/dev/bin/still run "$config" "$@"
