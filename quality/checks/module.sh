# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034	# quality/static sets what they read
# Checks of the module

# checkpatch and coccinelle's scripts are files of the kernel's source package
get_kernel_scripts() {
	local dir=$CACHE/kernel-scripts package
	need perl xz-utils
	if [ ! -d "$dir" ]; then
		package=$(apt-cache depends linux-source | awk '/Depends:/ { print $2 }')
		[ -n "$package" ] || die "apt knows no linux-source; run: apt-get update"
		say "fetching the kernel's scripts from Debian's $package, about 130 MB"
		rm -rf "$dir.new"
		mkdir -p "$dir.new"
		(cd "$dir.new" && apt-get -qq -o APT::Sandbox::User=root download "$package" >&2)
		dpkg-deb --fsys-tarfile "$dir.new"/*.deb |
			tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
			tar -xJ -C "$dir.new" --strip-components=2 --wildcards \
				'linux-source-*/scripts/checkpatch.pl' \
				'linux-source-*/scripts/spelling.txt' \
				'linux-source-*/scripts/const_structs.checkpatch' \
				'linux-source-*/scripts/coccinelle'
		rm "$dir.new"/*.deb
		mv "$dir.new" "$dir"
	fi
}

# The one waiver: everybody may write /proc/mp1/status, so its mode is 0666
# (EXPORTED_WORLD_WRITABLE).
checkpatch() {
	local status=0
	perl "$CACHE/kernel-scripts/checkpatch.pl" --no-tree --strict --terse --quiet --file \
		--no-summary --max-line-length=100 --ignore EXPORTED_WORLD_WRITABLE "$@" ||
		status=$?
	rm -f .checkpatch-camelcase.*	# it remembers names of the kernel's, if it knew any
	return "$status"
}

wants[checkpatch]=get_kernel_scripts
check_checkpatch() { checkpatch mp1.c mp1_given.h tests/broken/broken.c; }

# The kernel's own semantic patches. Two need OCaml: one is for a driver, the other one looks for
# pointers that are compared with 0, as sparse does.
wants[coccinelle]='get_kernel_scripts coccinelle'
check_coccinelle() {
	find "$CACHE/kernel-scripts/coccinelle" -name '*.cocci' ! -name check_bq27xxx_data.cocci \
		! -name badzero.cocci -exec grep -lZ 'virtual report' {} + |
		xargs -0 -P 2 -I SCRIPT spatch --python /usr/bin/python3 -D report --very-quiet \
			--no-show-diff --no-includes --cocci-file SCRIPT mp1.c mp1_given.h 2>&1 |
		grep -v '^warning: line .* should .* be a metavariable?$'
	[ "${PIPESTATUS[*]}" = '0 0 1' ]
}

# A folder of its own, so that nothing is up to date
fresh_folder() {
	rm -rf "$1"
	mkdir -p "$1"
	ln -s "$TOP"/{Makefile,mp1.c,mp1_given.h} "$1"
}

# W=1, and sparse for every file (C=2)
wants[build]='get_kernel sparse'
check_build() {
	local dir=$BUILD/check words=()
	own_compiler "$kernel" words
	fresh_folder "$dir"
	# Werror for the compiler, and for sparse, which would only warn
	make -s -j 2 -C "$dir" KDIR="$kernel/build" "${words[@]}" W=1 KCFLAGS=-Werror C=2 \
		CF=-Wsparse-error mp1.ko 2>&1 | grep -v 'Skipping BTF'
	[ -f "$dir/mp1.ko" ]
}

# clang warns of other things. Keep from it the options that only gcc knows, which a kernel that
# gcc compiled asks for. Without them, objtool complains; but the result is never loaded.
wants[build_by_clang]='get_kernel clang'
check_build_by_clang() {
	local dir=$BUILD/check-clang
	if ! configured "$kernel/build/.config" CC_IS_GCC ||
	   [ "$(<"$kernel/arch")" != "$(host_architecture)" ]; then
		echo 'skip: needs a kernel for this computer that gcc compiled'
		return
	fi
	fresh_folder "$dir"
	cat >"$dir/clang" <<-'WRAPPER'
		#!/usr/bin/env bash
		for option; do
			shift
			case $option in
			-fconserve-stack | -mrecord-mcount | -mfunction-return=*) ;;
			-ftrivial-auto-var-init=*) ;;
			*) set -- "$@" "$option" ;;
			esac
		done
		exec clang "$@" -Wno-unknown-warning-option -Wno-unused-command-line-argument
	WRAPPER
	chmod +x "$dir/clang"
	make -s -C "$kernel/build" M="$dir" CC="$dir/clang" W=1 KCFLAGS=-Werror \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules 2>&1 | grep -v ' objtool: '
	[ -f "$dir/mp1.ko" ]
}

# The kernel's own script comes with its headers, or is in its source.
wants[kernel_doc]='get_kernel perl'
check_kernel_doc() {
	local script

	for script in "$kernel"/root/usr/lib/linux-kbuild-*/scripts/kernel-doc \
		"$kernel"/build/{,source/}scripts/kernel-doc; do
		if [ -f "$script" ]; then
			"$script" -none -Werror mp1.c mp1_given.h userapp.h tests/*.[ch] \
				tests/topics/*.c grade/*.c
			return
		fi
	done
	echo "no kernel-doc in $kernel"
}
