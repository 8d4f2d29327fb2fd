# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034	# quality/static sets what they read
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
