# SPDX-License-Identifier: MIT
# bash completion of usbvfiod
#
# bash starts a new word at ":" and "=" (COMP_WORDBREAKS), and devices contain both. So this file
# splits the line at blanks, and cuts the part before bash's word off each answer.

# WORD CANDIDATE...: answers with the candidates that begin with WORD, cut to start at bash's word
_usbvfiod_offer()
{
	local word=$1 last=${COMP_WORDS[COMP_CWORD]} head candidate
	shift
	[[ $last == [:=@] ]] && last=
	head=${word%"$last"}
	# readline counts the "@" as part of its word
	head=${head%@}
	for candidate in "$@"; do
		[[ $candidate == "$word"* ]] && COMPREPLY+=("${candidate#"$head"}")
	done
}

# WORD BEFORE PATH: answers with file names that begin with PATH, each with BEFORE in front
_usbvfiod_files()
{
	local files
	mapfile -t files < <(compgen -f -- "$3")
	((${#files[@]})) || return 0
	_usbvfiod_offer "$1" "${files[@]/#/"$2"}"
	compopt -o filenames 2>/dev/null
}

# WORD: users, and groups after "@", separated by commas
_usbvfiod_peers()
{
	local head=${1%"${1##*,}"} names
	if [[ ${1##*,} == @* ]]; then
		mapfile -t names < <(compgen -g | sed 's/^/@/')
	else
		mapfile -t names < <(compgen -u)
	fi
	_usbvfiod_offer "$1" "${names[@]/#/"$head"}"
}

# WORD: a device. A key of its kind follows the last comma.
_usbvfiod_device()
{
	local word=$1 kind=${1%%:*} head keys=() key
	case $word in
	/*) _usbvfiod_files "$word" '' "$word"; return ;;
	host:* | keyboard:* | stick:* | usb:* | zero:*) ;;
	*) _usbvfiod_offer "$word" /dev/bus/usb/ host:path= keyboard stick:file= usb: zero; return ;;
	esac
	head=${word%"${word##*[,:]}"}
	key=${word#"$head"}
	case $kind/$key in
	host/path=* | stick/file=* | keyboard/input=*)
		_usbvfiod_files "$word" "$head${key%%=*}=" "${key#*=}"
		return ;;
	*/reset=*) keys=(reset=always reset=first reset=never) ;;
	keyboard/speed=*) keys=(speed=low speed=full speed=high) ;;
	*/speed=*) keys=(speed=full speed=high speed=super) ;;
	zero/pattern=*) keys=(pattern=zeros pattern=mod63) ;;
	host/*) keys=(path= fd= reset= force) ;;
	keyboard/*) keys=(input= anyone speed=) ;;
	stick/*) keys=(file= readonly speed=) ;;
	usb/*) keys=(vid= pid= serial= product= manufacturer= port= class= any nth= all deny-class= reset= force id=) ;;
	zero/*) keys=(pattern= speed=) ;;
	esac
	_usbvfiod_offer "$word" "${keys[@]/#/"$head"}"
}

_usbvfiod()
{
	local words word before
	COMPREPLY=()
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}x"
	word=${words[-1]%x}
	before=${words[-2]-}
	if [[ $word == --*=* ]]; then
		before=${word%%=*}
		word=${word#*=}
	fi
	case $before in
	--socket-path | --hotplug-socket-path | --rules | --pcap-path | --sandbox-path)
		_usbvfiod_files "$word" '' "$word" ;;
	--device) _usbvfiod_device "$word"; compopt -o nospace 2>/dev/null ;;
	--sandbox) _usbvfiod_offer "$word" on log off ;;
	--ports) _usbvfiod_offer "$word" {1..15} ;;
	--memory-files) _usbvfiod_offer "$word" any none ;;
	--vmm-peers | --control-peers | --control-readers) _usbvfiod_peers "$word" ;;
	--user) mapfile -t words < <(compgen -u); _usbvfiod_offer "$word" "${words[@]}" ;;
	--fd | --hotplug-fd) ;;
	*)
		_usbvfiod_offer "$word" --socket-path --fd --hotplug-socket-path --hotplug-fd --rules --vmm-peers \
			--control-peers --control-readers --device --ports --pcap-path --no-msix --memory-files --user \
			--sandbox --sandbox-path --verbose --no-color --help --version ;;
	esac
}
complete -F _usbvfiod usbvfiod
