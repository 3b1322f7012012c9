#!/usr/bin/env bash
# Configures and builds a preset: scripts/build.sh [dev|release|light|asan|tsan] [ninja arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-dev}
shift || true
mkdir -p build
log=build/configure-$preset.log
cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
cmake --build --preset "$preset" -- "$@"
