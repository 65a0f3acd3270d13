#!/bin/sh
# Builds the CNI plugin as one static file: sh cni/plugin/build.sh OUTPUT. CC names another compiler; SANITIZE=1 builds the
# variant that the tests run over wrong inputs, which is neither static nor small.
set -eu

output=${1:?usage: build.sh OUTPUT}
folder=$(dirname "$0")
if [ -z "${CC:-}" ]; then
  # musl makes a file a tenth of the size; glibc's static library does as well.
  CC=gcc
  if [ -z "${SANITIZE:-}" ] && command -v musl-gcc >/dev/null 2>&1; then CC=musl-gcc; fi
fi

set -- -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -Wshadow -Wconversion -Wvla -Wformat=2 -Wstrict-prototypes
if [ -n "${SANITIZE:-}" ]; then
  set -- "$@" -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else
  set -- "$@" -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -ffile-prefix-map="$folder"=. \
    -static -s -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--build-id=none
fi
exec "$CC" "$@" -o "$output" "$folder"/*.c
