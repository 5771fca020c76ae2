#!/usr/bin/env bash
# ./run.sh attention: measures a table and prints it. run.py says what else it takes.
here=$(cd "$(dirname "$0")" && pwd)
exec "${PEERS_HOME:-$here/work}/venv/bin/python" "$here/run.py" "$@"
