#!/bin/sh
# Builds the image with the first of docker, podman and buildah that works: docker/build.sh TAG [ENGINE OPTION ...]
#
# Set ENGINE to choose one of them.
set -eu
cd "$(dirname "$0")/.."
tag=${1:?"no tag given; usage: docker/build.sh TAG"}
shift

# `info` also fails when the client is installed but its daemon is not running.
for engine in ${ENGINE:-docker podman buildah}; do
    "$engine" info >/dev/null 2>&1 && break
    engine=
done
if [ -z "$engine" ]; then
    echo "Found no working ${ENGINE:-docker, podman or buildah}" >&2
    exit 1
fi

# The docker format preserves HEALTHCHECK. As root, chroot isolation runs the build's commands without an OCI runtime.
case $engine in
    docker) export DOCKER_BUILDKIT=1 ;;
    podman) set -- --format docker "$@" ;;
    buildah)
        set -- --format docker "$@"
        [ "$(id -u)" -ne 0 ] || export BUILDAH_ISOLATION="${BUILDAH_ISOLATION:-chroot}"
        ;;
esac
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' service/inkwell/__init__.py)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
echo "==> Building $tag with $engine"
exec "$engine" build --file docker/Dockerfile --tag "$tag" \
    --build-arg VERSION="$version" --build-arg REVISION="$revision" "$@" .
