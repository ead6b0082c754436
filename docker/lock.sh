#!/bin/sh
# Regenerates docker/*.lock after a change of requirements.txt (`make lock`): docker/lock.sh UV [TORCH]
#
# TORCH is a page or folder with a CPU build of torch, which needs fewer packages than the CUDA build.
set -eu
cd "$(dirname "$0")/.."
uv=${1:?"no path of uv given; usage: docker/lock.sh UV"}
torch=${2:-https://download.pytorch.org/whl/cpu/torch/}

lock() { # FILE FIRST_LINE OPTION...: locks the requirements on standard input
    file=$1 first_line=$2
    shift 2
    "$uv" pip compile - --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate "$@" > "$file.new"
    { echo "$first_line"; cat "$file.new"; } > "$file"
    rm "$file.new"
}

lock docker/requirements.lock \
    "# Packages of the image other than torch; written by \`make lock\`, and pip checks every hash." \
    --no-emit-package torch --find-links "$torch" < requirements.txt
grep '^torch==' requirements.txt | lock docker/torch-cuda.lock \
    "# torch with CUDA and its dependencies, for DEVICE=cuda; written by \`make lock\`, and pip checks every hash." \
    --constraint docker/requirements.lock
