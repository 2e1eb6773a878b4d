#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/build/fetch-deb.sh PACKAGE FOLDER: unpacks Debian's PACKAGE into FOLDER without installing it.
# The .deb is kept in $GYRE_CACHE (.cache in the tree), so that it is downloaded once. PACKAGE may be `depends:NAME`: the first
# package that NAME depends on, as Debian's kernel stands behind linux-image-cloud-amd64.
set -eu

package=$1 folder=$2
cache=${GYRE_CACHE:-.cache}/debs
mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9

cached() {
	find "$cache" -maxdepth 1 -name "$1_*.deb" | sort -V | tail -n 1
}

fail() {
	echo "fetch-deb: $1" >&2
	exit 1
}

# Read once and remembered: a second build asks no archive.
name=$package
case $package in
depends:*)
	memo=$cache/${package#depends:}.name
	if [ ! -s "$memo" ]; then
		lookup() { apt-cache depends "${package#depends:}" 2>/dev/null | sed -n 's/^ *Depends: *//p' | head -n 1; }
		name=$(lookup)
		if [ -z "$name" ]; then
			root=; [ "$(id -u)" = 0 ] || root="sudo -n"
			$root apt-get -q update </dev/null >/dev/null 2>&1 || true
			name=$(lookup)
		fi
		[ -n "$name" ] || fail "apt-cache does not know ${package#depends:}: apt-get update first, or no network"
		echo "$name" >"$memo"
	fi
	name=$(cat "$memo") ;;
esac

deb=$(cached "$name")
if [ -z "$deb" ]; then
	download() { (cd "$cache" && apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=3 download "$name" </dev/null >.log 2>&1); }
	if ! download; then
		root=; [ "$(id -u)" = 0 ] || root="sudo -n"
		$root apt-get -q update </dev/null >/dev/null 2>&1 || true
		download || {
			tail -n 3 "$cache/.log" >&2
			fail "cannot download Debian's package $name (no network?); put its .deb into $cache and run make again"
		}
	fi
	deb=$(cached "$name")
fi
rm -rf "$folder"
mkdir -p "$folder"
dpkg-deb -x "$deb" "$folder" || { rm -f "$deb"; fail "$deb is damaged and was removed: run make again"; }
