#!/bin/sh
# Writes docker/*.lock anew, which `make lock` does after a change of requirements.txt: docker/lock.sh UV [TORCH]
#
# TORCH is a page or folder with a CPU build of torch: the packages that it needs are fewer than those of CUDA's.
set -eu
cd "$(dirname "$0")/.."
uv=${1:?"where is uv? docker/lock.sh UV"}
torch=${2:-https://download.pytorch.org/whl/cpu/torch/}

lock() { # FILE FIRST_LINE OPTION...: what standard input asks for
    file=$1 first_line=$2
    shift 2
    "$uv" pip compile - --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate "$@" > "$file.new"
    { echo "$first_line"; cat "$file.new"; } > "$file"
    rm "$file.new"
}

lock docker/requirements.lock \
    "# What the image installs beside torch; \`make lock\` writes it, and pip checks every hash." \
    --no-emit-package torch --find-links "$torch" < requirements.txt
grep '^torch==' requirements.txt | lock docker/torch-cuda.lock \
    "# torch with CUDA and all that it needs, for DEVICE=cuda; \`make lock\` writes it, and pip checks every hash." \
    --constraint docker/requirements.lock
