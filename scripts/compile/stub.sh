#!/bin/sh
# fsync @VERSION@ for @TARGET@: the program and the runtime that carries it, in one file.
# The first start unpacks both into a private directory; each start becomes the program by exec.

trap 'echo "fsync: this file is cut off: download it again" >&2; exit 1' EXIT

version='@VERSION@'
machine='@MACHINE@'
key='@KEY@'
offset=@OFFSET@
runtime_bytes=@RUNTIME_BYTES@
library_bytes=@LIBRARY_BYTES@
names='@NAMES@'

# The files of the program inside the second part: offset, size, name.
library() {
  cat <<'LIBRARY'
@LIBRARY@
LIBRARY
}

sums() {
  cat <<'SUMS'
@SUMS@
SUMS
}

newline='
'

say() {
  printf 'fsync: %s\n' "$1" >&2
}

fail() {
  say "cannot start: $1"
  trap - EXIT
  exit 1
}

find_self() {
  case $0 in
    /*) self=$0 ;;
    */*) self=$PWD/$0 ;;
    *) if [ -f "$0" ]; then self=$PWD/$0; else self=$(command -v "$0"); fi ;;
  esac
  if [ -L "$self" ]; then self=$(readlink -f -- "$self"); fi
}

# Prints how many directories there are from $1 up, a line for each, and a line for each file in $1 named in $2.
look() {
  cd -P -- "$1" 2>/dev/null || return 1
  up=$PWD
  files=$2
  set -- "$up"
  while [ "$up" != / ]; do
    up=${up%/*}
    up=${up:-/}
    set -- "$@" "$up"
  done
  echo $#
  # shellcheck disable=SC2086 # Names without spaces.
  stat -c '%u %a %g %s %Y %Z' -- "$@" $files 2>/dev/null
}

# Reads what `look` has said for the user $1: fails unless only this user and the system can change something in these
# directories; sets `files` to the lines of the files.
judge() {
  user=$1
  count=$2
  shift 2
  while [ "$count" -gt 0 ]; do
    is_trusted "$user" "$1" "$2" "$3" || return 1
    shift 6
    count=$((count - 1))
  done
  files=$*
}

# A directory of the owner $2 with the mode $3 and the group $4, for the user $1.
is_trusted() {
  case $2 in
    "$1" | 0) ;;
    *) is_unmapped "$2" || return 1 ;;
  esac
  case $3 in
    [1357]???) return 0 ;;
    *[2367]) return 1 ;;
    # Where each user has a group of their own, their files are often open to it.
    *[2367]?) [ "$4" = "$(id -g)" ] && [ "$(id -gn)" = "$(id -un)" ] ;;
  esac
}

# In a user namespace the owner of the system's directories has no number.
is_unmapped() {
  [ "$1" = 65534 ] && read -r _ _ mapped </proc/self/uid_map && [ "$mapped" != 4294967295 ]
} 2>/dev/null

is_private() {
  seen=$(look "$1" '') || return 1
  # shellcheck disable=SC2086 # Numbers, to be split.
  judge "$(id -u)" $seen
}

# Whether this version stands in the directory $1, private and untouched since it was sealed.
is_ready() {
  # shellcheck disable=SC3067 # Not in the standard, but in every shell that is a system's sh.
  [ -O "$1" ] && [ -f "$1/seal" ] && [ -x "$1/fsync" ] || return 1
  seen=$(look "$1" "fsync $names") || return 1
  found=$1
  # shellcheck disable=SC2086
  set -- $seen
  # Its own line comes first, and it is ours.
  [ "$3" = 700 ] && judge "$2" "$@" || return 1
  sealed=
  IFS= read -r sealed <"$found/seal"
  [ "$files" = "$sealed" ] || reseal "$found"
}

# Damaged, or a copy with times of its own: the contents decide.
reseal() {
  if (cd -- "$1" && sums | sha256sum -c) >/dev/null 2>&1; then
    seal "$1" 2>/dev/null || :
  else
    # Not to be looked through again and again.
    rm -f -- "$1/seal"
    return 1
  fi
}

seal() {
  seen=$(look "$1" "fsync $names") || return 1
  # shellcheck disable=SC2086
  judge "$(id -u)" $seen || return 1
  printf '%s\n' "$files" >"$1/seal.$$" && mv -f -- "$1/seal.$$" "$1/seal"
}

# Holds the version in the directory $1 for this process and what it becomes, so that nobody removes it meanwhile.
hold() {
  if command exec 9>"$1/used" || command exec 9<"$1/used"; then
    if command -v flock >/dev/null; then flock -s -n 9 || return 1; fi
  fi
  [ -x "$1/fsync" ]
} 2>/dev/null

# Sets `dir` if this version is ready in the place $1.
use() {
  # By its real path: a link on the way could point elsewhere a moment later.
  place=$(cd -P -- "$1" 2>/dev/null && pwd -P) || return 1
  is_ready "$place/$key" && hold "$place/$key" && dir=$place/$key
}

# Unpacks into the place $1 and sets `dir`; else sets `why`.
install() {
  why=$(unpack "$1" 3>&2 2>&1)
  set -- "$1" $?
  # Of what a tool says only the last line.
  why=${why##*"$newline"}
  case $2 in
    0) use "$1" || { why='what was unpacked there is gone'; return 1; } ;;
    3) fail "$why" ;;
    *) return 1 ;;
  esac
}

# A process of its own: mask, traps and descriptor 8 stay here. Prints why it fails; 3 if no other place would help.
unpack() (
  umask 077
  up=$1
  while [ ! -d "$up" ]; do
    up=${up%/*}
    up=${up:-/}
  done
  # Before anything is made: nothing of root's should land in the directory of a user.
  is_private "$up" || { echo 'other users can change it'; return 1; }
  mkdir -p -- "$1" 2>/dev/null || { echo 'it cannot be written'; return 1; }
  place=$(cd -P -- "$1" && pwd -P) || return 1
  is_private "$place" || { echo 'other users can change it'; return 1; }
  new=
  trap 'rm -rf -- "$new"' EXIT
  trap 'exit 143' HUP INT TERM
  # All at once would be right too, only a waste.
  if { command exec 8>"$place/lock" && flock -w 60 8; } 2>/dev/null; then
    rm -rf -- "$place"/.new.* "$place"/.old.*
  fi
  if is_ready "$place/$key"; then return 0; fi
  new=$(mktemp -d "$place/.new.XXXXXX" 2>/dev/null) || { echo 'it cannot be written'; return 1; }
  can_execute "$new" || return 1
  if [ -t 3 ]; then say "unpacking version $version into $place, once" 2>&3; fi
  fill "$new" || return
  put "$new" "$place/$key" || { echo 'it cannot be written'; return 1; }
  clean "$place"
)

can_execute() {
  { printf '#!/bin/sh\n' >"$1/try" && chmod 700 "$1/try"; } || return 1
  "$1/try" 2>/dev/null || { echo 'programs in it may not be executed (noexec)'; return 1; }
  rm -- "$1/try"
}

# Fills the new directory $1.
fill() {
  mkdir "$1/lib" "$1/deno" || return 1
  part "$offset" "$runtime_bytes" "$1/fsync" || return
  part $((offset + runtime_bytes)) "$library_bytes" "$1/library" || return
  library | while read -r from size name; do
    tail -c "+$from" "$1/library" | head -c "$size" >"$1/$name" || exit 1
  done || return 1
  rm -- "$1/library"
  chmod 500 "$1/fsync"
  if ! (cd -- "$1" && sums | sha256sum -c) >/dev/null 2>&1; then
    damaged
    return 3
  fi
  if ! said=$(DENO_DIR="$1/deno" "$1/fsync" --version 2>&1); then
    echo "this file is for Linux with glibc on $machine, here is $(uname -sm): $said"
    return 3
  fi
  : >"$1/used"
  # What a power cut tears would be noticed by its size; better not to need that.
  (cd -- "$1" && sync fsync lib/* lib .) 2>/dev/null
  seal "$1"
}

# Unpacks a part of this file, from its byte $1 on, $2 bytes, to the file $3.
part() {
  { tail -c "+$1" -- "$self" | head -c "$2" | gzip -dc >"$3"; } && return
  # The disk or the file: what was said may be about either.
  tail -c "+$1" -- "$self" | head -c "$2" | gzip -t 2>/dev/null && return 1
  damaged
  return 3
}

damaged() {
  echo "\"$self\" is damaged: download it again"
}

# Puts the new directory $1 in the place of $2, unless that is good by now.
put() {
  if is_ready "$2"; then return 0; fi
  old=${2%/*}/.old.${1##*.}
  if [ -e "$2" ] || [ -L "$2" ]; then mv -- "$2" "$old" 2>/dev/null && rm -rf -- "$old"; fi
  # If somebody else was faster, it went into theirs.
  mv -- "$1" "$2" && rm -rf -- "${2:?}/${1##*/}"
}

# Removes versions in the place $1 that nobody runs and that nobody has started for a week.
clean() {
  command -v flock >/dev/null || return 0
  for old in "$1"/*; do
    if [ "$old" = "$1/$key" ] || [ -z "$(find "$old/used" -mtime +6)" ]; then continue; fi
    (
      gone=$1/.old.${old##*/}
      flock -x -n 7 && mv -- "$old" "$gone" && rm -rf -- "$gone"
    ) 7<"$old/used"
  done 2>/dev/null
  return 0
}

# The home directory of the user with the number $1.
home() {
  while IFS=: read -r _ _ number _ _ directory _; do
    if [ "$number" = "$1" ]; then echo "$directory"; fi
  done </etc/passwd
} 2>/dev/null

find_dir() {
  cache=${XDG_CACHE_HOME-}
  # The specification has relative paths ignored.
  case $cache in /*) ;; *) cache=${HOME:+$HOME/.cache} ;; esac
  case $cache in /*) use "$cache/fsync" && return ;; esac

  uid=$(id -u)
  case $cache in /*) ;; *) cache=$(home "$uid")/.cache ;; esac
  set -- "$cache/fsync" "/var/tmp/fsync-$uid"
  # These may lie in memory.
  case ${TMPDIR-} in /*) set -- "$@" "${TMPDIR%/}/fsync-$uid" ;; esac
  case ${XDG_RUNTIME_DIR-} in /*) set -- "$@" "${XDG_RUNTIME_DIR%/}/fsync-program" ;; esac
  set -- "$@" "/tmp/fsync-$uid"
  for wanted do use "$wanted" && return; done
  first=$1
  for wanted do
    if install "$wanted"; then
      if [ "$wanted" != "$first" ]; then say "unpacked into $dir instead"; fi
      return
    fi
    say "cannot use $wanted: $why"
  done
  fail 'there is no place to unpack to; set XDG_CACHE_HOME to a directory of yours with 150 MB free'
}

# The tools of the system, and not whatever else is called like them.
outer_path=${PATH-}
has_path=${PATH+yes}
PATH=/usr/bin:/bin:/usr/sbin:/sbin${PATH:+:$PATH}
find_self
find_dir
if [ -n "$has_path" ]; then PATH=$outer_path; else unset PATH; fi
export FSYNC_EXECUTABLE="$self" DENO_DIR="$dir/deno" DENO_NO_UPDATE_CHECK=1 DENO_NO_PACKAGE_JSON=1
exec "$dir/fsync" run @FLAGS@ "$dir/lib/main.js" "$@"
