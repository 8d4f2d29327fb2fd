# SPDX-License-Identifier: GPL-2.0-only
# base.sh - what each script begins with. Sourcing it defines functions and does nothing else;
# then the script calls: start "$@"
# shellcheck shell=bash

# say WORD...: a progress line, on stderr so that a command's output stays its own
say() { printf '   %s\n' "$*" >&2; }

# die WORD...: say what is wrong and what to do next, and stop
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# usage: a script's own header comment is its help text
usage() { sed -n '3,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"; }

# clean_environment ARGUMENT...: run the script again, without what the caller's environment has for
# other programs: CDPATH, functions, MAKEFLAGS, KBUILD_OUTPUT, GIT_DIR and the like. (The scripts
# begin with bash -p, which takes no notice of BASH_ENV, CDPATH and functions.)
clean_environment() {
	local come_in names all kept=() entry
	names=(
		KERNEL TESTS MINUTES ALL COVERAGE UPDATE BOOTS 'MP1_.*'	# see CONTRIBUTING.md
		KDIR PERIOD SUBMISSION		# for make, behind vm/setup
		PATH LD_LIBRARY_PATH 'NIX_.*'	# where programs and their libraries are
		HOME USER LOGNAME SHELL 'SUDO_.*' SSH_AUTH_SOCK	# the caller, with its rights
		XDG_CACHE_HOME TMPDIR		# where there is room
		{http,https,ftp,all,no}_proxy {HTTP,HTTPS,FTP,ALL,NO}_PROXY	# for apt-get
		APT_CONFIG			# likewise
		TERM TERMINFO			# what the terminal can do
		GITHUB_STEP_SUMMARY		# where tests/run adds its summary
		PWD OLDPWD SHLVL _		# set by bash, and the rest below
		LC_ALL GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0
	)
	come_in=$(IFS="|"; echo "${names[*]}")
	mapfile -d '' all < <(env -0)
	for entry in "${all[@]}"; do
		if [[ ${entry%%=*} =~ ^($come_in)$ ]]; then
			kept+=("$entry")
		fi
	done
	if [ ${#kept[@]} -lt ${#all[@]} ] && [ -f "$0" ]; then	# not in bash -c
		exec env -i "${kept[@]}" "$BASH" -p "$0" "$@"
	fi
}

# start ARGUMENT...: set TOP, CACHE and BUILD, the folders of the project, of downloads and of
# results. Answer --help. Continue as the user who called sudo. Refuse what cannot work.
start() {
	clean_environment "$@"
	TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
	CACHE=${XDG_CACHE_HOME:-~/.cache}/mp1
	BUILD=$TOP/build
	# Scripts parse what tools print.
	export LC_ALL=C.UTF-8
	# git must not mind that root, in a container, reads a user's files.
	export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=$TOP
	umask 022	# other users read what is made here: in the machine, and in grade's sandbox
	if [ ! -w "${TMPDIR:-/tmp}" ]; then
		TMPDIR=/tmp
	fi
	case ${1-} in
	-h | --help) usage; exit ;;
	esac
	leave_root "$@"
	refuse_folders
}

# leave_root ARGUMENT...: under sudo, in a folder of the user who called it, run the script again as
# that user: root's files would be in the way later. Scripts that need root set MP1_AS_ROOT=yes
# first and, if they create files in build/, end with give_back.
leave_root() {
	if [ "$(id -u)" -eq 0 ] && [ -z "${MP1_AS_ROOT-}" ] && [ "${SUDO_UID:-0}" -ne 0 ] &&
	   [ "$(stat -c %u "$TOP")" = "$SUDO_UID" ] && command -v sudo >/dev/null; then
		exec sudo -E -H -u "#$SUDO_UID" -- "$(realpath "$0")" "$@"
	fi
}

# shellcheck disable=SC2153	# sudo sets SUDO_GID
# give_back: let the user who called sudo have what was created here
give_back() {
	if [ -n "${SUDO_UID-}" ]; then
		chown -Rh "$SUDO_UID:$SUDO_GID" "$BUILD"
	fi
}

# writable FOLDER: can files be created there, or the folder itself?
writable() {
	local parent=$1
	until [ -e "${parent:=/}" ]; do
		parent=${parent%/*}
	done
	[ -w "$parent" ]
}

refuse_folders() {
	local foreign
	if [ "$(id -u)" -ne 0 ] && [ -d "$BUILD" ]; then
		foreign=$(find "$BUILD" -maxdepth 1 ! -uid "$(id -u)" -print -quit)
		[ -z "$foreign" ] ||
			die "files in $BUILD belong to another user (root, in a container?);" \
				"run: sudo chown -R $(id -u) $BUILD"
	fi
	[[ $TOP$CACHE != *[[:space:]\"\#\$%\&\'\(\),:\;\<\>\\\`\|]* ]] ||
		die "kbuild takes no blank and none of \"#\$%&'(),:;<>\\\`| in a path;" \
		    "move $TOP (or set XDG_CACHE_HOME, for $CACHE)"
	writable "$BUILD" || die "cannot write to $BUILD; copy the project to a folder of yours"
	writable "$CACHE" || die "cannot write to $CACHE; set XDG_CACHE_HOME to a folder of yours"
}

# lock FILE: wait until no other script holds it, then hold it until this one ends
lock() {
	local status=0
	mkdir -p "${1%/*}"
	exec {lock_fd}>"$1"
	flock -n "$lock_fd" 2>/dev/null || status=$?
	if [ $status -eq 1 ]; then
		say "waiting for another command, which holds $1"
		flock "$lock_fd"
	elif [ $status -ne 0 ]; then
		die "$1 cannot be locked: is it on a network drive?" \
			"Use a local one: move the project, or set XDG_CACHE_HOME"
	fi
}

# unlock: give up what was locked last
unlock() { exec {lock_fd}>&-; }

# test_ended STATUS NAME SECONDS: print how a script's own test ended, as tests/run does
test_ended() {
	local word=ok
	if [ "$1" -ne 0 ]; then
		word=FAIL
	fi
	printf '%-5s %-62s %6.2f s\n' "$word" "$2" "$3"
}
