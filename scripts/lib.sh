# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What the scripts here share; sourced, from the project's top directory. shellcheck shell=bash

# Colour on a terminal only; COLOUR carries the decision across sudo and unshare.
if [ -z "${COLOUR:-}" ]; then
	COLOUR=no
	if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then COLOUR=yes; fi
fi
BOLD='' RED='' GREEN='' PLAIN=''
if [ "$COLOUR" = yes ]; then
	BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
fi

say() { printf '%s\n' "$*"; }
step() { printf '\n%s== %s%s\n' "$BOLD" "$*" "$PLAIN"; }
die() {
	printf '%s: %s\n' "$0" "$*" >&2
	exit 2
}

# have PROGRAM: whether it can be run, also from root's directories.
have() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1; }

# missing PROGRAM:PACKAGES...: prints the packages of the programs that are not there.
missing() {
	local pair
	for pair; do
		have "${pair%%:*}" || printf '%s ' "${pair#*:}"
	done
}

# install PACKAGES...: quietly, as root or by sudo without a password; fails where neither is possible.
install() {
	local as=()
	have apt-get || return 1
	if [ "$(id -u)" != 0 ]; then
		if ! have sudo; then return 1; fi
		# A person at a terminal may be asked for a password, a machine may not.
		if [ -t 0 ] && [ -t 2 ]; then as=(sudo); else as=(sudo -n); fi
	fi
	say "Installing $*"
	# An old list of packages names files that are gone: refresh it when the first try fails.
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 ||
		{
			"${as[@]}" apt-get update -qq >/dev/null &&
				"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
		}
}

# need PROGRAM:PACKAGES...: installs what is not there, or ends with the command that would.
need() {
	local packages
	packages=$(missing "$@")
	[ -z "$packages" ] && return
	# shellcheck disable=SC2086 # names of packages, to be split
	install $packages && [ -z "$(missing "$@")" ] && return
	die "missing here: ${packages% }. Install with: apt-get install --no-install-recommends ${packages% }"
}

# build_rtc release|dev: builds the command and sets RTC to it.
build_rtc() {
	have cargo || die "Rust is missing: see https://rustup.rs, or apt-get install cargo (1.85 or newer)"
	say "Building rtc ($1) ..."
	cargo build --quiet --profile "$1" --package rtc --bin rtc
	local dir=release
	if [ "$1" = dev ]; then dir=debug; fi
	RTC=$(target_dir)/$dir/rtc
}

# target_dir: where cargo puts what it builds, as an absolute path.
target_dir() {
	cargo metadata --no-deps --format-version 1 |
		sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}
