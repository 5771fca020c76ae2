#!/bin/sh
# Puts OpenAI's Python client, in the versions of requirements.txt, into the user's cache, and prints the folder, which is to be in
# PYTHONPATH. What is there already is not fetched; it is there as a whole or not at all.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
name=$(python3 - "$here/requirements.txt" <<'PYTHON'
import hashlib, pathlib, sys
digest = hashlib.sha256(pathlib.Path(sys.argv[1]).read_bytes()).hexdigest()
print(f"openai-{sys.implementation.cache_tag}-{digest[:12]}")
PYTHON
)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gatun/python
if [ ! -d "$cache/$name" ]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/.fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary :all: \
        -r "$here/requirements.txt" --target "$work/$name" >&2
    mv "$work/$name" "$cache/$name" 2>/dev/null || [ -d "$cache/$name" ] # another may have been faster
fi
echo "$cache/$name"
