# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/lib.sh - what the scripts share: paths, colours, progress, packages. Sourced, not run.
# shellcheck shell=bash

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -t 1 ]; then
	red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m' clear=$'\r\e[K'
else
	red='' dim='' plain='' clear=''
fi

# What the build needs; docs/dependencies.md says why.
# shellcheck disable=SC2034
build_packages=(gcc libc6-dev meson ninja-build pkgconf python3 bpftool clang libarchive-dev libbpf-dev libc-ares-dev
	libclamav-dev libgmime-3.0-dev libhyperscan-dev libjansson-dev libldap-dev libmagic-dev
	libmicrohttpd-dev libncurses-dev libnftables-dev libpcre2-dev libpq-dev libseccomp-dev libsqlite3-dev libssl-dev
	libsystemd-dev liburing-dev systemtap-sdt-dev)
# What the tests need on top of it.
# shellcheck disable=SC2034
test_packages=(bpftrace clang clang-format git groff-base hwloc-nox iproute2 libclang-rt-dev linux-perf nftables
	tmux universal-ctags zstd)

die() {
	printf '%s%s%s\n' "$red" "$*" "$plain" >&2
	exit 1
}

# step TEXT COMMAND...: run it quietly; one line that moves while it runs and says how long it took.
# Its output is shown only when it fails.
step() {
	local text=$1 log began=$SECONDS last=0 pid status=0
	shift
	log=$(mktemp)
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		if [ -n "$clear" ]; then
			printf '%s%s ... %d s %s%s%s' "$clear" "$text" $((SECONDS - began)) "$dim" \
				"$(tail -c 200 "$log" | tr '\r' '\n' | grep -ao '\[[0-9]*/[0-9]*\]' | tail -1)" "$plain"
		elif [ $((SECONDS - began - last)) -ge 10 ]; then
			last=$((SECONDS - began))
			printf '%s ... %d s\n' "$text" "$last"
		fi
		sleep 0.2
	done
	wait "$pid" || status=$?
	if [ "$status" -ne 0 ]; then
		printf '%s%s: %sfailed%s\n' "$clear" "$text" "$red" "$plain"
		tail -n 60 "$log"
	elif [ -n "$clear" ] && [ $((SECONDS - began)) -lt 2 ]; then
		printf '%s' "$clear"
	else
		printf '%s%s: %d s\n' "$clear" "$text" $((SECONDS - began))
	fi
	rm -f "$log"
	return "$status"
}

missing_packages() {
	local p
	for p in "$@"; do
		[ "$(dpkg-query -W -f='${Status}' "$p" 2>/dev/null)" = "install ok installed" ] || printf '%s ' "$p"
	done
}

apt_install() {
	export DEBIAN_FRONTEND=noninteractive
	apt-get install -qq -y --no-install-recommends "$@" && return 0
	apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@"
}

# need_packages NAME...: install those that are missing.
need_packages() {
	local missing
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null || die "These Debian packages are missing and there is no apt-get here: $missing"
	[ "$(id -u)" = 0 ] || die "Packages are missing. As root, run: apt-get install $missing"
	echo "Missing packages: $missing"
	# shellcheck disable=SC2086
	step "Installing $(wc -w <<<"$missing") packages" apt_install $missing || die "Could not install: $missing"
}

# The user of zygote and workers, which own nothing and may do nothing.
need_scan_user() {
	if getent passwd sallyport-scan >/dev/null; then
		return 0
	fi
	[ "$(id -u)" = 0 ] || die "The system user sallyport-scan is missing. As root, run: useradd --system --user-group --no-create-home --shell /usr/sbin/nologin sallyport-scan"
	useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sallyport-scan
}

# The user of the process that answers HTTP. Without it there is no metrics page, and mail flows.
need_web_user() {
	if getent passwd sallyport-web >/dev/null || [ "$(id -u)" != 0 ]; then
		return 0
	fi
	useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sallyport-web
}

# configure DIR COMPILER OPTION...: meson setup, once, or again when the options have changed.
configure() {
	local dir=$1 cc=$2 want
	shift 2
	want="$cc $*"
	if [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/.configured" 2>/dev/null)" = "$want" ]; then
		return 0
	fi
	! command -v ccache >/dev/null || cc="ccache $cc"
	if [ -f "$dir/meson-private/coredata.dat" ]; then
		CC=$cc meson setup --reconfigure "$dir" "$top" "$@"
	else
		CC=$cc meson setup "$dir" "$top" "$@"
	fi && printf '%s\n' "$want" >"$dir/.configured"
}

# build_tree DIR WHAT COMPILER OPTION...
build_tree() {
	local dir=$1 what=$2
	shift 2
	step "Configuring $what" configure "$dir" "$@" && step "Building $what" ninja -C "$dir"
}
