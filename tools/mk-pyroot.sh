#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# usage: mk-pyroot.sh SUITE VERSION [DEST] [PACKAGE...]
#   e.g. mk-pyroot.sh trixie 3.13            -> ${PYROOTS:-./pyroots}/3.13
#        mk-pyroot.sh trixie 3.13 /tmp/r python3.13-dbg
#        mk-pyroot.sh bookworm pypy3             -> ${PYROOTS:-./pyroots}/pypy3
#
# Makes a root with one Debian Python in it: the interpreter, its standard library and what they
# depend on, unpacked, not configured.  Used for chroots in tests/live and as a guest's root by vm-run.sh.
# Input: SUITE's packages, by way of suite-apt.sh.  Output: the tree DEST; DEST/.packages lists what it holds.
# Needs: root (device nodes, chroot).  Packages are kept in ${PYROOT_CACHE:-~/.cache/pitviper/suites}.
set -euo pipefail
if [ $# -lt 2 ]; then
	sed -n '3,6s/^# //p' "$0" >&2
	exit 2
fi
suite=$1 version=$2 dest=${3:-${PYROOTS:-./pyroots}/$2}
shift $(($# > 3 ? 3 : $#))
here=$(dirname "$(readlink -f "$0")")
cache=${PYROOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pitviper/suites}/$suite

# shellcheck source=tools/suite-apt.sh
. "$here/suite-apt.sh"
suite_apt_init "$suite" "$cache"

case $version in
pypy*) program=$version packages=("$version") ;;
*) program=python$version packages=("python$version" "libpython$version-stdlib" "libpython$version") ;;
esac
want=(base-files dash libc6 libc-bin "${packages[@]}" "$@")
rm -rf "$dest"
mkdir -p "$dest"/{proc,dev,tmp,sys,root,etc,out}
chmod 1777 "$dest/tmp"

# With an empty dpkg status apt resolves the whole closure; what only configuration needs is left out.
unneeded='^(debconf|debconf-2.0|perl-base|tzdata|media-types|mime-support|netbase|dpkg|install-info|readline-common|awk|mawk|debianutils|sensible-utils)$'
suite_apt install --yes --print-uris "${want[@]}" | while read -r uri file _; do
	name=${file%%_*}
	[[ $name =~ $unneeded ]] && continue
	echo "$name $file ${uri//\'/}"
done | sort >"$dest/.packages"
[ -s "$dest/.packages" ] || { echo "mk-pyroot: $suite has no $program" >&2; exit 1; }

mapfile -t names < <(cut -d' ' -f1 "$dest/.packages")
mkdir -p "$cache/debs"
(cd "$cache/debs" && suite_apt download "${names[@]}")

# base-files first: it brings the /bin -> /usr/bin links of newer suites
{ grep '^base-files ' "$dest/.packages"; grep -v '^base-files ' "$dest/.packages"; } | while read -r _ file _; do
	dpkg-deb --fsys-tarfile "$cache/debs/$file" | tar -x -C "$dest" --keep-directory-symlink
done

for node in null:3 zero:5 random:8 urandom:9; do
	[ -e "$dest/dev/${node%:*}" ] || mknod -m 666 "$dest/dev/${node%:*}" c 1 "${node#*:}"
done
[ -e "$dest/bin/sh" ] || ln -s dash "$dest/bin/sh"
/sbin/ldconfig -r "$dest"
LC_ALL=C chroot "$dest" "/usr/bin/$program" -c 'import sys; print(sys.version)'
echo "start it with: chroot $dest /usr/bin/$program"
