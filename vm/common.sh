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

# need PACKAGE...: see to it that these Debian packages are installed
need() {
	local missing=() package sudo=()

	command -v dpkg-query >/dev/null ||
		die "this is not a Debian system; install what Debian calls: $*"
	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	# shellcheck source=/dev/null
	[ "$(. /etc/os-release && echo "$ID")" = debian ] ||
		die "this is not Debian; install what it calls: ${missing[*]}"
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null ||
			die "as root, run: apt-get install --no-install-recommends ${missing[*]}"
		sudo=(sudo)
	fi
	say "installing Debian packages: ${missing[*]}"
	"${sudo[@]}" apt-get -qq update >&2
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}" \
		>/dev/null 2> >(grep -v '^debconf: delaying' >&2)
}
