#!/bin/bash
# SPDX-License-Identifier: MIT
# bash's completion: usage: test_completion.sh COMPLETION-FILE USBVFIOCTL
set -eu
program=$2
complete() { :; }
compopt() { :; }
. "$1"
failed=0

# What a daemon would have listed: names that a shell must not look at are among them.
usbvfioctl()
{
	printf '%s\n' 'ID  NAME' '1  key' '3-2.1  disk' '$(touch${IFS}hacked)  x' '`id`  x'
}

# expect WANTED WORD...: the last word is the one to be completed
expect()
{
	local wanted=$1
	shift
	COMP_WORDS=(usbvfioctl "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_usbvfioctl
	if [[ ${COMPREPLY[*]} != "$wanted" ]]; then
		echo "$*: '${COMPREPLY[*]}' instead of '$wanted'"
		failed=1
	fi
}

verbs=$("$program" --help | sed -n 's/^  \([a-z]\+\) .*/\1/p' | tr '\n' ' ')
expect "${verbs% }" ''
expect 'detach doctor' d
expect '1 3-2.1' detach ''
expect '3-2.1' --socket /a detach 3
expect 'start stop status' capture ''
expect 'debug' log d
expect 'usbdev' log debug u
expect '1 3-2.1' rules remove ''
expect '--to' move --t
expect '' list --t
expect 'always first never' attach --reset ''
[[ ! -e hacked ]] || failed=1
exit $failed
