#!/bin/bash
# SPDX-License-Identifier: MIT
# bash's completion: usage: test_completion.sh COMPLETION-FILE USBVFIOD
set -eu
program=$2
complete() { :; }
compopt() { :; }
. "$1"
failed=0
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
: >"$folder/a.img"

# expect WANTED LINE [WORD]: the end of LINE is to be completed; for bash, its last word is WORD
expect()
{
	COMP_LINE="usbvfiod $2"
	COMP_POINT=${#COMP_LINE}
	COMP_WORDS=("${3-${COMP_LINE##* }}")
	COMP_CWORD=0
	COMPREPLY=()
	_usbvfiod || true
	if [[ ${COMPREPLY[*]} != "$1" ]]; then
		echo "$2: '${COMPREPLY[*]}' instead of '$1'"
		failed=1
	fi
}

# all options, in the order of --help
expect "$("$program" --help | sed -n 's/^  \(-., \)\?\(--[a-z-]*\).*/\2/p' | xargs)" ''
expect '--sandbox --sandbox-path' --sandb
expect 'on log off' '--sandbox '
expect 'log' --sandbox=l l
expect 'off' '-v --sandbox of'
expect '1 10 11 12 13 14 15' '--ports 1'
expect 'any none' '--memory-files '
expect '' '--fd '
expect "$folder/a.img" "--pcap-path $folder/a"
expect "$folder/a.img" "--sandbox-path=$folder/a" "$folder/a"
expect 'root' '--user roo'
expect 'root,@root' '--vmm-peers root,@roo'
expect '@root' '--control-peers root,@roo' roo
expect '/dev/bus/usb/ host:path= keyboard stick:file= usb: zero' '--device '
expect 'stick:file=' '--device st'
expect "$folder/a.img" "--device stick:file=$folder/a" "$folder/a"
expect "$folder/a.img" "--device stick:file=$folder/" "$folder/"
expect "stick:file=$folder/a.img" "--device stick:file=$folder/a"
expect 'x,readonly' '--device stick:file=x,r' x,r
expect 'full high super' '--device stick:file=x,speed=' =
expect 'low full high' '--device keyboard:speed=' =
expect 'always' '--device host:path=/a,reset=a' a
expect 'a,fd= a,force' '--device host:path=a,f' a,f
expect 'mod63' '--device zero:pattern=m' m
expect '1,serial=' '--device=usb:vid=1,s' 1,s
expect '' '--device disk:x' x
exit $failed
