# SPDX-License-Identifier: GPL-2.0-only
# packages.sh - what this computer has, and how to get what it lacks
# shellcheck shell=bash

# What to install for KERNEL=host where there is no apt-get, by the usual names
TOOLS='make gcc python3 kmod cpio gnuplot gawk, the library Check, a static busybox, QEMU'

# distribution: debian or ubuntu, even for what derives from them, or other
distribution() {
	local id
	# shellcheck source=/dev/null
	for id in $(. /etc/os-release 2>/dev/null && echo "${ID-} ${ID_LIKE-}"); do
		case $id in
		debian | ubuntu) echo "$id"; return ;;
		esac
	done
	echo other
}

# available_mib: memory that is free or can be freed
available_mib() { awk '/MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }

# missing PACKAGE...: print those that are not installed
missing() {
	local package status
	for package; do
		status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
		if [ "$status" != installed ]; then
			echo "$package"
		fi
	done
}

# need PACKAGE...: install what is missing of these, by Debian's names. Where there is no apt-get,
# a tool that is not there must fail by itself: tell which ones are needed, once.
need() {
	local wanted apt_lock

	if ! command -v apt-get >/dev/null; then
		need_tools
		return
	fi
	[ -n "$(missing "$@")" ] || return 0
	# Several machines can start at once, but apt-get cannot run twice.
	mkdir -p "$CACHE"
	exec {apt_lock}>"$CACHE/apt-lock"
	flock "$apt_lock"
	mapfile -t wanted < <(missing "$@")
	if [ ${#wanted[@]} -gt 0 ]; then
		install_packages "${wanted[@]}"
	fi
	exec {apt_lock}>&-
}

need_tools() {
	local tool
	for tool in make gcc python3 modinfo cpio gnuplot gawk busybox; do
		command -v "$tool" >/dev/null ||
			die "there is no $tool here, and no apt-get; install $TOOLS;" \
				"or use a container (README.md)"
	done
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
			$1 == "Packages" && $2 ~ /^(bookworm|trixie)(-security)?$/ &&
			($2 ~ /-security$/) == (security == "security") { print $3; exit }'
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
