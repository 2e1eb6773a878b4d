#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/build/deps.sh LIST: installs the Debian packages that LIST names and this machine lacks.
# Asks nothing. Where it may not or cannot install, says which packages are missing and ends with 1.
set -u

list=$1
names=$(sed 's/#.*//' "$list" | xargs)
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
missing=$(comm -23 <(tr ' ' '\n' <<<"$names" | sort -u) <(sort -u <<<"$installed") | xargs)
[ -z "$missing" ] && exit 0

give_up() {
	echo "deps: $1" >&2
	echo "deps: these Debian packages are missing; install them and run make again (or DEPS=no to try without):" >&2
	echo "deps:   apt-get install --no-install-recommends $missing" >&2
	exit 1
}

command -v apt-get >/dev/null || give_up "there is no apt-get on this machine: the build is made for Debian 12"
as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || give_up "installing needs root, and there is no sudo"
	# Without a terminal nobody could type the password.
	sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; } || give_up "installing needs root, and sudo does not allow it"
	as_root="sudo -n"
fi

export DEBIAN_FRONTEND=noninteractive
echo "  DEPS    $missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
		-o Acquire::Retries=3 install --no-install-recommends $missing </dev/null >"$log" 2>&1
}
# The lists of a fresh machine are empty or old: one update, then one more try.
if ! install; then
	$as_root apt-get -q -o Acquire::Retries=3 update </dev/null >/dev/null 2>&1
	if ! install; then
		tail -n 15 "$log" >&2
		give_up "apt-get could not install them (no network?); its last words are above"
	fi
fi
