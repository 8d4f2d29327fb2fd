# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034,SC2016	# for static, and for eval
# Checks of what the scripts say on computers that lack something

one_line_about_the_path() {
	if [[ $2 != *'in a path;'* || $2 == *$'\n'* ]]; then
		echo "$1: $2"
	fi
}

# kbuild cannot work in each path. `make` and the scripts say so, in one line.
check_paths() {
	local char dir work output
	work=$(mktemp -d)
	for char in ' ' $'\t' '"' '#' "\$" % '&' "'" '(' ')' ',' : ';' '<' '>' "\\" '`' '|'; do
		dir=$work/a${char}b
		mkdir -p "$dir/vm"
		cp Makefile "$dir"
		cp -r vm/setup vm/lib vm/arch "$dir/vm"
		output=$(make -C "$dir" KDIR=/ mp1.ko 2>&1 |
			grep -vE '^make.*(directory|Error)') || true
		one_line_about_the_path "make, in $dir" "$output"
		output=$("$dir/vm/setup" true 2>&1) || true
		one_line_about_the_path "vm/setup, in $dir" "$output"
	done
	rm -rf "$work"
}

# says TEXT COMMAND...: the command fails with one line that has TEXT in it
says() {
	local output
	if output=$("${@:2}" 2>&1 | grep -v '^make: \*\*\*') ||
	   [[ $output != *"$1"* || $output == *$'\n'* ]]; then
		echo "not one line with \"$1\": ${*:2}: $output"
	fi
}

# A kernel tree that cannot be a guest yet: vm/local-kernel says what to do.
wants[local_kernels]=get_kernel
check_local_kernels() {
	local work tree version
	work=$(mktemp -d)
	tree=$work/linux
	version=$(gcc -dumpversion)
	version=${version%%.*}0000
	says 'no folder' env KERNEL="$tree" vm/kernel
	mkdir -p "$tree"/{include/config,arch/x86/boot}
	says 'no .config' env KERNEL="$tree" vm/kernel
	{
		grep -h ^CONFIG_ vm/config/guest.config
		architecture amd64
		printf 'CONFIG_%s=y\n' "${guest_options[@]}"
		echo CONFIG_X86_64=y
		echo "CONFIG_GCC_VERSION=$version"
		echo 'CONFIG_CC_VERSION_TEXT="gcc (GCC)"'
	} >"$tree/.config"
	says 'no include/config/kernel.release; run make' env KERNEL="$tree" vm/kernel
	echo 9.9.9-mine >"$tree/include/config/kernel.release"
	says 'no Module.symvers; run make' env KERNEL="$tree" vm/kernel
	: >"$tree/Module.symvers"
	says 'no arch/x86/boot/bzImage' env KERNEL="$tree" vm/kernel
	: >"$tree/arch/x86/boot/bzImage"
	sed -i -e 's/^CONFIG_DEVTMPFS=y/# CONFIG_DEVTMPFS is not set/' \
		-e 's/^CONFIG_SERIAL_8250=y/CONFIG_SERIAL_8250=m/' "$tree/.config"
	says 'needs: CONFIG_DEVTMPFS CONFIG_SERIAL_8250; add ' env KERNEL="$tree" vm/kernel
	cat build/lacking.config >>"$tree/.config"
	sed -i "s/=$version/=30300/" "$tree/.config"
	says 'was compiled by gcc 3' env KERNEL="$tree" vm/kernel
	sed -i "s/=30300/=$version/" "$tree/.config"
	ln -s linux "$work/link"
	if [ "$(XDG_CACHE_HOME=$work KERNEL=$tree vm/kernel)" != \
	     "$(XDG_CACHE_HOME=$work KERNEL=$work/link vm/kernel)" ]; then
		echo 'a symbolic link makes another kernel'
	fi
	if configured "$kernel/build/.config" CC_IS_CLANG; then
		says 'clang compiled this kernel' make -s KDIR="$kernel/build" compiler
	else
		says 'gcc compiled this kernel' make -s KDIR="$kernel/build" LLVM=1 compiler
	fi
	rm -rf "$work"
}

# What other computers do: no HOME, no symbolic links, WSL, and git that writes Windows' lines
wants[other_computers]='git get_kernel'
check_other_computers() {
	local work path
	work=$(mktemp -d)
	path=$work:$PATH
	env -u HOME -u XDG_CACHE_HOME vm/kernel --list >/dev/null
	ln -s /bin/false "$work/ln"
	says 'cannot create symbolic links' env PATH="$path" vm/build
	printf '#!/bin/sh\necho 5.15.0-microsoft-standard-WSL2\n' >"$work/uname"
	chmod +x "$work/uname"
	says 'make demo' env PATH="$path" make -s KDIR="$work/none" mp1.ko
	if git rev-parse HEAD >/dev/null 2>&1; then
		mkdir "$work/checkout"
		git -c core.autocrlf=true archive HEAD | tar -x -C "$work/checkout"
		grep -rlI $'\r' "$work/checkout" | head -n 3
	fi
	rm -rf "$work"
}

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

# What people have set on their computers comes into no script.
wants[environment]='get_kernel python3'
check_environment() {
	local work
	work=$(mktemp -d -p "$BUILD")
	echo "echo hi; cd /" >"$work/rc"
	works '' eval 'export CDPATH=.; one_path vm/kernel'
	works '' eval 'cd() { echo "in $1"; builtin cd "$@"; }; export -f cd; one_path vm/build'
	works '' eval 'export BASH_ENV=$work/rc; one_path vm/kernel'
	works '' eval 'export SHELLOPTS POSIXLY_CORRECT=1; set -C; one_path vm/kernel'
	works '' eval 'export KBUILD_OUTPUT=/nowhere KBUILD_EXTRA_SYMBOLS=/nowhere LLVM=1 ARCH=arm;
		export CROSS_COMPILE=none- CC=none CFLAGS=--none; one_path vm/build'
	works /kernels/ eval 'export BASH_ENV=$work/rc; cd grade &&
		/usr/bin/python3 -c "from kernels import run_ours; print(run_ours(\"vm/kernel\"))"'
	works 1 eval 'export TESTS=1; vm/setup sh -c "echo \$TESTS"'
	works "$TOP" eval 'export GIT_DIR=/nowhere; vm/setup git rev-parse --show-toplevel'
	works "$TOP" vm/setup env GIT_TEST_ASSUME_DIFFERENT_OWNER=1 git rev-parse --show-toplevel
	works 0022 eval 'umask 077; vm/setup sh -c umask'
	works /tmp/ eval 'TMPDIR=/nowhere vm/setup mktemp -u'
	rm -rf "$work"
}

# apt-get's sources, locks and proxies. The programs are ours where root would install something.
wants[packages]=python3
check_packages() {
	local work
	if ! command -v apt-get >/dev/null; then
		echo 'skip: needs apt-get'
		return
	fi
	work=$(mktemp -d -p "$BUILD")
	mkdir -p "$work"/{sources,lists/partial,tree}
	cp -r vm "$work/tree"
	echo 'deb http://127.0.0.1:9/ bookworm main' >"$work/sources/broken.list"
	echo "deb $(mirror bookworm) bookworm main" >"$work/sources/debian.list"
	echo "Dir::Etc::sourceparts \"$work/sources\"; Dir::Etc::sourcelist \"/dev/null\";" >"$work/apt"
	works "$(mirror bookworm)" eval 'APT_CONFIG=$work/apt mirror bookworm'

	# The lists are locked for a second.
	echo "Dir::State::Lists \"$work/lists\"; Dir::Etc::sourceparts \"/\";" >"$work/apt"
	/usr/bin/python3 -c 'import fcntl, sys, time
with open(sys.argv[1], "w") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    print(flush=True)
    time.sleep(1)' "$work/lists/lock" | {
		read -r _
		works '/lists/lock. It is held by' eval 'as_root() { APT_CONFIG=$work/apt "$@"; }; apt_get update'
	}

	fake none/dpkg-query 'exit 1'
	fake broken/apt-get '[ "$*" != "${*%update}" ] && exit 100; echo installed >$0.done'
	works installed eval 'PATH=$work/broken:$work/none:$PATH vm/setup cat $work/broken/apt-get.done'
	fake none/apt-get 'echo "E: no such package" >&2; exit 100'
	works 'apt-get cannot install' eval '! PATH=$work/none:$PATH vm/setup true'
	fake user/id 'echo 1000'
	fake user/sudo 'exec env -i PATH="$PATH" "$@"'
	fake user/apt-get 'echo "$http_proxy,$NO_PROXY" >$0.done'
	works http://proxy,localhost eval 'export http_proxy=http://proxy NO_PROXY=localhost;
		export XDG_CACHE_HOME=$work; PATH=$work/user:$work/none:$PATH $work/tree/vm/setup true;
		cat $work/user/apt-get.done'
	rm -rf "$work"
}
