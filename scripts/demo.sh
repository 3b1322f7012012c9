#!/usr/bin/env bash
# The demo: from a bare Debian 12 machine to a distilled student. Sets up, builds, fetches real text and a real teacher,
# and runs configs/demo.yaml. Arguments go to `still run`. Run it again and everything is reused.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
scripts/fetch_demo_data.sh
scripts/build.sh dev still still-worker
build/dev/bin/still run configs/demo.yaml "$@"
