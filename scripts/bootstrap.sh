#!/bin/sh
# Prepares this checkout for one task and then runs it: sh scripts/bootstrap.sh check|test|kube|interop|cluster|conformance|demo|bench|soak|build|images|packages|mutations [arguments].
# Runs before anything is installed and under whatever Node the machine has, hence plain POSIX sh.
set -eu

cd "$(dirname "$0")/.."
root=$(pwd)
task=${1:-}
[ $# -gt 0 ] && shift

say() { printf 'ambit: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

case $task in
  check) entry=scripts/check.ts ;;
  test) entry=scripts/test.ts ;;
  kube) entry=test/e2e/kube/main.ts ;;
  interop) entry=test/e2e/interop/main.ts ;;
  cluster) entry=test/e2e/cluster/main.ts ;;
  conformance) entry=test/e2e/cluster/conformance/main.ts ;;
  demo) entry=test/e2e/demo/main.ts ;;
  bench) entry=bench/main.ts ;;
  soak) entry=test/e2e/soak/main.ts ;;
  build) entry=scripts/build.ts ;;
  images) entry=scripts/images/images-main.ts ;;
  # Only installs.
  packages) entry=package.json ;;
  mutations) entry=scripts/mutations.ts ;;
  *) die "unknown task '$task': use check, test, kube, interop, cluster, conformance, demo, bench, soak, build, images or mutations" ;;
esac

system=$(uname -s)
case $task in
  test | kube | interop | cluster | conformance | demo | bench | soak)
    if [ "$system" != Linux ]; then
      say "'$task' cannot run on $system: it builds hosts and pods from Linux network namespaces."
      die "Run it in a Linux machine or VM, for example: docker run --rm -it --privileged -v \"\$PWD\":/src -w /src node:24 npm run $task"
    fi
    ;;
esac

# ---- npm packages -----------------------------------------------------------------------------------------------------
# The stamp holds the lock file and platform of the last complete installation.
stamp=node_modules/.ambit-installed
want="$(cksum <package-lock.json) $system $(uname -m)"
# Somebody ran npm by hand: what it wrote last is newer than the lock file. Believe it, also without a network.
if [ ! -f "$stamp" ] && [ -e node_modules/.bin/tsc ] &&
  [ -n "$(find node_modules/.package-lock.json -newer package-lock.json 2>/dev/null)" ]; then
  printf '%s\n' "$want" >"$stamp"
fi
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$want" ]; then
  command -v npm >/dev/null 2>&1 || die "npm is missing: install Node.js with npm (any version from 18 on; the right one is then fetched by npm)."
  if [ -d node_modules ]; then
    say "package-lock.json or the platform changed: installing npm packages again (npm ci) ..."
  else
    say "first run: installing npm packages, Node 24 among them (npm ci, about 600 MB on disk) ..."
  fi
  began=$(date +%s)
  npm ci --no-audit --no-fund --loglevel=error >&2 || die "npm ci failed: see its message above; it needs access to an npm registry."
  printf '%s\n' "$want" >"$stamp"
  say "npm packages are installed ($(($(date +%s) - began)) s)."
fi

# sbin holds nft and ip on Debian, but is not on an ordinary user's PATH.
PATH="$root/node_modules/.bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH
node_version=$(node -v 2>/dev/null || echo none)
case $node_version in
  v24.*) ;;
  *) die "found Node $node_version, but Ambit needs Node 24: no prebuilt one exists for $system $(uname -m) in npm, so put Node 24 on PATH." ;;
esac

# ---- system programs --------------------------------------------------------------------------------------------------
# program and its package under apt-get, dnf, apk, zypper, pacman (nearly always the same name).
programs() {
  case $task in
    test | kube | interop | cluster | conformance | demo | bench | soak)
      echo "nft nftables nftables nftables nftables nftables"
      echo "ip iproute2 iproute iproute2 iproute2 iproute2"
      echo "unshare util-linux util-linux util-linux util-linux util-linux"
      # Certificates are checked by a second opinion.
      [ "$task" != test ] && [ "$task" != conformance ] || echo "openssl openssl openssl openssl openssl openssl"
      # Envoy is a Python package.
      [ "$task" != interop ] || echo "pip3 python3-pip python3-pip py3-pip python3-pip python-pip"
      # The CNI plugin is a static C program; names joined by + are several packages.
      [ "$task" != test ] || echo "static-gcc gcc+libc6-dev gcc+glibc-static+libasan+libubsan gcc+musl-dev gcc+glibc-devel-static gcc"
      ;;
  esac
}

present() {
  case $1 in
    # busybox has an `ip` without what is needed here; iproute2 names itself.
    ip) ip -V 2>/dev/null | grep -q iproute2 ;;
    static-gcc) echo 'int main(void) { return 0; }' | gcc -static -x c -o /dev/null - 2>/dev/null ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
  esac
}

missing_packages() {
  programs | while read -r program apt dnf apk zypper pacman; do
    present "$program" && continue
    case $1 in
      apt-get) echo "$apt" ;;
      dnf) echo "$dnf" ;;
      apk) echo "$apk" ;;
      zypper) echo "$zypper" ;;
      pacman) echo "$pacman" ;;
    esac
  done | tr '+' '\n' | sort -u | tr '\n' ' '
}

package_manager() {
  for manager in apt-get dnf apk zypper pacman; do
    if command -v "$manager" >/dev/null 2>&1; then
      echo "$manager"
      return
    fi
  done
}

install_command() {
  case $1 in
    apt-get) echo "apt-get update && apt-get install -y --no-install-recommends $2" ;;
    dnf) echo "dnf install -y $2" ;;
    apk) echo "apk add $2" ;;
    zypper) echo "zypper --non-interactive install $2" ;;
    pacman) echo "pacman -Sy --noconfirm $2" ;;
  esac
}

missing_programs=$(programs | while read -r program _; do present "$program" || echo "$program"; done | tr '\n' ' ')
if [ -n "$missing_programs" ]; then
  manager=$(package_manager)
  [ -n "$manager" ] || die "these programs are missing: $missing_programs; install the packages nftables, iproute2, util-linux, openssl and a C compiler with static libraries by hand (no known package manager found)."
  packages=$(missing_packages "$manager")
  command=$(install_command "$manager" "$packages")
  if [ "$(id -u)" = 0 ]; then
    say "missing programs: $missing_programs; installing with: $command"
    DEBIAN_FRONTEND=noninteractive sh -c "$command" >&2 || die "the package manager failed: see its message above."
  else
    say "these programs are missing: $missing_programs"
    say "installing them needs root; type this once, then run '$task' again:"
    printf "  sudo sh -c '%s'\n" "$command" >&2
    exit 1
  fi
  still=$(programs | while read -r program _; do present "$program" || echo "$program"; done | tr '\n' ' ')
  [ -z "$still" ] || die "still missing after installation: $still"
fi

[ -f "$entry" ] || die "'$task' does not exist in this version ($entry is missing)."

# Distributions' Go is often too old, so it is not installed through the package manager.
case $task in
  interop | kube | cluster | conformance)
    wanted=$(sed -n 's/^go //p' test/e2e/interop/go/go.mod)
    [ "$task" = interop ] || [ "$task" = conformance ] || wanted=1.26
    found=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//')
    [ -n "$found" ] || die "go is missing: install Go $wanted or newer from https://go.dev/dl/ and put its bin folder on PATH."
    [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] ||
      die "found Go $found, but these tests need Go $wanted or newer: see https://go.dev/dl/."
    ;;
esac

[ "$task" != packages ] || exit 0
exec node --conditions=source "$entry" "$@"
