#!/bin/sh
# Entry point of the container: `up` makes the home of a new volume first; everything else is a command of coopt.
set -eu
if [ "${1-}" = up ] && [ ! -e "$COOPT_HOME/config.json" ]; then
  coopt init --no-mdns --listen "${COOPT_LISTEN:-/ip4/0.0.0.0/tcp/4001}" >&2
  # of the container's own network; which port of the machine leads here is said outside
  coopt config set gateway.host "${COOPT_GATEWAY_HOST:-0.0.0.0}" >&2
fi
exec coopt "$@"
