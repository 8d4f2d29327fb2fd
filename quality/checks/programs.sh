# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034	# quality/static sets what they read
# Checks of programs and scripts

# Without the kernel's types and macros. Check's types and TEST() confuse checkpatch.
wants[checkpatch_programs]=get_kernel_scripts
check_checkpatch_programs() {
	checkpatch --ignore PREFER_KERNEL_TYPES,PREFER_DEFINED_ATTRIBUTE_MACRO,NAKED_SSCANF \
		--ignore CAMELCASE,SPACING,LINE_SPACING,VOLATILE,SPLIT_STRING,MACRO_ARG_REUSE \
		--ignore MACRO_ARG_PRECEDENCE,PARENTHESIS_ALIGNMENT userapp.c userapp.h \
		tests/*.[ch] tests/topics/*.c grade/*.c quality/proof/arithmetic.c
}

wants[analyzer]='gcc libc6-dev'
check_analyzer() {
	gcc -std=gnu11 -O2 -Wall -Wextra -Wconversion -Werror -fanalyzer -pthread \
		-c -o /dev/null userapp.c
}

wants[cppcheck]=cppcheck
check_cppcheck() {
	cppcheck --quiet --enable=warning,style,performance,portability --inline-suppr \
		--error-exitcode=1 userapp.c
}

# On 32 bits, time_t may have 64.
wants[long_times]='gcc libc6-dev check'
check_long_times() {
	if [ "$(host_architecture)" != amd64 ]; then
		echo 'skip: needs gcc -m32'
		return
	fi
	need libc6-dev-i386 2>/dev/null
	gcc -m32 -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64 -Itests \
		-idirafter "/usr/include/$(gcc -print-multiarch)" -std=gnu11 -Wall -Wextra \
		-Wno-clobbered -Werror -fsyntax-only userapp.c tests/*.c tests/topics/*.c grade/*.c
}

# The shell's scripts, and the functions that they source
shell_files() {
	git ls-files vm tests quality grade bench debian .ci |
		xargs grep -lE '^#!/(bin/|usr/bin/env )(.*bash|busybox sh|sh)|^# shellcheck shell='
}

wants[shellcheck]='git shellcheck'
check_shellcheck() { shell_files | xargs shellcheck -x -P SCRIPTDIR; }

# No line of a script has more than 100 columns, no script more than 250 lines.
wants[length_of_scripts]=git
check_length_of_scripts() {
	local file lines
	for file in $(shell_files) $(git ls-files '*.awk' '*.py') \
		tests/run grade/test quality/documents; do
		expand "$file" | awk -v file="$file" \
			'length > 100 { print file ":" NR ": " length " columns" }'
		lines=$(wc -l <"$file")
		if [ "$lines" -gt 250 ]; then
			echo "$file: $lines lines"
		fi
	done
}

# CONTRIBUTING.md: a condition is an `if`; || is for die, exit, return, continue and true.
wants[conditions_are_ifs]=git
check_conditions_are_ifs() {
	local file
	for file in $(shell_files); do	# leave out quoted text, even over several lines: awk
		tr '\n' '\1' <"$file" | sed -E "s/'[^']*'/''/g" | tr '\1' '\n' |
			sed -E 's/"[^"]*"/""/g' |
			awk -v file="$file" '
				/\|\| / && !/^[ \t]*(#|if |elif |while |until |\[\[)/ &&
				!/\|\| *(die|exit|return|continue|true|[a-z_]+=|\{ usage)/ &&
				!/\[\[.*\|\|.*\]\]/ { print file ": " $0 }'
	done
}

wants[python_types]='git mypy'
check_python_types() {
	# shellcheck disable=SC2046	# several words
	MYPYPATH=tests:grade:grade/tests mypy --strict --scripts-are-modules --no-error-summary \
		tests/run grade/grade grade/test quality/documents $(git ls-files '*.py')
}

wants[python_tests]='git python3'
check_python_tests() {
	local folder failed=0
	for folder in $(git ls-files '*/test_*.py' | xargs -n 1 dirname | sort -u); do
		PYTHONPATH=$(dirname "$folder") python3 -m unittest discover -s "$folder" 2>&1 |
			grep -vE '^(\.*|-*|Ran .*|OK)$'
		[ "${PIPESTATUS[0]}" -eq 0 ] || failed=1
	done
	return $failed
}
