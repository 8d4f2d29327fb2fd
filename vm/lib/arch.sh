# SPDX-License-Identifier: GPL-2.0-only
# All that depends on the architecture; sourced by vm/build and vm/boot.
# shellcheck shell=bash disable=SC2034	# they use what is set here

# architecture NAME: set, for Debian's name of an architecture,
#   qemu           QEMU's program and machine	qemu_packages  what they come from
#   cpu            the processor		console        the port of the console
#   report_port    the port by which the report leaves the machine
#   report_device  what that port is: serial, pci or virtio
#   cross          the prefix of the compiler on other machines
#   cross_packages what that comes from		user_flags     for programs, there
architecture() {
	cpu=max console=ttyS0 report_port=ttyS1 report_device=serial user_flags=()
	case $1 in
	amd64)
		qemu=(qemu-system-x86_64 -machine q35) qemu_packages=(qemu-system-x86)
		;;
	i386)
		qemu=(qemu-system-i386 -machine q35) qemu_packages=(qemu-system-x86)
		cpu=max,vendor=GenuineIntel
		cross='' cross_packages=(gcc-12-multilib libc6-dev-i386)
		user_flags=(-m32 -idirafter "/usr/include/$(gcc -print-multiarch)")
		;;
	armhf)
		qemu=(qemu-system-arm -machine 'virt,highmem=off') qemu_packages=(qemu-system-arm)
		cpu=cortex-a15 console=ttyAMA0 report_port=ttyS0 report_device=pci
		cross=arm-linux-gnueabihf-
		cross_packages=(gcc-12-arm-linux-gnueabihf libc6-dev-armhf-cross)
		;;
	arm64)
		qemu=(qemu-system-aarch64 -machine virt) qemu_packages=(qemu-system-arm)
		cpu=cortex-a57 console=ttyAMA0 report_port=ttyS0 report_device=pci
		cross=aarch64-linux-gnu-
		cross_packages=(gcc-12-aarch64-linux-gnu libc6-dev-arm64-cross)
		;;
	riscv64)
		qemu=(qemu-system-riscv64 -machine virt) qemu_packages=(qemu-system-misc opensbi)
		cpu=rv64 report_device=pci
		cross=riscv64-linux-gnu-
		cross_packages=(gcc-12-riscv64-linux-gnu libc6-dev-riscv64-cross)
		;;
	s390x)
		qemu=(qemu-system-s390x -machine s390-ccw-virtio) qemu_packages=(qemu-system-misc)
		console=ttysclp0 report_port=vport0p1 report_device=virtio
		cross=s390x-linux-gnu-
		cross_packages=(gcc-12-s390x-linux-gnu libc6-dev-s390x-cross)
		;;
	*)
		die "nothing is known of the architecture '$1'"
		;;
	esac
}
