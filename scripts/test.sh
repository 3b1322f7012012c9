#!/usr/bin/env bash
# Sets up a bare Debian 12 machine, builds, and runs every test. Arguments go to ctest, for example
# `scripts/test.sh -L unit`. Tests that need what this machine lacks (a GPU) say so and are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh --hf --test
scripts/fetch_demo_data.sh
scripts/build.sh dev
ctest --preset dev -j "$(nproc)" "$@"
