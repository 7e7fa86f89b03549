# SPDX-License-Identifier: MIT
# Functions for what runs in the VM that plays the host (busybox ash).

die() {
	echo "$*" >&2
	exit 1
}

# wait_for "command": until it succeeds, 30 s at most.
wait_for() {
	tries=0
	until eval "$1"; do
		tries=$((tries + 1))
		[ $tries -lt 1500 ] || die "waited in vain for: $1"
		usleep 20000
	done
}

sha256() { sha256sum "$1" | cut -d' ' -f1; }

# "NAME BUSNUM DEVNUM VID:PID SPEED SERIAL" of each USB device, root hubs left out. The serial number is the last, and
# may have blanks or be missing.
list_usb() {
	for dev in /sys/bus/usb/devices/*-*; do
		read -r vid <"$dev/idVendor" || continue
		read -r pid <"$dev/idProduct"
		read -r bus <"$dev/busnum"
		read -r number <"$dev/devnum"
		read -r speed <"$dev/speed"
		serial=
		[ ! -e "$dev/serial" ] || read -r serial <"$dev/serial"
		echo "${dev##*/} $bus $number $vid:$pid $speed $serial"
	done 2>/dev/null
}

# find_usb PATTERN: the lines of list_usb that match the extended regular expression, once there is one and its node.
# Those that are being reset have number 0 meanwhile.
find_usb() {
	wait_for "found=\$(list_usb | grep -E '$1') && ! echo \"\$found\" | grep -q '^[^ ]* [0-9]* 0 '"
	echo "$found" | while read -r name bus number rest; do
		node=$(printf '/dev/bus/usb/%03d/%03d' "$bus" "$number")
		wait_for "[ -c $node ]"
		echo "$name $bus $number $rest"
	done
}

# disk_of NAME: the disk that the USB device NAME is, once it can be read.
disk_of() {
	wait_for "ls -d /sys/bus/usb/devices/$1/$1:*/host*/target*/*/block/* >/dev/null 2>&1"
	disk=/dev/$(basename /sys/bus/usb/devices/"$1"/"$1":*/host*/target*/*/block/*)
	wait_for "[ -b $disk ] && dd if=$disk of=/dev/null bs=512 count=1 2>/dev/null"
	echo "$disk"
}

# need_huge_pages NUMBER: have that many of 2 MiB, in use or not. Never less than before.
need_huge_pages() {
	read -r have </proc/sys/vm/nr_hugepages
	[ "$have" -ge "$1" ] || echo "$1" >/proc/sys/vm/nr_hugepages
}
