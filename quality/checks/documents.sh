# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034	# quality/static sets what they read
# Checks of documents and tables against the sources

# Pages that ours refer to need not be installed here.
wants[man_pages]='mandoc man-db groff'
check_man_pages() {
	mandoc -T lint -W style docs/*.[1-8] 2>/dev/null | grep -v 'referenced manual not found'
	man --warnings -l docs/mp1.4 docs/userapp.1 >/dev/null
}

# Each tool has its own file with the version.
check_one_version() {
	local version file pattern
	version=$(sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' mp1.c)
	while read -r file pattern; do
		if ! grep -q "$pattern" "$file"; then
			echo "$file: not version $version"
		fi
	done <<-FILES
		debian/changelog         ^mp1 ($version)
		dkms.conf                ^PACKAGE_VERSION="$version"
		dkms.conf                mp1/$version/build
		debian/mp1-dkms.install  usr/src/mp1-$version$
	FILES
}

# The sources contain every C excerpt in the documents verbatim.
wants[excerpts]=perl
check_excerpts() {
	# shellcheck disable=SC2016	# perl expands these
	perl -0777 -ne '
		BEGIN { $source = `cat mp1.c mp1_given.h` }
		for (/^```c\n(.*?)^```$/gms) {
			print "$ARGV: not in the sources:\n$_" if index($source, $_) < 0
		}' docs/*.md README.md
}

# What the documents name exists: links, targets, files, faults.
wants[names]=python3
check_names() { quality/documents --names; }

# The list of criteria for teachers is what grade/grade judges, each by a test, once.
wants[criteria]=python3
check_criteria() {
	local name
	diff <(sed -n '/^<!-- the output of/,/^<!-- end/{/^|/p}' docs/grading.md) \
		<(grade/grade --criteria)
	while read -r name; do
		if [ "$(grep -lE "^TEST\(${name}[,)]" tests/topics/*.c grade/*.c)" != \
		     grade/assignment.c ]; then
			echo "not a test of grade/assignment.c alone: $name"
		fi
	done < <(sed -n '/^#/d;s/ *@.*@ *\(real\|virtual\) *@.*//p' grade/points.txt)
}

# Each fault in quality/mutants.txt changes its file; each reason in coverage.txt is about a line.
check_faults() {
	local name file sed text
	while IFS='@' read -r name _ _ file sed; do
		if sed -E "$sed" "$file" | cmp -s - "$file"; then
			echo "$name changes nothing in $file"
		fi
	done < <(sed '/^#/d;/^$/d;s/ *@ */@/g' quality/mutants.txt)
	while IFS='@' read -r file text _; do
		if ! grep -qF "$text" "$file"; then
			echo "quality/coverage.txt: no line of $file has $text"
		fi
	done < <(sed '/^#/d;s/ *@ */@/g' quality/coverage.txt)
}

# SELinux keeps a container out of a folder that is not labelled for it.
# shellcheck disable=SC2016	# not to be expanded
check_containers() { ! grep -n 'docker run.*"\$PWD":/mp1 ' README.md docs/*.md; }

# docs/assignment.md names each criterion, and no other.
check_assignment() {
	# shellcheck disable=SC2016	# these are backquotes of Markdown
	diff <(grep -oE '\(`[a-z_0-9]+`\)' docs/assignment.md | tr -d '(`)' | sort -u) \
		<(sed -n '/^#/d;s/ *@.*//p' grade/points.txt | sort)
}
