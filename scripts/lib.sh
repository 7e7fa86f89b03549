# SPDX-License-Identifier: MIT
# The scripts in this folder source this file: messages, paths, output of apt.

set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rig_dir=${USBVFIOD_RIG:-${XDG_CACHE_HOME:-$HOME/.cache}/usbvfiod-rig}

if [ -t 2 ]; then
	bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
	bold='' red='' green='' plain=''
fi

# All messages go to stderr; stdout is for a script's result.
step() { printf '%s==> %s%s\n' "$bold" "$*" "$plain" >&2; }
note() { printf '    %s\n' "$*" >&2; }
good() { printf '%s%s%s\n' "$green" "$*" "$plain" >&2; }
fail() {
	printf '%s%s%s\n' "$red" "$*" "$plain" >&2
	exit 1
}

# Shows only apt's lines about downloads, packages being set up, warnings and errors.
brief() { { grep --line-buffered -E '^(Get:|Err|Fetched|Setting up|[EW]:)' || true; } | sed -u 's/^/    /' >&2; }
