#!/bin/sh
# Runs tasmart from cron: from any directory, with cron's bare environment, keeping the exit status.
#
#   */15 * * * * sleep 5; /opt/tasmart/scripts/cron.sh
#
# Passes its arguments on to tasmart (default: poll). Settings, all optional:
#   TASMART_HOME  folder with config.json and .env   default: the folder above this script
#   TASMART_LOG   log file                           default: $TASMART_HOME/logs/tasmart.log
#   NODE          the node to use                    default: the one on PATH, or where installers put it
#                 (a node that is too old is skipped; if all are too old, cron gets the message of the first)
#
# The log holds a line of JSON per event. Above 5 MB it moves to tasmart.log.1, .1 to .2, up to .5: 30 MB at most.
set -u

script=$(readlink -f -- "$0" 2>/dev/null || echo "$0")
package=$(CDPATH='' cd -- "$(dirname -- "$script")/.." && pwd) || exit 1
home=${TASMART_HOME:-$package}
log=${TASMART_LOG:-$home/logs/tasmart.log}
max_bytes=5242880
kept=5

# Prints the nodes of this machine, one a line, the preferred one first. IFS: the path of a home may contain blanks.
list_nodes() (
  IFS='
'
  user_home=${HOME:-/nonexistent}
  for candidate in "${NODE:-}" "$(command -v node)" /usr/local/bin/node /usr/bin/node /opt/homebrew/bin/node \
    "$user_home"/.volta/bin/node "$user_home"/.local/share/fnm/aliases/default/bin/node \
    $(ls -dt "$user_home"/.nvm/versions/node/*/bin/node 2>/dev/null); do
    if [ -n "$candidate" ] && [ -x "$candidate" ]; then echo "$candidate"; fi
  done
)

# At least 20.19, as in src/cli.ts. In syntax that any node reads.
is_new_enough() {
  "$1" -e 'var v = process.versions.node.split("."); process.exit(v[0] * 100 + +v[1] >= 2019 ? 0 : 1)' 2>/dev/null
}

# Prints the first node that is new enough.
find_node() {
  list_nodes | while IFS= read -r candidate; do
    if is_new_enough "$candidate" </dev/null; then
      echo "$candidate"
      break
    fi
  done
}

rotate_log() {
  [ -f "$log" ] && [ "$(wc -c <"$log")" -gt "$max_bytes" ] || return 0
  number=$kept
  while [ "$number" -gt 1 ]; do
    previous=$((number - 1))
    [ ! -f "$log.$previous" ] || mv -f "$log.$previous" "$log.$number"
    number=$previous
  done
  mv -f "$log" "$log.1"
}

node=$(find_node)
if [ -z "$node" ]; then
  old_node=$(list_nodes | head -n 1)
  # src/cli.ts prints which version was found and which is needed, and exits with 78.
  [ -z "$old_node" ] || exec "$old_node" "$package/dist/cli.js"
  echo "tasmart: no node found: set NODE=/path/to/node in the crontab" >&2
  exit 127
fi
cd "$home" || exit 1
[ $# -gt 0 ] || set -- poll

mkdir -p "$(dirname -- "$log")" 2>/dev/null
rotate_log
# A log that cannot be written (a full disk, no right) must not keep readings from being stored.
if (: >>"$log") 2>/dev/null; then exec 2>>"$log"; fi
exec "$node" -- "$package/dist/cli.js" --log-format json "$@" >/dev/null
