#!/usr/bin/env bash
# CTranslate2 for "gatun bench seq2seq --ctranslate2 bench/peers/ctranslate2.sh"; seq2seq.py says what it is told.
here=$(cd "$(dirname "$0")" && pwd)
exec "${PEERS_HOME:-$here/work}/venv/bin/python" "$here/seq2seq.py" "$@"
