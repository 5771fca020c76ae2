#!/usr/bin/env bash
# llama.cpp for "gatun bench decoder --llama-cpp bench/peers/llamacpp.sh"; llamacpp_engine.py says what it is told.
here=$(cd "$(dirname "$0")" && pwd)
exec "${PEERS_HOME:-$here/work}/venv/bin/python" "$here/llamacpp_engine.py" "$@"
