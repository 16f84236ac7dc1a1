#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# usage: mk-freethreaded.sh SUITE VERSION [DEST]
#   e.g. mk-freethreaded.sh trixie 3.13      -> ${PYROOTS:-./pyroots}/3.13t, DEST/bin/python3.13t
#
# Builds a free-threaded CPython (PEP 703), which Debian does not package, from SUITE's own sources of
# that version, with debug information.  It runs on this machine, not in a root; tests/live and
# tools/record-fixture find it.  Takes four minutes on two cores, or ten on a busy machine.
# Input: the source package, by way of suite-apt.sh.  Output: the tree DEST; DEST/.source names the package.
# Needs: what tools/install-deps --tests installs.  Sources are kept in ${PYROOT_CACHE:-~/.cache/pitviper/suites}.
set -euo pipefail
if [ $# -lt 2 ]; then
	sed -n '3,4s/^# //p' "$0" >&2
	exit 2
fi
suite=$1 version=$2 dest=${3:-${PYROOTS:-./pyroots}/${2}t}
here=$(dirname "$(readlink -f "$0")")
cache=${PYROOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pitviper/suites}/$suite-sources
case $dest in /*) ;; *) dest=$PWD/$dest ;; esac

# shellcheck source=tools/suite-apt.sh
. "$here/suite-apt.sh"
suite_apt_init "$suite" "$cache" deb-src

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
suite_sources "$version" "$cache" "$work"

mkdir "$work/build"
cd "$work/build"
say_log() { tail -20 "$work/log" >&2; }
trap 'say_log; rm -rf "$work"' ERR
# -O2 and no profile: quick to build, and as different from pyenv's and Debian's builds as it may be
"$work/source/configure" --disable-gil --without-ensurepip --disable-test-modules --prefix="$dest" \
	OPT="-DNDEBUG -g -fwrapv -O2" >"$work/log" 2>&1
nice make -j2 >"$work/log" 2>&1
rm -rf "$dest"
# -r 0: byte code is compiled when it is needed
make altinstall COMPILEALL_OPTS="-q -j1 -r 0" >"$work/log" 2>&1
trap 'rm -rf "$work"' EXIT
basename "$dsc" .dsc >"$dest/.source"
"$dest/bin/python${version}t" -c 'import sys, sysconfig; print(sys.version)
assert sysconfig.get_config_var("Py_GIL_DISABLED") == 1 and not sys._is_gil_enabled()'
echo "start it with: $dest/bin/python${version}t"
