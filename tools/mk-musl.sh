#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# usage: mk-musl.sh SUITE VERSION [DEST]
#   e.g. mk-musl.sh trixie 3.13      -> ${PYROOTS:-./pyroots}/3.13-musl, DEST/bin/python3.13
#
# Builds a CPython with musl as its C library, as Alpine's are, from SUITE's own sources of that version.
# It runs on this machine, not in a root; tests/live finds it.  Modules that need other libraries (ssl,
# zlib, ctypes) are not in it: those of this machine are glibc's.  Takes four minutes on two cores.
# Input: the source package, by way of suite-apt.sh.  Output: the tree DEST; DEST/.source names the package.
# Needs: what tools/install-deps --tests installs.  Sources are kept in ${PYROOT_CACHE:-~/.cache/pitviper/suites}.
set -euo pipefail
if [ $# -lt 2 ]; then
	sed -n '3,4s/^# //p' "$0" >&2
	exit 2
fi
suite=$1 version=$2 dest=${3:-${PYROOTS:-./pyroots}/${2}-musl}
here=$(dirname "$(readlink -f "$0")")
cache=${PYROOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pitviper/suites}/$suite-sources
case $dest in /*) ;; *) dest=$PWD/$dest ;; esac

# shellcheck source=tools/suite-apt.sh
. "$here/suite-apt.sh"
suite_apt_init "$suite" "$cache" deb-src

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
suite_sources "$version" "$cache" "$work"

# gcc names glibc's triplet, whatever musl-gcc makes of it, and configure refuses two that differ
cat >"$work/cc" <<'CC'
#!/bin/sh
[ "$1" = --print-multiarch ] || exec musl-gcc "$@"
CC
chmod +x "$work/cc"

mkdir "$work/build"
cd "$work/build"
say_log() { tail -20 "$work/log" >&2; }
trap 'say_log; rm -rf "$work"' ERR
CC=$work/cc PKG_CONFIG=false "$work/source/configure" --without-ensurepip --disable-test-modules --prefix="$dest" \
	OPT="-DNDEBUG -g -fwrapv -O2" >"$work/log" 2>&1
# -k: a module whose library is not there is left out
nice make -k -j2 >"$work/log" 2>&1 || [ -x python ]
rm -rf "$dest"
# -r 0: byte code is compiled when it is needed
nice make -k altinstall COMPILEALL_OPTS="-q -j1 -r 0" >"$work/log" 2>&1 || [ -x "$dest/bin/python$version" ]
trap 'rm -rf "$work"' EXIT
basename "$dsc" .dsc >"$dest/.source"
"$dest/bin/python$version" -c 'import sys, threading, json, select; print(sys.version)'
echo "start it with: $dest/bin/python$version"
