#!/usr/bin/env bash
# llama.cpp's server for "gatun bench serve --llama-cpp bench/peers/llamacpp_server.sh"; setup.sh installs it.
here=$(cd "$(dirname "$0")" && pwd)
exec "${PEERS_HOME:-$here/work}/venv/bin/python" -m llama_cpp.server "$@"
