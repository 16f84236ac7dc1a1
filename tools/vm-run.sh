#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# usage: vm-run.sh SUITE ROOTDIR COMMAND...
#   e.g. vm-run.sh bookworm ./pyroots/3.13 /pitviper doctor
#
# Runs COMMAND as root inside ROOTDIR under the kernel of a Debian suite: bullseye (5.10), bookworm (6.1),
# trixie (6.12), sid (newest).  Input: ROOTDIR, a tree such as mk-pyroot.sh makes with what COMMAND needs copied
# into it; it is packed into a throw-away disk, so what the guest writes is lost.  Output: COMMAND's output,
# files it leaves in /out (in ${VM_OUT:-./vm-out}), its exit status; 125 when the guest did not get that far.
# VM_ACCEL=kvm|tcg (kvm where the CPU has it), VM_MEM=1024, VM_CPUS=2, VM_TIMEOUT=300, VM_TRIES=3.
# Needs: qemu-system-x86 (10 or newer; 7.2 double-faults now and then under the newer kernels, hence the tries)
# busybox-static e2fsprogs cpio xz-utils zstd kmod.  A boot takes 4 to 10 s.  The guest has no network.
set -euo pipefail
if [ $# -lt 3 ]; then
	sed -n '3,4s/^# //p' "$0" >&2
	exit 2
fi
suite=$1 root=$2
shift 2
here=$(dirname "$(readlink -f "$0")")
cache=${PYROOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pitviper/suites}/$suite
kernel=$cache/kernel
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for tool in qemu-system-x86_64 busybox mkfs.ext4 debugfs cpio depmod; do
	PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null ||
		{ echo "vm-run: $tool is missing (see the list at the top of $0)" >&2; exit 125; }
done
PATH=$PATH:/usr/sbin:/sbin

# The kernel and its modules, from the suite's newest cloud image.
fetch_kernel() {
	local image names
	# shellcheck source=tools/suite-apt.sh
	. "$here/suite-apt.sh"
	suite_apt_init "$suite" "$cache"
	image=$(suite_cache depends --important linux-image-cloud-amd64 |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
	[ -n "$image" ] || { echo "vm-run: $suite names no cloud kernel" >&2; return 1; }
	# the files stand in linux-image, or, split, in linux-binary and linux-modules beside it
	names=$(suite_cache depends --important "$image" |
		sed -n 's/^ *|\{0,1\}Depends: \(linux-\(binary\|modules\|base\)-[0-9].*\)/\1/p')
	rm -rf "$kernel"
	mkdir -p "$kernel/debs" "$kernel/tree"
	# shellcheck disable=SC2086
	(cd "$kernel/debs" && suite_apt download "$image" $names)
	for deb in "$kernel"/debs/*.deb; do
		dpkg-deb -x "$deb" "$kernel/tree"
	done
	cp "$(find "$kernel/tree" -name 'vmlinuz*' -type f | head -1)" "$kernel/vmlinuz"
	rm -rf "$kernel/debs"
}

# An initial RAM disk that knows one thing: mount the disk and start /.vm-main in it.
make_initrd() {
	local moddir release base tree=$work/initrd n=100 module name
	moddir=$(find "$kernel/tree" -type d -path '*/lib/modules/[0-9]*' -prune | head -1)
	release=$(basename "$moddir")
	base=${moddir%/lib/modules/*}
	mkdir -p "$tree"/{bin,proc,sys,dev,new,mod}
	cp "$(command -v busybox)" "$tree/bin/busybox"
	[ -s "$moddir/modules.dep" ] || depmod -b "$base" "$release"
	for module in virtio_pci virtio_blk ext4 crc32c_generic; do
		modprobe -S "$release" -d "$base" --show-depends "$module" 2>/dev/null || true
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/modules"
	while read -r module; do
		n=$((n + 1))
		name=$(basename "$module")
		case $name in
		*.xz) xz -dc "$module" >"$tree/mod/$n-${name%.xz}" ;;
		*.zst) zstd -qdc "$module" >"$tree/mod/$n-${name%.zst}" ;;
		*) cp "$module" "$tree/mod/$n-$name" ;;
		esac
	done <"$work/modules"
	cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
for m in /mod/*; do $b insmod $m 2>/dev/null; done
i=0; while [ ! -b /dev/vda ] && [ $i -lt 100 ]; do $b sleep 0.1; i=$((i+1)); done
$b mount -t ext4 /dev/vda /new || { echo "VM: no root"; $b poweroff -f; }
for d in proc sys dev; do $b mkdir -p /new/$d; $b mount --move /$d /new/$d; done
$b mount -t tracefs t /new/sys/kernel/tracing 2>/dev/null
$b mount -t bpf b /new/sys/fs/bpf 2>/dev/null
$b mount -t cgroup2 c /new/sys/fs/cgroup 2>/dev/null
$b mkdir -p /new/dev/shm /new/tmp /new/out /new/.vm; $b mount -t tmpfs s /new/dev/shm
$b ip link set lo up 2>/dev/null
$b cp $b /new/.vm/busybox
exec $b chroot /new /.vm/busybox sh /.vm-main
INIT
	chmod +x "$tree/init"
	(cd "$tree" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$kernel/initrd.tmp"
	mv "$kernel/initrd.tmp" "$kernel/initrd"
}

make_disks() {
	local used
	{
		echo 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
		echo 'export HOME=/root TERM=dumb LC_ALL=C.UTF-8'
		echo 'cd /; echo VM-BEGIN'
		printf '('
		printf ' %q' "$@"
		echo ' )'
		echo 'echo "VM-EXIT $?"'
		echo '/.vm/busybox tar -c -C /out . 2>/dev/null |'
		echo '/.vm/busybox dd of=/dev/vdb bs=64k conv=notrunc 2>/dev/null'
		echo '/.vm/busybox sync; /.vm/busybox poweroff -f'
	} >"$work/main"
	used=$(du -sm --exclude=./proc "$root" | cut -f1)
	truncate -s $((used + used / 3 + 200))M "$work/root.img"
	mkfs.ext4 -q -F -O ^has_journal -d "$root" "$work/root.img"
	debugfs -w -R "write $work/main .vm-main" "$work/root.img" >/dev/null 2>&1
}

boot() {
	local accel=${VM_ACCEL:-}
	if [ -z "$accel" ]; then
		accel=tcg
		[ -w /dev/kvm ] && grep -qwE 'svm|vmx' /proc/cpuinfo && accel=kvm
	fi
	rm -f "$work/out.img"
	truncate -s "${VM_OUT_SIZE:-256M}" "$work/out.img"
	timeout "${VM_TIMEOUT:-300}" qemu-system-x86_64 -accel "$accel" -cpu "${VM_CPU:-max}" \
		-smp "${VM_CPUS:-2}" -m "${VM_MEM:-1024}" -kernel "$kernel/vmlinuz" -initrd "$kernel/initrd" \
		-append "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off" \
		-drive "file=$work/root.img,if=virtio,format=raw,snapshot=on" \
		-drive "file=$work/out.img,if=virtio,format=raw" \
		-nographic -no-reboot -nic none </dev/null 2>&1 | tr -d '\r' >"$work/log" || true
}

[ -s "$kernel/vmlinuz" ] || fetch_kernel
[ -s "$kernel/initrd" ] || make_initrd
make_disks "$@"
for try in $(seq "${VM_TRIES:-3}"); do
	boot
	grep -q 'VM-BEGIN$' "$work/log" && break # a guest that never started is the emulator's fault
	echo "vm-run: the guest did not start (try $try); its last lines:" >&2
	tail -3 "$work/log" >&2
done
sed -n '/VM-BEGIN$/,/^VM-EXIT/p' "$work/log" | sed '1d;/^VM-EXIT/d'
grep -q '^VM-EXIT' "$work/log" || {
	echo "vm-run: the guest did not finish; its last lines:" >&2
	tail -5 "$work/log" >&2
}
mkdir -p "${VM_OUT:-vm-out}"
tar -x -C "${VM_OUT:-vm-out}" -f "$work/out.img" 2>/dev/null || true
status=$(sed -n 's/^VM-EXIT //p' "$work/log" | tail -1)
exit "${status:-125}"
