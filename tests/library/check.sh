#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check.sh BUILD CONSUMER.c VERSION HEADER: libtensock as somebody else sees it: what it exports, and
# programs that find it by pkg-config, in C99 and C++17, with the shared and the static library.
set -eu
build=$1 consumer=$2 version=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
	echo "check.sh: $*" >&2
	exit 1
}

# Nothing but what the header offers leaves the shared library, and all of that does.
nm -D --defined-only "$build/libtensock.so" | awk '{ print $3 }' | sort >"$folder/exported"
sed -n 's/^TENSOCK_API .*[ *]\(tensock_[a-z0-9_]*\)(.*/\1/p' "$4" | sort >"$folder/offered"
[ "$(wc -l <"$folder/offered")" -gt 30 ] || fail "the header was not understood"
diff "$folder/offered" "$folder/exported" >&2 || fail "the header offers (<) what is not exported (>)"

# It needs libc alone.
needed=$(readelf -d "$build/libtensock.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
[ "$needed" = libc.so.6 ] || fail "the shared library needs: $needed"
readelf -d "$build/libtensock.so" | grep -q 'SONAME.*\[libtensock.so.0\]' || fail "a wrong soname"

export PKG_CONFIG_PATH="$build/meson-uninstalled"
[ "$(pkg-config --modversion tensock)" = "$version" ] || fail "pkg-config does not know the version"
cflags=$(pkg-config --cflags tensock)
libs=$(pkg-config --libs tensock)
warnings="-Wall -Wextra -Werror -pedantic -pedantic-errors"

# What pkg-config says is several words.
# shellcheck disable=SC2086
build_and_run() {
	name=$1
	shift
	"$@" $warnings "-DVERSION=\"$version\"" $cflags || fail "$name does not compile"
	LD_LIBRARY_PATH=$build "$folder/$name" || fail "$name does not work"
}

# shellcheck disable=SC2086
build_and_run c99 cc -std=c99 -o "$folder/c99" "$consumer" $libs
# shellcheck disable=SC2086
build_and_run c++17 c++ -std=c++17 -o "$folder/c++17" -x c++ "$consumer" -x none $libs
build_and_run static cc -std=c99 -static -o "$folder/static" "$consumer" "$build/libtensock.a"
