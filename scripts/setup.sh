#!/usr/bin/env bash
# Installs what Stillhouse needs to build and run on Debian 12: packages of the distribution, and the project's virtual
# environment (.venv) with LibTorch and Open MPI. It may run again at any time and installs only what is missing.
#   --light  installs only what coordinator, CLI, shards and their tests need: no LibTorch, no Open MPI
#   --cuda   adds the CUDA libraries of the LibTorch wheel (5 GB instead of 1.3 GB)
#   --hf     adds a second environment (.venv-hf) with transformers and tokenizers, which only the tests labelled hf use
#            (5 GB, because transformers loads LibTorch with its CUDA half)
#   --test   adds an ssh server, for test hosts that are namespaces of this machine, and a browser (chromium)
set -euo pipefail
cd "$(dirname "$0")/.."
light=no cuda=no hf=no test=no
for option in "$@"; do
  case $option in
    --light) light=yes ;;
    --cuda) cuda=yes ;;
    --hf) hf=yes ;;
    --test) test=yes ;;
    *) echo "setup: unknown option $option (known: --light, --cuda, --hf, --test)" >&2; exit 2 ;;
  esac
done

packages=(g++ cmake ninja-build ccache mold pkg-config git ca-certificates python3-venv
  protobuf-compiler libprotobuf-dev librocksdb-dev libzmq3-dev cppzmq-dev libspdlog-dev libfmt-dev libyaml-cpp-dev
  libcli11-dev nlohmann-json3-dev libicu-dev libbz2-dev libexpat1-dev libssl-dev libcpp-httplib-dev
  libgtest-dev libgmock-dev)
[ $test = no ] || packages+=(openssh-client openssh-server iproute2 util-linux procps chromium fonts-dejavu-core)
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: installing Debian packages: ${missing[*]}"
  sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "setup: packages are missing and sudo is not installed; run this script as root, or install sudo" >&2; exit 1; }
    sudo=(sudo)
  fi
  "${sudo[@]}" apt-get update -qq
  # RUNLEVEL=1 keeps the installation from starting a server.
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# environment NAME REQUIREMENTS [PIP OPTIONS]: makes a virtual environment that holds exactly what the file pins.
environment() {
  local name=$1 requirements=$2
  shift 2
  local stamp="$name/installed-$(basename "$requirements")"
  if [ -e "$stamp" ] && cmp -s "$requirements" "$stamp"; then return; fi
  echo "setup: installing $requirements into $name"
  "$name/bin/python" -m pip --version >/dev/null 2>&1 || /usr/bin/python3 -m venv --clear "$name"
  "$name/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" "$@"
  cp "$requirements" "$stamp"
}
if [ $light = no ]; then
  environment .venv scripts/requirements.txt --no-deps
  [ $cuda = no ] || environment .venv scripts/requirements-cuda.txt
fi
[ $hf = no ] || environment .venv-hf scripts/requirements-hf.txt
echo "setup: everything is there"
