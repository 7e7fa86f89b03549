#!/bin/zsh
# SPDX-License-Identifier: MIT
# zsh's completion: usage: zsh -f test_completion.zsh COMPLETION-FILE USBVFIOCTL
setopt err_exit no_unset
program=$2
integer failed=0
typeset -a specs added words
typeset -A opt_args=(--socket "")
integer CURRENT=1

# What zsh's completion system would do, noted instead.
_arguments() { specs=("$@"); }
_files() { added=(a-file); }
compadd()
{
	if [[ $1 == -a ]]; then added=(${(P)2}); else added=("$@"); fi
}

# What a daemon would have listed: names that a shell must not look at are among them.
usbvfioctl()
{
	print -l 'ID  NAME' '1  key' '3-2.1  disk' '$(touch${IFS}hacked)  x' '`id`  x'
}

# expect WANTED WORD...: the last word is the one to be completed
expect()
{
	local wanted=$1
	shift
	words=("$@")
	CURRENT=$#
	added=()
	_usbvfioctl_arguments || true
	if [[ "$added" != "$wanted" ]]; then
		print -r -- "$*: '$added' instead of '$wanted'"
		failed=1
	fi
}

words=(usbvfioctl '')
. "$1"

verbs=(${(f)"$($program --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')"})
if [[ ${(M)specs:#1:verb:*} != "1:verb:($verbs)" ]]; then
	print -r -- "verbs: ${(M)specs:#1:verb:*} instead of $verbs"
	failed=1
fi
for option in ${(fu)"$($program --help | sed -n 's/\[--/\n&/gp; s/^  -.*/\n&/p' | sed -n 's/^[^-]*\(--[a-z]*\).*/\1/p')"}; do
	if ! print -rl -- $specs | grep -q -- "$option\b"; then
		print -r -- "$option is missing"
		failed=1
	fi
done
expect 'a-file' attach ''
expect '1 3-2.1' detach ''
expect 'start stop status' capture ''
expect 'a-file' capture start ''
expect 'error warn info debug trace' log ''
expect 'daemon control rules usbdev vuser xhci' log debug ''
expect 'add remove list' rules ''
expect '1 3-2.1' rules remove ''
expect '' watch ''
[[ ! -e hacked ]] || failed=1
exit $failed
