#!/usr/bin/env bash
# Real servers of several kinds beside the system's own, for tests: scripts/servers.sh [--fresh] [NAME...]
#
# NAME is redis-7, redis-8, valkey-8 or valkey-9; default: all four. Each is unpacked from Debian's archive into
# .servers/NAME/root (cached, not in git; LINGCACHE_SERVERS names another folder) with the C library it was built
# for, and gets two wrappers, .servers/NAME/server and .servers/NAME/cli, that start it through its own loader.
# Nothing is installed into the system.
#
# The mirror is the one this machine uses already, read from its list of sources. What is trusted: the same keyring
# as the system's packages (debian-archive-keyring); apt verifies the Release file of each suite with it and the
# packages with that file. Nothing is fetched unverified.
#
# No version is pinned: sid moves. The version that came is printed. Where there is no Debian archive, or something of
# it cannot be fetched, that is said in one line for each server, .servers/unreachable is left for the tests, and the
# exit code is 0; any other failure is an error. Servers that can be had are fetched all the same.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
folder=${LINGCACHE_SERVERS:-$root/.servers}
fresh=
one=
names=()
for argument in "$@"; do
  case $argument in
    --fresh) fresh=1 ;;
    --one) one=1 ;; # of this script itself: fetches a single server, and ends with 4 where it cannot be had
    redis-7 | redis-8 | valkey-8 | valkey-9) names+=("$argument") ;;
    *)
      echo "servers.sh: unknown server '$argument' (redis-7, redis-8, valkey-8, valkey-9)" >&2
      exit 2
      ;;
  esac
done
[ ${#names[@]} -gt 0 ] || names=(redis-7 redis-8 valkey-8 valkey-9)

suite_of() {
  case $1 in
    redis-7) echo bookworm ;;
    redis-8 | valkey-8) echo trixie ;;
    valkey-9) echo sid ;;
  esac
}

# unreachable REASON NAME...
unreachable() {
  local reason=$1 name
  shift
  mkdir -p "$folder"
  for name in "$@"; do
    echo "$name: $reason" >>"$folder/unreachable"
    echo "servers.sh: NOT FETCHED $name: $reason; tests that need it are skipped" >&2
  done
}

give_up() {
  unreachable "$1" "$2"
  exit 4
}

# The first archive of Debian proper among the system's sources, in either format.
mirror() {
  cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    grep -E '^(URIs:|deb )' | grep -oE '[a-z]+://[^ ]+' | sed 's:/*$::' | grep -E '/debian$' | head -n 1
}

# apt with lists and a cache of its own: the system's are neither read nor changed.
suite_apt() {
  local tool=$1
  shift
  "$tool" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
    -o APT::Sandbox::User=root "$@"
}

# The server's packages and the libraries that they need, found by following dependencies from library to library.
packages_of() {
  local kind=${1%-*} known=" " pending package needed
  pending=("$kind-server" "$kind-tools")
  while [ ${#pending[@]} -gt 0 ]; do
    package=${pending[0]}
    pending=("${pending[@]:1}")
    case $known in *" $package "*) continue ;; esac
    known="$known$package "
    for needed in $(suite_apt apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks \
      --no-replaces --no-enhances "$package" | sed -nE 's/^ *\|?(Pre)?Depends: (lib[^ <]*|zlib1g)$/\2/p'); do
      pending+=("$needed")
    done
  done
  echo "$known"
}

wrapper() {
  local name=$1 program=$2 target=$3
  local library
  library=$(cd "$folder/$name/root" && find . -name 'ld-linux-*.so.*' | head -n 1)
  local libraries=${library%/*}
  cat >"$folder/$name/$target" <<END
#!/bin/sh
here=\$(dirname "\$0")/root
exec "\$here/$library" --library-path "\$here/$libraries" "\$here/usr/bin/$program" "\$@"
END
  chmod +x "$folder/$name/$target"
}

fetch() {
  local name=$1 suite package
  suite=$(suite_of "$name")
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs"
  : >"$work/status"
  echo "deb [signed-by=$keyring] $archive $suite main" >"$work/sources.list"
  suite_apt apt-get -q=2 -o APT::Update::Error-Mode=any -o Acquire::Languages=none -o Acquire::Retries=3 update ||
    give_up "the archive's suite $suite cannot be reached" "$name"
  local packages
  packages=$(packages_of "$name")
  (cd "$work/debs" && suite_apt apt-get -q=2 -o Acquire::Retries=3 download $packages) ||
    give_up "its packages cannot be downloaded from suite $suite" "$name"
  rm -rf "${folder:?}/$name"
  mkdir -p "$folder/$name/root"
  # A system with a merged /usr has its loader there; packages from before the merge bring their own /lib.
  for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$folder/$name/root"; done
  if [ -d "$folder/$name/root/lib" ] && [ ! -L "$folder/$name/root/lib" ]; then
    mkdir -p "$folder/$name/root/usr/lib"
    cp -a "$folder/$name/root/lib/." "$folder/$name/root/usr/lib/"
    rm -rf "$folder/$name/root/lib"
  fi
  wrapper "$name" "${name%-*}-server" server
  wrapper "$name" "${name%-*}-cli" cli
  rm -rf "$work"
  trap - EXIT
}

archive=$(mirror || true)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
if [ -n "$one" ]; then
  fetch "${names[0]}"
  exit 0
fi

mkdir -p "$folder"
rm -f "$folder/unreachable"
runs() { [ -z "$fresh" ] && "$folder/$1/server" --version >/dev/null 2>&1; }
obstacle=
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
  obstacle="there is no apt here"
elif [ -z "$archive" ]; then
  obstacle="no Debian archive among this machine's sources"
elif [ ! -f "$keyring" ]; then
  obstacle="debian-archive-keyring is not installed"
fi
for name in "${names[@]}"; do
  if ! runs "$name"; then
    if [ -n "$obstacle" ]; then
      unreachable "$obstacle" "$name"
      continue
    fi
    # By itself: a server that cannot be fetched is no reason not to fetch the next one.
    status=0
    "$0" --one "$name" || status=$?
    [ "$status" = 4 ] && continue
    [ "$status" = 0 ] || exit "$status"
  fi
  echo "$name: $("$folder/$name/server" --version)"
done
