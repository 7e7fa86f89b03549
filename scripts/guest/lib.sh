# SPDX-License-Identifier: MIT
# Functions for the jobs of the test guest (busybox ash).

# A line for the host. The newline in front ends what a program may have left on the console.
say() { printf '\nGUEST %s\n' "$*" >/dev/console; }

# A line from the host.
hear() { read -r "$@" </dev/console; }

# What the kernel has to say about it goes to the console, and so to the test's log.
die() {
	dmesg | tail -n 60 >/dev/console
	say FAILED "$*"
	exit 1
}

uptime_s() { cut -d' ' -f1 /proc/uptime; }

load_usb() {
	for module in $(sed -n 's/^+//p' /modules); do
		modprobe "$module" || die "no module $module"
	done
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

# wait_disk NAME...: until the disks can be read. Node and size come before that.
wait_disk() {
	for disk in "$@"; do
		wait_for "[ -b /dev/$disk ] && dd if=/dev/$disk of=/dev/null bs=512 count=1 2>/dev/null"
	done
}

drop_caches() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

sha256() { sha256sum "$1" | cut -d' ' -f1; }

# Address of the xHCI controller that is a PCI function.
xhci_address() {
	for dev in /sys/bus/pci/devices/*; do
		[ "$(cat "$dev/class")" != 0x0c0330 ] || echo "${dev##*/}"
	done
}

# "IRQ COUNT CHIP" of each interrupt vector that the controller uses.
xhci_interrupts() {
	grep xhci_hcd /proc/interrupts | while read -r irq rest; do
		sum=0 chip=
		for word in $rest; do
			case $word in
			*[!0-9]*) chip=$word; break ;;
			*) sum=$((sum + word)) ;;
			esac
		done
		echo "${irq%:} $sum $chip"
	done
}

# Path of the input device of the first USB keyboard, once it is there.
keyboard_node() {
	wait_for 'ls -d /sys/bus/usb/drivers/usbhid/*:*/*/input/input*/event* >/dev/null 2>&1'
	for event in /sys/bus/usb/drivers/usbhid/*:*/*/input/input*/event*; do
		wait_for "[ -c /dev/input/${event##*/} ]"
		echo "/dev/input/${event##*/}"
		return
	done
}

# One line for each USB device, root hubs left out: name, ids, speed in Mbit/s, drivers of its interfaces.
report_usb() {
	for dev in /sys/bus/usb/devices/*-*; do
		[ -e "$dev/idVendor" ] || continue
		drivers=
		for interface in "$dev"/*:*; do
			[ ! -e "$interface/driver" ] || drivers="$drivers $(basename "$(readlink "$interface/driver")")"
		done
		say USB "${dev##*/}" "$(cat "$dev/idVendor"):$(cat "$dev/idProduct")" "$(cat "$dev/speed")" $drivers
	done
}

# Warnings and errors of the USB and block layers.
report_kernel_log() {
	dmesg -r | sed -n 's/^<[0-4]>//p' | grep -iE 'usb|xhci|sd[a-z]|scsi|i/o error|hung|BUG|WARNING|Oops' |
		while read -r line; do
			say LOG "$line"
		done
}
