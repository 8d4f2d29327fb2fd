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
	local wanted

	if ! command -v apt-get >/dev/null; then
		need_tools
		return
	fi
	[ -n "$(missing "$@")" ] || return 0
	# Several machines can start at once, but apt-get cannot run twice.
	lock "$CACHE/apt-lock"
	mapfile -t wanted < <(missing "$@")
	if [ ${#wanted[@]} -gt 0 ]; then
		install_packages "${wanted[@]}"
	fi
	unlock
}

need_tools() {
	local tool
	for tool in make gcc python3 modinfo cpio gnuplot gawk busybox; do
		command -v "$tool" >/dev/null ||
			die "there is no $tool here, and no apt-get; install $TOOLS;" \
				"or use a container (README.md)"
	done
}

# as_root COMMAND...: run it as root, with the user's proxies, which sudo leaves out
as_root() {
	local name proxies=()
	for name in {http,https,ftp,all,no}_proxy {HTTP,HTTPS,FTP,ALL,NO}_PROXY; do
		if [ "${!name-}" ]; then
			proxies+=("$name=${!name}")
		fi
	done
	if [ "$(id -u)" -ne 0 ]; then
		sudo env "${proxies[@]}" "$@"
	else
		"$@"
	fi
}

# apt_get WORD...: wait while another apt-get has locked the lists, as that which starts at boot
apt_get() {
	local errors said='' lock='Could not get lock [^'$'\n'']*'
	until errors=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 \
		-o DPkg::Lock::Timeout=300 "$@" 2>&1 >/dev/null); do
		if [[ ! $errors =~ $lock ]]; then
			printf '%s\n' "$errors" >&2
			return 1
		fi
		if [ -z "$said" ]; then
			say "waiting: ${BASH_REMATCH[0]}"
			said=yes
		fi
		sleep 1
	done
}

install_packages() {
	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		die "as root, run: apt-get install --no-install-recommends $*"
	fi
	say "installing packages: $*"
	if ! apt_get update; then
		say 'not all package sources can be reached: going on with the others'
	fi
	apt_get -y install --no-install-recommends "$@" || die "apt-get cannot install: $*"
}

# mirror SUITE: the address of Debian's archive (or, for a SUITE of that kind, of its archive of
# security updates) in the package sources of a Debian 12 or 13. It has all suites. Sources of
# others may name the same suites; only apt's lists, if there are any, tell whose they are.
mirror() {
	# shellcheck disable=SC2016	# apt expands these
	apt-get indextargets --format '$(RELEASE) $(SITE) $(ORIGIN)' \
		'Created-By: Packages' 'Component: main' |
		awk -v security="${1##*-}" '
			$1 !~ /^(bookworm|trixie)(-security)?$/ { next }
			($1 ~ /-security$/) != (security == "security") { next }
			$3 == "Debian" && !known { known = $2 }
			!other { other = $2 }
			END { if (known other) print known ? known : other }'
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
