# SPDX-License-Identifier: GPL-2.0-only
# Shell functions and paths shared by the scripts of this project; sourced, never run.
# shellcheck shell=bash

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/mp1
BUILD=$TOP/build
export TOP CACHE BUILD

# say WORD...: a progress line, on stderr so that a command's output stays its own
say() { printf '   %s\n' "$*" >&2; }

# die WORD...: say what is wrong and what to do next, and stop
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# usage: a script's own header comment is its help text
usage() { sed -n '3,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"; }

# missing PACKAGE...: those of them that are not installed
missing() {
	local package
	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			echo "$package"
	done
}

# need PACKAGE...: see to it that these Debian packages are installed
need() {
	local wanted lock

	command -v dpkg-query >/dev/null ||
		die "this is not a Debian system; install what Debian calls: $*"
	[ -n "$(missing "$@")" ] || return 0
	# Machines are started side by side, and apt-get cannot run twice.
	mkdir -p "$CACHE"
	exec {lock}>"$CACHE/apt-lock"
	flock "$lock"
	mapfile -t wanted < <(missing "$@")
	[ ${#wanted[@]} -eq 0 ] || install_packages "${wanted[@]}"
	exec {lock}>&-
}

install_packages() {
	local sudo=()

	# shellcheck source=/dev/null
	[ "$(. /etc/os-release && echo "$ID")" = debian ] ||
		die "this is not Debian; install what it calls: $*"
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null ||
			die "as root, run: apt-get install --no-install-recommends $*"
		sudo=(sudo)
	fi
	say "installing Debian packages: $*"
	"${sudo[@]}" apt-get -qq update >&2
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o Dpkg::Use-Pty=0 install --no-install-recommends "$@" \
		>/dev/null 2> >(grep -v '^debconf: delaying' >&2)
}

# mirror SUITE: the address from which this machine's own apt would take it
mirror() {
	# shellcheck disable=SC2016	# apt expands these
	apt-get indextargets --format '$(CREATED_BY) $(RELEASE) $(SITE)' |
		awk -v security="${1##*-}" '
			$1 == "Packages" && $2 ~ /^(bookworm|trixie|bookworm-security|trixie-security)$/ {
				if (($2 ~ /-security$/) == (security == "security")) { print $3; exit }
			}'
}
