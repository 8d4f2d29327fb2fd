# SPDX-License-Identifier: GPL-2.0-only
# trees.sh - throw-away systems, in folders; functions only
# shellcheck shell=bash

# copy_sources FOLDER: copy what git knows, with changes that are not committed yet
copy_sources() {
	need git
	mkdir -p "$1"
	git -C "$TOP" ls-files -z | (cd "$TOP" && xargs -0 cp -p --parents -t "$1")
}

# debian_tree FOLDER: unpack a bare Debian 12 there. A subshell, so that the lock ends with it.
debian_tree() (
	base=$CACHE/debian.tar unpacked=$CACHE/tmp.$$ log=$CACHE/debian.log

	lock "$base.lock"
	if [ ! -f "$base" ]; then
		say "creating a Debian 12; see $log"
		need debootstrap
		debootstrap --variant=minbase bookworm "$unpacked" "$(mirror bookworm)" \
			>"$log" 2>&1 ||
			die "debootstrap failed: see $log"
		echo "deb $(mirror bookworm-security) bookworm-security main" \
			>>"$unpacked/etc/apt/sources.list"
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
	local uname=$1/usr/local/bin/uname
	# shellcheck disable=SC2016	# for the program
	printf '%s\n' '#!/bin/sh' 'if [ "$*" != -r ]; then exec /bin/uname "$@"; fi' \
		"echo $2" >"$uname"
	chmod +x "$uname"
}

# inside TREE COMMAND...: run it as root there, in the folder mp1, with nothing of ours
inside() {
	local tree=$1
	shift
	# bubblewrap wants a / that is mounted.
	# shellcheck disable=SC2016	# the inner shell expands these
	unshare --mount --fork --pid sh -c '
		mount --bind "$0" "$0" &&
		mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" &&
		exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			DEBIAN_FRONTEND=noninteractive HOME=/root TERM=dumb \
			chroot "$0" sh -c "cd /mp1 && exec \"\$@\"" sh "$@"
	' "$tree" "$@" </dev/null
}
