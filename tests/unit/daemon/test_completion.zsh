#!/bin/zsh
# SPDX-License-Identifier: MIT
# zsh's completion: usage: zsh -f test_completion.zsh COMPLETION-FILE USBVFIOD
setopt err_exit no_unset
program=$2
integer failed=0
typeset -a specs added
PREFIX=

# What zsh's completion system would do, noted instead.
_arguments() { specs=("$@"); }
_files() { added=(a-file); }
_users() { added=(a-user); }
_groups() { added=(a-group); }
compadd()
{
	[[ $1 != -S ]] || shift 2
	added=(${(M)@:#${PREFIX}*})
}
compset()
{
	[[ $PREFIX == ${~2}* ]] || return 1
	PREFIX=${PREFIX##${~2}}
}

# expect WANTED FUNCTION PREFIX
expect()
{
	added=()
	PREFIX=$3
	$2 || true
	if [[ "$added" != "$1" ]]; then
		print -r -- "$2 $3: '$added' instead of '$1'"
		failed=1
	fi
}

. "$1"

# all options, and none that there is not
wanted=(${(f)"$($program --help | sed -n 's/^  \(-., \)\{0,1\}\(--[a-z-]*\).*/\2/p')"})
mine=(${(f)"$(print -rl -- $specs | sed -n 's/^\((- \*)\)\{0,1\}\**\(--[a-z-]*\).*/\2/p')"})
if [[ "$mine" != "$wanted" ]]; then
	print -r -- "options: $mine instead of $wanted"
	failed=1
fi
if [[ -z ${(M)specs:#--sandbox=*:\(on log off\)} ]]; then
	print -r -- "--sandbox has other values"
	failed=1
fi
expect '/dev/bus/usb/ host:path= keyboard stick:file= usb: zero' _usbvfiod_device ''
expect 'stick:file=' _usbvfiod_device st
expect 'a-file' _usbvfiod_device /dev
expect 'a-file' _usbvfiod_device stick:file=a
expect 'a-file' _usbvfiod_device keyboard:input=/
expect 'readonly' _usbvfiod_device stick:file=a,r
expect 'full high super' _usbvfiod_device stick:file=a,speed=
expect 'low full high' _usbvfiod_device keyboard:speed=
expect 'always' _usbvfiod_device host:path=/a,reset=a
expect 'mod63' _usbvfiod_device zero:pattern=m
expect 'serial=' _usbvfiod_device usb:vid=1,s
expect '' _usbvfiod_device disk:x
expect 'a-user' _usbvfiod_peers roo
expect 'a-group' _usbvfiod_peers root,@roo
exit $failed
