# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034,SC2016	# for quality/static, and for eval
# Checks that what people have set on their computers is no obstacle, or is named. Each line is one:
# what must be printed, and what is typed.

# works TEXT COMMAND...: the command succeeds, and the last line that it prints has TEXT in it
works() {
	local output
	if ! output=$("${@:2}" 2>&1) || [[ ${output##*$'\n'} != *"$1"* ]]; then
		echo "fails, or its last line has no \"$1\": ${*:2}: $output"
	fi
}

# fake FOLDER/NAME TEXT: a program of that name, a shell script, in that folder of $work
fake() {
	mkdir -p "$work/${1%/*}"
	printf '#!/bin/sh\n%s\n' "$2" >"$work/$1"
	chmod +x "$work/$1"
}

# one_path COMMAND...: it succeeds and prints nothing but one path
one_path() {
	local output
	output=$("$@" 2>/dev/null) && [[ $output == /*/* && $output != *$'\n'* ]]
}

# The environment: no script takes from it what is for other programs.
wants[environment]='get_kernel git python3'
check_environment() {
	local work
	work=$(mktemp -d -p "$BUILD")
	echo "echo hi; cd /" >"$work/rc"
	export KERNEL=${kernel##*/}
	works '' eval '! git grep -l "^start \"[$]@\"" | xargs head -qn 1 | grep -vx ".*-S bash -p"'
	works '' eval 'export CDPATH=.; one_path vm/kernel'
	works '' eval 'cd() { echo "in $1"; builtin cd "$@"; }; export -f cd; one_path vm/kernel'
	works '' eval 'export BASH_ENV=$work/rc; one_path vm/kernel'
	works '' eval 'export SHELLOPTS POSIXLY_CORRECT=1; set -C; one_path vm/kernel'
	works '' eval 'export KBUILD_OUTPUT=$work/none KBUILD_EXTRA_SYMBOLS=/nowhere LLVM=1;
		export ARCH=arm CROSS_COMPILE=none- CC=none CFLAGS=--none; one_path vm/build'
	works /kernels/ eval 'export BASH_ENV=$work/rc; cd grade &&
		/usr/bin/python3 -c "import kernels; print(kernels.run_ours(\"vm/kernel\"))"'
	works '' eval 'export PYTHONSAFEPATH=1 PYTHONHOME=/nowhere PYTHONIOENCODING=ascii;
		tests/run --list && grade/grade --criteria && grade/test --help &&
		quality/documents --help && quality/documents --names'
	works 1 eval 'export TESTS=1; vm/setup sh -c "echo \$TESTS"'
	works "$TOP" eval 'export GIT_DIR=/nowhere; vm/setup git rev-parse --show-toplevel'
	works "$TOP" vm/setup env GIT_TEST_ASSUME_DIFFERENT_OWNER=1 git rev-parse --show-toplevel
	works 0022 eval 'umask 077; vm/setup sh -c umask'
	works /tmp/ eval 'TMPDIR=/nowhere vm/setup mktemp -u'
	rm -rf "$work"
}

# make, for a kernel of the user's: what developers export for another tree does not count, but
# what they say on the command line does.
wants[make]=get_kernel
check_make() {
	local work words=()
	work=$(mktemp -d -p "$BUILD")
	cp Makefile mp1.c mp1_given.h userapp.[ch] "$work"
	own_compiler "$kernel" words
	works userapp eval 'MAKEFLAGS=-rR make -s -C $work userapp && ls $work/userapp'
	# As if this were the running kernel
	printf '%s\n' "KDIR := $kernel/build" 'include Makefile' >"$work/running"
	works mp1.ko eval 'export KBUILD_OUTPUT=$work/none KBUILD_EXTRA_SYMBOLS=/nowhere CC=clang;
		export ARCH=arm CROSS_COMPILE=none- CDPATH=.;
		make -s -C $work -f running mp1.ko "${words[@]}" && ls $work/mp1.ko'
	works '' grep none-gcc <(make -s -C "$work" -f running CROSS_COMPILE=none- mp1.ko 2>&1)
	# DKMS has installed it, wherever that is
	mkdir -p "$work/var/lib/dkms/mp1"
	ln -s 1.0 "$work/var/lib/dkms/mp1/kernel-$(<"$kernel/release")-x86_64"
	says 'make dkms-remove' make -s -C "$work" -f running "INSTALL_MOD_PATH=$work" install
	rm -rf "$work"
}

# What was built while the clock was wrong is built again.
wants[clock]=get_kernel
check_clock() {
	touch -d tomorrow "$built/userapp"
	works '' eval 'vm/build && ! find "$built" -type f -newermt "now + 1 minute" | grep .'
}

# QEMU cannot have the memory: that is said once, not three times.
wants[memory]=get_kernel
check_memory() {
	says 'lift ulimit -v' eval 'ulimit -v 1000000;
		vm/boot -b "$BUILD" vm/guest/demo 2>&1 | grep -v -e "^   starting" -e ^qemu-system'
}

# A kernel developer's own ~/.checkpatch.conf does not count, and so on.
wants[dotfiles]=get_kernel_scripts
check_dotfiles() {
	local work
	work=$(mktemp -d -p "$BUILD")
	echo --no-such-option >"$work/.checkpatch.conf"
	works ok env HOME="$work" XDG_CACHE_HOME="${CACHE%/mp1}" quality/static checkpatch
	rm -rf "$work"
}

# The demo's chart, with what a machine has reported
wants[demo]='gnuplot-nox gawk bsdutils'
check_demo() {
	local work
	work=$(mktemp -d -p "$BUILD")
	mkdir "$work/home"
	cp -r vm "$work"
	fake vm/boot 'for i in 1 2 3 4; do echo "sample $i.0 23 ${i}000000000"; done >"$4"'
	printf '%s\n' 'set terminal x11' 'set datafile separator ","' >"$work/home/.gnuplot"
	works demo.png env HOME="$work/home" XDG_CACHE_HOME="$CACHE/.." "$work/vm/demo"
	# A terminal that is narrow and can do little
	works '' eval 'TERM=dumb LANG=tr_TR script -qec "stty cols 60; $work/vm/demo" /dev/null |
		tr -d "\r\f" >$work/out; grep -q "A.*process 23" $work/out &&
		! grep -P "[^ -~]|^.{61}.*[|+]" $work/out'
	fake bin/gnuplot 'echo "no such terminal" >&2; exit 1'
	works 'no chart' env PATH="$work/bin:$PATH" "$work/vm/demo"
	rm -rf "$work"
}

# userapp, where /proc shows processes and nothing else
wants[proc_of_processes]='get_kernel util-linux'
check_proc_of_processes() {
	local new=(unshare --mount --fork --pid)
	if [ "$(id -u)" -ne 0 ]; then
		new+=(--map-root-user)
	fi
	if ! "${new[@]}" mount -t proc -o subset=pid proc /proc 2>/dev/null; then
		echo 'skip: cannot mount /proc with subset=pid here'
		return
	fi
	says 'subset=pid' "${new[@]}" sh -c \
		'mount -t proc -o subset=pid proc /proc; exec "$0"' "$built/userapp"
}

# Folders in which nothing can be written, or locked
check_folders() {
	local work user=()
	work=$(mktemp -d /tmp/mp1.XXXXXX)	# root's own folders are closed to others
	chmod 755 "$work"
	cp -r vm "$work"
	if [ "$(id -u)" -eq 0 ]; then
		chown 65534 "$work"
		user=(setpriv --reuid 65534 --clear-groups)
	fi
	user+=(bash -p "$work/vm/setup" true)
	says 'set XDG_CACHE_HOME' env -u XDG_CACHE_HOME HOME=/ "${user[@]}"
	chmod 555 "$work"
	says 'copy the project' env XDG_CACHE_HOME=/tmp "${user[@]}"
	chmod 755 "$work"
	fake nolocks/flock 'echo "flock: 9: No locks available" >&2; exit 71'
	says 'cannot be locked' env PATH="$work/nolocks:$PATH" XDG_CACHE_HOME="$work" vm/kernel
	rm -rf "$work"
}

# apt-get's sources, locks and proxies. The programs are ours where root would install something.
wants[packages]=python3
check_packages() {
	local work
	if [ "$(distribution)" != debian ]; then
		echo 'skip: needs Debian'
		return
	fi
	work=$(mktemp -d -p "$BUILD")
	mkdir -p "$work"/{sources,lists/partial,tree}
	cp -r vm "$work/tree"
	echo 'deb http://127.0.0.1:9/ bookworm main' >"$work/sources/broken.list"
	echo "deb $(mirror bookworm) bookworm main" >"$work/sources/debian.list"
	echo "Dir::Etc { sourceparts \"$work/sources\"; sourcelist \"/dev/null\"; }" >"$work/apt"
	works "$(mirror bookworm)" eval 'APT_CONFIG=$work/apt mirror bookworm'

	# The lists are locked for a second.
	echo "Dir::State::Lists \"$work/lists\"; Dir::Etc::sourceparts \"/\";" >"$work/apt"
	/usr/bin/python3 -c 'import fcntl, sys, time
with open(sys.argv[1], "w") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    print(flush=True)
    time.sleep(1)' "$work/lists/lock" | {
		read -r _
		works '/lists/lock. It is held by' eval '
			as_root() { APT_CONFIG=$work/apt "$@"; }
			apt_get update'
	}

	fake none/dpkg-query 'exit 1'
	fake broken/apt-get '[ "$*" != "${*%update}" ] && exit 100; echo installed >$0.done'
	works installed eval 'PATH=$work/broken:$work/none:$PATH vm/setup true;
		cat $work/broken/apt-get.done'
	fake none/apt-get 'echo "E: no such package" >&2; exit 100'
	works 'apt-get cannot install' eval '! PATH=$work/none:$PATH vm/setup true'
	fake user/id 'echo 1000'
	fake user/sudo 'exec env -i PATH="$PATH" "$@"'
	fake user/apt-get 'echo "$http_proxy,$NO_PROXY" >$0.done'
	works http://proxy,localhost eval 'export http_proxy=http://proxy NO_PROXY=localhost;
		export XDG_CACHE_HOME=$work;
		PATH=$work/user:$work/none:$PATH $work/tree/vm/setup true;
		cat $work/user/apt-get.done'
	rm -rf "$work"
}
