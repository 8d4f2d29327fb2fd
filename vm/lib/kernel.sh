# SPDX-License-Identifier: GPL-2.0-only
# kernel.sh - kernels and architectures. What is known of one architecture is in its file, vm/arch/.
# shellcheck shell=bash disable=SC2034	# their callers use what these set

# architecture NAME: set, by Debian's name,
#   qemu             QEMU's program and machine	qemu_packages  what they come from
#   cpu              the processor		virtual_cpu    what it must lack in virtual time
#   console          the port of the console
#   report_port      the port by which the report leaves the machine
#   report_device    QEMU's words that make a port of the character device "report"
#   guest_options    what a kernel's configuration needs for both (the rest: config/guest.config)
#   guest_modules    what the kernel loads to have them
#   uname            what uname -m calls it	kbuild_arch    what kbuild calls it
#   config_option    the option by which a configuration is known to be for it
#   image            where a kernel tree has the kernel
#   cross            the prefix of the compiler on other machines
#   cross_packages   what that comes from	user_flags     for programs, there
architecture() {
	[ -f "$TOP/vm/arch/$1" ] || die "nothing is known of the architecture '$1'; see vm/arch/"
	cpu=max virtual_cpu='' console=ttyS0 report_port=ttyS1
	report_device=(-serial chardev:report) guest_options=() guest_modules=() user_flags=()
	# shellcheck source=vm/arch/amd64
	. "$TOP/vm/arch/$1"
}

# host_architecture: Debian's name for the architecture of this computer's programs
host_architecture() {
	if command -v dpkg >/dev/null; then
		dpkg --print-architecture
	else
		basename "$(grep -lw "uname=$(uname -m)" "$TOP"/vm/arch/*)"
	fi
}

# configured FILE OPTIONS: does this kernel configuration set one of them (separated by |) to y?
configured() { grep -qsxE "CONFIG_($2)=y" "$1"; }

# own_compiler FOLDER ARRAY: add the words that make needs to use the compiler of a kernel that
# was compiled on this computer
own_compiler() {
	local -n own_compiler_words=$2
	if [ -f "$1/make" ]; then
		mapfile -t -O ${#own_compiler_words[@]} own_compiler_words <"$1/make"
	fi
}
