# SPDX-License-Identifier: GPL-2.0-only
# Shell functions and paths shared by the scripts of this project; sourced, never run.
# shellcheck shell=bash

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/mp1
BUILD=$TOP/build
export TOP CACHE BUILD
# What tools print is read; what make was told is not for the makes in here.
export LC_ALL=C.UTF-8
unset LANGUAGE MAKEFLAGS MFLAGS MAKELEVEL

# say WORD...: a progress line, on stderr so that a command's output stays its own
say() { printf '   %s\n' "$*" >&2; }

# die WORD...: say what is wrong and what to do next, and stop
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

[[ $TOP$CACHE != *[[:space:]:]* ]] || die "kbuild cannot work in a path with a blank or colon: $TOP, $CACHE"

# lock FILE: wait until nobody else has it; it is ours until we end
lock() {
	mkdir -p "${1%/*}"
	exec {lock_fd}>"$1"
	flock -n "$lock_fd" || { say "waiting for another command, which holds $1"; flock "$lock_fd"; }
}

# boot_for_gdb WORD CONSOLE ARGUMENT...: vm/boot beside us, for gdb to attach to, until it
# reports WORD. Sets work, the folder of its report and of gdb's socket; both end with us.
boot_for_gdb() {
	local word=$1 console=$2 i
	shift 2
	work=$(mktemp -d)
	set -m	# the machine is a process group of its own, to be ended as a whole
	"$TOP/vm/boot" -g "$work/gdb" -r "$work/report" "$@" </dev/null >"$console" 2>&1 &
	machine=$!
	trap 'kill -- "-$machine" 2>/dev/null || true; rm -rf "$work"' EXIT
	disown
	for ((i = 0; i < 3000; i++)); do
		! grep -aqs "^$word" "$work/report" || return 0
		kill -0 "$machine" 2>/dev/null || die "the machine ended: see $console"
		sleep 0.1
	done
	die "the machine is not ready: see $console"
}

# available_mib: memory that is to be had
available_mib() { awk '/MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }

# usage: a script's own header comment is its help text
usage() { sed -n '3,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"; }

# missing PACKAGE...: those of them that are not installed
missing() {
	local package
	for package; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
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
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" \
		>/dev/null 2> >(grep -v '^debconf: delaying' >&2)
}

# mirror SUITE: the address from which this machine's own apt would take it
mirror() {
	# shellcheck disable=SC2016	# apt expands these
	apt-get indextargets --no-release-info --format '$(CREATED_BY) $(RELEASE) $(SITE)' |
		awk -v security="${1##*-}" '
			$1 == "Packages" && $2 ~ /^(bookworm|trixie|bookworm-security|trixie-security)$/ {
				if (($2 ~ /-security$/) == (security == "security")) { print $3; exit }
			}'
}
