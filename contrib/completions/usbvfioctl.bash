# SPDX-License-Identifier: MIT
# bash completion of usbvfioctl

# The harmless words in the first column of a table: others choose the names of devices, and
# compgen -W expands its words.
_usbvfioctl_ids()
{
	usbvfioctl "$@" 2>/dev/null | awk 'NR > 1 && $1 ~ /^[A-Za-z0-9._:-]+$/ { print $1 }'
}

_usbvfioctl_sockets()
{
	local path
	for path in /run/usbvfiod/*.sock "${XDG_RUNTIME_DIR:-/nonexistent}"/usbvfiod/*.sock; do
		[[ -S $path && $path != *.vfio.sock && $path == "$1"* ]] && COMPREPLY+=("$path")
	done
}

_usbvfioctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	local verb='' action='' socket=() i words=''
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket) socket=(--socket "${COMP_WORDS[++i]}") ;;
		--port | --name | --reset | --to) ((i++)) ;;
		-*) ;;
		*) if [[ ! $verb ]]; then verb=${COMP_WORDS[i]}; else action=${COMP_WORDS[i]}; fi ;;
		esac
	done
	case $before in
	--socket | --to) _usbvfioctl_sockets "$word"; return ;;
	--reset) words='always first never' ;;
	--port | --name) return ;;
	esac
	if [[ ! $words && $word == -* ]]; then
		words='--socket --json --help --version'
		case $verb in
		attach) words+=' --legacy --port --force --name --reset' ;;
		move) words+=' --to --port --force --name --reset' ;;
		agent) words+=' --rules' ;;
		detach) words+=' --legacy' ;;
		list) words+=' --legacy --all' ;;
		esac
	elif [[ ! $words ]]; then
		case $verb/$action in
		/) words='attach detach list watch stats capture log rules reset move doctor agent' ;;
		attach/)
			mapfile -t COMPREPLY < <(compgen -f -- "${word:-/dev/bus/usb/}")
			compopt -o filenames 2>/dev/null
			return ;;
		capture/start)
			mapfile -t COMPREPLY < <(compgen -f -- "$word")
			compopt -o filenames 2>/dev/null
			return ;;
		detach/ | stats/ | reset/ | move/) words=$(_usbvfioctl_ids "${socket[@]}" list) ;;
		capture/) words='start stop status' ;;
		log/) words='error warn info debug trace' ;;
		log/*) words='daemon control rules usbdev vuser xhci' ;;
		rules/) words='add remove list' ;;
		rules/remove) words=$(_usbvfioctl_ids "${socket[@]}" rules list) ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _usbvfioctl usbvfioctl
