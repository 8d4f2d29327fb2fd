# SPDX-License-Identifier: GPL-2.0-only
# Shell functions and paths shared by the scripts of this project; sourced, never run.
# shellcheck shell=bash

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
CACHE=${XDG_CACHE_HOME:-~/.cache}/mp1
BUILD=$TOP/build
export TOP CACHE BUILD
# Scripts parse what tools print. Do not pass the calling make's options to the makes in here.
export LC_ALL=C.UTF-8
unset LANGUAGE MAKEFLAGS MFLAGS MAKELEVEL

# say WORD...: a progress line, on stderr so that a command's output stays its own
say() { printf '   %s\n' "$*" >&2; }

# die WORD...: say what is wrong and what to do next, and stop
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# usage: a script's own header comment is its help text
usage() { sed -n '3,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"; }

# The first argument of each script may ask for it.
case ${1-} in
-h | --help)
	usage
	exit
	;;
esac

# Under sudo, in a folder of the user that called it, continue as that user: otherwise root's files
# would be in the way later. Scripts that need root set MP1_AS_ROOT first and, if they create files
# in build/, end with give_back.
if [ "$(id -u)" -eq 0 ] && [ -z "${MP1_AS_ROOT-}" ] && [ "${SUDO_UID:-0}" -ne 0 ] &&
   [ "$(stat -c %u "$TOP")" = "$SUDO_UID" ] && command -v sudo >/dev/null; then
	exec sudo -E -H -u "#$SUDO_UID" -- "$(realpath "$0")" "$@"
fi

# shellcheck disable=SC2153	# sudo sets SUDO_GID
# give_back: let the user who called sudo have what was created here
give_back() { [ -z "${SUDO_UID-}" ] || chown -Rh "$SUDO_UID:$SUDO_GID" "$BUILD"; }

if [ "$(id -u)" -ne 0 ] && [ -n "$(find "$BUILD" -maxdepth 1 ! -uid "$(id -u)" -print -quit 2>/dev/null)" ]; then
	die "files in $BUILD belong to another user (root, in a container?); run: sudo chown -R $(id -u) $BUILD"
fi

[[ $TOP$CACHE != *[[:space:]\"\#\$%\&\'\(\),:\;\<\>\\\`\|]* ]] ||
	die "kbuild takes no blank and none of \"#\$%&'(),:;<>\\\`| in a path; move $TOP (or set XDG_CACHE_HOME, for $CACHE)"

# lock FILE: wait until nobody else holds it, then hold it until this script ends
lock() {
	mkdir -p "${1%/*}"
	exec {lock_fd}>"$1"
	flock -n "$lock_fd" || { say "waiting for another command, which holds $1"; flock "$lock_fd"; }
}

# boot_for_gdb WORD CONSOLE ARGUMENT...: start vm/boot in the background, for gdb to attach to,
# and wait until it reports WORD. Sets work, the folder with its report and gdb's socket. The
# machine and the folder go when this script ends.
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
		if grep -aqs "^$word" "$work/report"; then
			return
		fi
		kill -0 "$machine" 2>/dev/null || die "the machine ended: see $console"
		sleep 0.1
	done
	die "the machine is not ready: see $console"
}

# host_architecture: Debian's name for the architecture of this computer's programs
host_architecture() {
	if command -v dpkg >/dev/null; then
		dpkg --print-architecture
		return
	fi
	case $(uname -m) in
	x86_64) echo amd64 ;;
	i?86) echo i386 ;;
	aarch64) echo arm64 ;;
	armv7*) echo armhf ;;
	*) uname -m ;;
	esac
}

# distribution: debian, ubuntu, fedora, arch, suse, alpine or other, also for what derives from it
distribution() {
	local id
	# shellcheck source=/dev/null
	for id in $(. /etc/os-release 2>/dev/null && echo "${ID-} ${ID_LIKE-}"); do
		case $id in
		debian | ubuntu | fedora | arch | alpine) echo "$id"; return ;;
		suse | opensuse*) echo suse; return ;;
		rhel | centos) echo fedora; return ;;
		esac
	done
	echo other
}

# configured FILE OPTIONS: does this kernel configuration set one of them (separated by |) to y?
configured() { grep -qsxE "CONFIG_($2)=y" "$1"; }

# Kernels with bug finders are slow, and tests do more on them.
# allow_for FOLDER: for tests on the kernel in FOLDER, set slow, how many times as long as usual
# something may take, and parameters, for the kernel's command line
# shellcheck disable=SC2034
allow_for() {
	slow=1 parameters=''
	if configured "$1/build/.config" KMSAN; then
		slow=12
	elif configured "$1/build/.config" 'KASAN|KCSAN|PROVE_LOCKING'; then
		slow=4
	fi
	if [ $slow -gt 1 ]; then	# RCU's own limit for a stall is 21 s
		parameters="mp1-thorough kasan_multi_shot rcupdate.rcu_cpu_stall_timeout=$((21 * slow))"
	fi
}

# copy_sources FOLDER: copy what git knows, with changes that are not committed yet
copy_sources() {
	need git
	mkdir -p "$1"
	git -C "$TOP" ls-files -z | (cd "$TOP" && xargs -0 cp -p --parents -t "$1")
}

# debian_tree FOLDER: unpack a bare Debian 12 there. A subshell, so that the lock ends with it.
debian_tree() (
	base=$CACHE/debian.tar unpacked=$CACHE/tmp.$$

	lock "$base.lock"
	if [ ! -f "$base" ]; then
		say "creating a Debian 12; see $CACHE/debian.log"
		need debootstrap
		debootstrap --variant=minbase bookworm "$unpacked" "$(mirror bookworm)" >"$CACHE/debian.log" 2>&1 ||
			die "debootstrap failed: see $CACHE/debian.log"
		echo "deb $(mirror bookworm-security) bookworm-security main" >>"$unpacked/etc/apt/sources.list"
		rm -f "$unpacked"/var/cache/apt/archives/*.deb
		tar -C "$unpacked" -cf "$base.new" .
		rm -rf "$unpacked"
		mv "$base.new" "$base"
	fi
	mkdir -p "$1"
	tar -C "$1" -xf "$base"
)

# pretend_kernel TREE RELEASE: let programs there believe that this kernel runs
pretend_kernel() {
	printf '#!/bin/sh\n[ "$*" = -r ] || exec /bin/uname "$@"\necho %s\n' "$2" >"$1/usr/local/bin/uname"
	chmod +x "$1/usr/local/bin/uname"
}

# test_ended STATUS NAME SECONDS: print how a script's own test ended, as the tests in the guest do
test_ended() {
	local word=ok
	if [ "$1" -ne 0 ]; then
		word=FAIL
	fi
	printf '%-5s %-62s %6.2f s\n' "$word" "$2" "$3"
}

# own_compiler KERNEL ARRAY: add the words that make needs to use the compiler of a kernel that
# was compiled on this computer
own_compiler() {
	local -n own_compiler_words=$2
	if [ -f "$1/make" ]; then
		mapfile -t -O ${#own_compiler_words[@]} own_compiler_words <"$1/make"
	fi
}

# guest_tree FOLDER PROGRAM...: copy programs of this computer there, with their libraries
guest_tree() {
	local folder=$1 program
	shift
	rm -rf "$folder"
	mkdir -p "$folder"
	for program; do
		ldd "$program" | grep -o '/[^ ]*'
		echo "$program"
	done | sort -u | xargs cp -L --parents -t "$folder"
}

# available_mib: memory that is free or can be freed
available_mib() { awk '/MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }

# missing PACKAGE...: print those that are not installed. Names are Debian's. Where there is no
# dpkg, vm/packages tells what each is for.
missing() {
	local package what
	for package; do
		if command -v dpkg-query >/dev/null; then
			what=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
			[ "$what" != installed ] || continue
		else
			what=$(awk -v name="$package" '$1 == name { print $2 }' "$TOP/vm/packages")
			if [ "$what" = - ] || [ -e "$what" ] || command -v "${what:-$package}" >/dev/null; then
				continue
			fi
		fi
		echo "$package"
	done
}

# need PACKAGE...: install what is missing of these, where there is apt-get. Elsewhere, say how
# to install it.
need() {
	local wanted lock

	[ -n "$(missing "$@")" ] || return 0
	# Several machines can start at once, but apt-get cannot run twice.
	mkdir -p "$CACHE"
	exec {lock}>"$CACHE/apt-lock"
	flock "$lock"
	mapfile -t wanted < <(missing "$@")
	if [ ${#wanted[@]} -gt 0 ]; then
		command -v apt-get >/dev/null || die "as root, run: $(name_packages "${wanted[@]}")"
		install_packages "${wanted[@]}"
	fi
	exec {lock}>&-
}

# name_packages PACKAGE...: where there is no apt-get, print the command that installs what is
# missing of these and of all that make demo and make test need, so that nobody has to ask twice
name_packages() {
	local column tool names package wanted

	# shellcheck disable=SC2046	# several words
	mapfile -t wanted < <(missing "$@" make gcc libc6-dev kmod check cpio busybox-static \
		gnuplot-nox gawk $(. "$TOP/vm/lib/arch.sh" && architecture "$(host_architecture)" && echo "${qemu_packages[*]}"))
	case $(distribution) in
	fedora) column=3 tool='dnf install' ;;
	arch) column=4 tool='pacman -S' ;;
	suse) column=5 tool='zypper install' ;;
	alpine) column=6 tool='apk add' ;;
	*) column=1 tool='your package manager, for what Debian calls' ;;
	esac
	names=$(for package in "${wanted[@]}"; do
		awk -v name="$package" -v column=$column '
			$1 == name { found = $column }
			END { print found ? found : name }' "$TOP/vm/packages"
	done | tr , '\n' | grep -vx -e - | sort -u | xargs) || true
	if [ "$names" ]; then
		echo "$tool $names"
	fi
}

install_packages() {
	local sudo=()

	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null ||
			die "as root, run: apt-get install --no-install-recommends $*"
		sudo=(sudo)
	fi
	say "installing packages: $*"
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
