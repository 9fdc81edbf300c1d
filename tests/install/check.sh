#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check.sh BUILD PREFIX LIBDIR HAS_PAGES: what a packager gets by `meson install`, and that it runs
# from there.
set -eu
build=$1 prefix=$2 libdir=$3 has_pages=$4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
	echo "check.sh: $*" >&2
	exit 1
}

DESTDIR="$folder" meson install -C "$build" --no-rebuild >"$folder/log" 2>&1 || {
	cat "$folder/log" >&2
	fail 'meson install has failed'
}
root=$folder$prefix

for name in bin/tensock bin/tensockd libexec/tensock/tensock-front libexec/tensock/tensock-store \
	libexec/tensock/tensock-metrics libexec/tensock/tensock-worker; do
	[ -x "$root/$name" ] || fail "no program $name"
done
for name in include/tensock/tensock.h include/tensock/types.h "$libdir/libtensock.a" \
	"$libdir/libtensock.so" "$libdir/libtensock.so.0" "$libdir/pkgconfig/tensock.pc" \
	"$libdir/tensock/tensock-engine-onnxruntime.so" "$libdir/tensock/libonnxruntime.so.1" \
	"$libdir/tensock/tensock-engine-mindspore_lite.so" \
	share/doc/tensock/tensockd.conf share/bash-completion/completions/tensock \
	share/zsh/site-functions/_tensock lib/systemd/system/tensockd.service \
	lib/systemd/system/tensockd.socket lib/systemd/system/tensock-proxy.service \
	lib/systemd/system/tensock-proxy.socket; do
	[ -s "$root/$name" ] || fail "no file $name"
done
if [ "$has_pages" = true ]; then
	for page in man1/tensock.1 man3/tensock_client.3 man3/tensock_event_loop.3 man3/tensock_infer.3 \
		man3/tensock_push.3 man5/tensockd.conf.5 man8/tensockd.8; do
		[ -s "$root/share/man/$page" ] || fail "no manual $page"
	done
fi
# Nothing of the tests, and nothing in a place that others own.
find "$folder" -name '*echo*' -o -name '*faulty*' -o -name '*_test' | grep . && fail 'tests are installed'
find "$folder" -mindepth 1 -maxdepth 1 ! -name log ! -name "$(echo "$prefix" | cut -d/ -f2)" | grep . &&
	fail "outside of $prefix"

# A daemon finds its processes and its engine by the prefix: there it is put, for this one alone.
if [ "$prefix" = /usr ] || ! unshare -rm true 2>/dev/null; then
	echo 'not run: no mount namespace for us, or the rest of the system is at the same place'
	exit 0
fi
mkdir "$folder/run"
export folder root prefix
# shellcheck disable=SC2016 # the inner shell is to expand
unshare -rm sh -euc '
	mount --bind "$root" "$prefix"
	"$prefix/bin/tensockd" --config "$prefix/share/doc/tensock/tensockd.conf" \
		--listen "unix:$folder/run/sock" --control "$folder/run/control" 2>"$folder/log" &
	daemon=$!
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		[ ! -S "$folder/run/sock" ] || break
		sleep 0.25
	done
	status=0
	TENSOCK_CONTROL=$folder/run/control "$prefix/bin/tensock" --host "unix:$folder/run/sock" doctor ||
		status=$?
	kill "$daemon"
	wait "$daemon" || status=$?
	exit $status' || {
	cat "$folder/log" >&2
	fail 'what is installed does not run'
}
