#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# To be sourced: apt for another Debian suite than this machine's, beside it and without touching it.
# Input: SUITE.  The mirror is the one this machine's apt uses, or $PYROOT_MIRROR.
# Output: suite_apt COMMAND..., with signatures checked; state and packages stay under $1.

# suite_apt_init SUITE STATEDIR [deb-src]
suite_apt_init() {
	local suite=$1 state=$2 types=${3:-deb} mirror
	# shellcheck disable=SC2016 # apt's own variable
	mirror=${PYROOT_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		grep '/debian/\?$' | head -1)}
	if [ -z "$mirror" ]; then
		echo "$0: this machine's apt names no Debian mirror; set PYROOT_MIRROR=URL" >&2
		return 1
	fi
	mkdir -p "$state"/{lists/partial,cache/archives/partial,etc/parts}
	: >"$state/etc/status"
	cat >"$state/etc/parts/suite.sources" <<-SOURCES
		Types: $types
		URIs: ${mirror%/}
		Suites: $suite
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	SOURCES
	SUITE_APT=(-qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$state/etc/parts"
		-o "Dir::State::lists=$state/lists" -o "Dir::State::status=$state/etc/status"
		-o "Dir::Cache=$state/cache" -o Dir::Etc::preferencesparts=/dev/null
		-o Dir::Etc::preferences=/dev/null -o APT::Install-Recommends=false
		-o Acquire::Languages=none -o APT::Sandbox::User=root -o Debug::NoLocking=1
		-o Acquire::Retries=3)
	# a day-old list is good enough: tests want the same answer twice
	if [ -z "$(find "$state/stamp" -mmin -1440 2>/dev/null)" ]; then
		apt-get "${SUITE_APT[@]}" update
		touch "$state/stamp"
	fi
}

suite_apt() { apt-get "${SUITE_APT[@]}" "$@"; }
suite_cache() { apt-cache "${SUITE_APT[@]}" "$@"; }

# suite_sources VERSION STATEDIR WORK: unpacks the sources of pythonVERSION to WORK/source; names the package in $dsc.
# WORK/log has what was said.
suite_sources() {
	local version=$1 state=$2 work=$3
	mkdir -p "$state/packages"
	(cd "$state/packages" && suite_apt source --download-only "python$version")
	dsc=$(find "$state/packages" -name "python${version}_*.dsc" | sort -V | tail -1)
	[ -n "$dsc" ] || { echo "$0: there are no sources of python$version" >&2; return 1; }
	dpkg-source --no-check -x "$dsc" "$work/source" >"$work/log"
}
