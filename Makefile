# SPDX-License-Identifier: GPL-2.0-only
# For kbuild, and for people: `make help`.

ifneq ($(KERNELRELEASE),)

obj-m := mp1.o

else

KDIR ?= /lib/modules/$(shell uname -r)/build
CFLAGS ?= -O2 -g
RELEASE = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
MODULES = $(INSTALL_MOD_PATH)/lib/modules/$(RELEASE)
SUDO = $(if $(filter-out 0,$(shell id -u)),sudo)
USER_CFLAGS := -std=gnu11 -Wall -Wextra -Wconversion -Werror -pthread

# pahole is not needed for a module, but 6.12 and later stop without it
KBUILD = $(MAKE) -C $(KDIR) M=$(CURDIR) CONFIG_DEBUG_INFO_BTF_MODULES=

# make -R knows no CC
CC ?= cc
# Do not pass on what you have exported for another kernel tree. ARCH and CROSS_COMPILE count if you
# choose KDIR yourself, and KBUILD_OUTPUT if KDIR is not configured.
unexport KBUILD_EXTRA_SYMBOLS $(if $(filter file,$(origin KDIR)),ARCH CROSS_COMPILE) \
	$(if $(wildcard $(KDIR)/include/config/auto.conf),KBUILD_OUTPUT)

### Use

all: mp1.ko userapp	## build the module for KDIR's kernel, and userapp

mp1.ko: FORCE | path $(KDIR) compiler
	+$(KBUILD) modules

path:
	@case $$(pwd -P) in *[[:space:]\"\#\$$%\&\'\(\),:\;\<\>\\\`\|]*) \
		echo "make: kbuild takes no blank and none of \"#\$$%&'(),:;<>\\\`| in a path;" \
		     "move this folder to another one" >&2; exit 1 ;; esac

$(KDIR):
	@case $$(uname -r) in \
	*[Mm]icrosoft*) hint="WSL's own kernel has none; use a virtual machine: make demo, make shell" ;; \
	*) hint="on Debian: sudo apt-get install linux-headers-$$(uname -r)" ;; esac; \
	echo "make: no kernel headers in $@; $$hint" >&2; exit 1

# Use the compiler that built the kernel: another one does not know all of its options.
compiler: | $(KDIR)
	@of() { grep -qsx "CONFIG_CC_IS_$$1=y" $(KDIR)/include/config/auto.conf; }; \
	case '$(LLVM)$(if $(filter command,$(origin CC)),$(filter %clang clang-%,$(notdir $(CC))))' in \
	'') if of CLANG; then echo "make: clang compiled this kernel; add LLVM=1 (or, for clang-16, LLVM=-16)" >&2; exit 1; fi ;; \
	*) if of GCC; then echo "make: gcc compiled this kernel; leave out LLVM= and CC=clang (or: unset LLVM)" >&2; exit 1; fi ;; \
	esac

userapp: userapp.c userapp.h
	$(CC) $(USER_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $<

load: all		## load mp1.ko into the running kernel (PERIOD= in ms)
	$(SUDO) insmod mp1.ko $(if $(PERIOD),period_ms=$(PERIOD))

unload:			## unload it
	$(SUDO) rmmod mp1

install: all		## install the module for KDIR's kernel, so that modprobe finds it
	@for dkms in $(INSTALL_MOD_PATH)/var/lib/dkms/mp1/kernel-$(RELEASE)-*; do \
		if [ -L "$$dkms" ]; then \
		echo "make: DKMS has installed mp1 for $(RELEASE); remove that first:" \
		     "sudo make dkms-remove, or sudo apt-get purge mp1-dkms" >&2; exit 1; fi; done
	+$(KBUILD) CONFIG_MODULE_SIG_ALL= modules_install
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) -a $(RELEASE)
	@echo "make: installed, without a signature: see Secure Boot in docs/install.md"

uninstall:		## undo that
	@[ "$(RELEASE)" ] || { echo "make: no kernel headers in $(KDIR); sudo rm the mp1.ko in /lib/modules" >&2; exit 1; }
	rm -f $(MODULES)/extra/mp1.ko* $(MODULES)/updates/mp1.ko*
	@rmdir $(MODULES)/extra $(MODULES)/updates 2>/dev/null || true
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) -a $(RELEASE)

### Look inside, in a virtual machine

demo:			## watch mp1 measure two programs
	@vm/demo

shell:			## a shell in that machine, module loaded
	@vm/boot -i vm/guest/shell

gdb:			## debug the module in a machine that runs it
	@vm/gdb

### Test

test: tools		## test the behaviour (TESTS="name...": only some; see tests/run --list)
	@tests/run $(TESTS)

tools:
	@vm/setup true

check:			## static checks of all sources; zero findings expected
	@quality/static

prove:			## prove the arithmetic of the module, for all inputs
	@quality/prove

mutants:		## test the tests: faults put into mp1 that they must notice
	@quality/mutants

coverage:		## which lines and branches the tests execute, on the debug kernel
	@quality/coverage

test-matrix:		## all tests, on all kernels (ALL=yes: even on those with bug finders)
	@quality/all-kernels

# What SUBMISSION= holds is a name, whatever is in it: neither make nor the shell expands it.
override SUBMISSION := $(value SUBMISSION)
grade: export SUBMISSION := $(SUBMISSION)
grade:			## judge another solution of the assignment (SUBMISSION=folder)
	@if [ "$$SUBMISSION" ]; then exec grade/grade -- "$$SUBMISSION"; \
	else echo "make: no submission given; type: make grade SUBMISSION=path/to/their/folder" >&2; exit 2; fi

### Measure

bench:			## compare the cost of mp1 with that of other ways to get the same times
	@bench/run

bench-quick:		## check that mp1 has not become slower (UPDATE=yes: accept what it costs now)
	@bench/run quick

### Package

deb:			## make the Debian package mp1-dkms
	@debian/build

dkms-install:		## let DKMS build and install the module, now and for each new kernel
	$(SUDO) debian/dkms install

dkms-remove:		## undo that
	$(SUDO) debian/dkms remove

### Other

clean:			## remove what was built here (downloads stay in ~/.cache/mp1)
	@rm -rf build userapp *.o *.ko *.mod *.mod.c .*.cmd Module.symvers modules.order .tmp_versions 2>/dev/null || \
	{ echo "make: some files here belong to another user: sudo make clean" >&2; exit 1; }

help:			## this list
	@awk -F ':[^#]*## ' '/^### /{ print substr($$0, 5) ":" } \
		/^[a-z-]+:.*## /{ printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo 'Variables:'
	@echo '  KDIR=DIR       kernel headers to build against (default: the running kernel'\''s)'
	@echo '  KERNEL=NAME    kernel of the virtual machine (vm/kernel --list lists them);'
	@echo '                 or a folder in which you compiled one, or host: the running one'

.PHONY: all load unload install uninstall demo shell gdb test check prove mutants coverage \
	test-matrix grade bench bench-quick deb dkms-install dkms-remove clean help path compiler tools FORCE
.DEFAULT_GOAL := all
export KERNEL

endif
