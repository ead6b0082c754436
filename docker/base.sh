#!/bin/sh
# Builds the Dockerfile's base image from Debian packages, under the same image name: docker/base.sh [MIRROR]
#
# For buildah on a machine that can reach a Debian mirror but no registry. Omits the files that the slim images omit.
set -eu
mirror=${1:-http://deb.debian.org/debian}
name=$(sed -n 's/^FROM \([^ ]*\).*/\1/p' "$(dirname "$0")/Dockerfile" | head -n 1)

container=$(buildah from scratch)
trap 'buildah rm "$container" >/dev/null' EXIT
root=$(buildah mount "$container")
mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
cat > "$root/etc/dpkg/dpkg.cfg.d/slim" <<'SLIM'
force-unsafe-io
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
SLIM
mkdir -p "$root/etc/apt/apt.conf.d"
cat > "$root/etc/apt/apt.conf.d/slim" <<'SLIM'
APT::Keep-Downloaded-Packages "false";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
SLIM
debootstrap --variant=minbase bookworm "$root" "$mirror"
# debootstrap's first stage unpacks packages without dpkg, so the path-exclude list above did not apply to them.
find "$root/usr/share/doc" -type f ! -name copyright -delete
for folder in info lintian locale man; do rm -rf "$root/usr/share/$folder"; mkdir -p "$root/usr/share/$folder"; done
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/dev/* "$root"/run/*
{
    echo "deb $mirror bookworm main"
    echo "deb $mirror bookworm-updates main"
    echo "deb ${mirror%/debian}/debian-security bookworm-security main"
} > "$root/etc/apt/sources.list"
buildah config --cmd bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
buildah commit "$container" "$name"
