#!/bin/sh
# Builds the image with docker, podman or buildah, whichever works here: docker/build.sh TAG [OPTION OF THE ENGINE ...]
#
# ENGINE chooses one of them.
set -eu
cd "$(dirname "$0")/.."
tag=${1:?"which tag? docker/build.sh TAG"}
shift

# A client without its daemon is there, but does not work.
for engine in ${ENGINE:-docker podman buildah}; do
    "$engine" info >/dev/null 2>&1 && break
    engine=
done
if [ -z "$engine" ]; then
    echo "No working ${ENGINE:-docker, podman or buildah} is here" >&2
    exit 1
fi

# The format with which a health check is kept. As root, chroot needs no further program to run the build's commands.
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
