#!/bin/sh
# Takes the picture of report.html that the README shows: the top of the page, in light.
set -eu
cd "$(dirname "$0")"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
# --no-sandbox: it opens our own file, and root, as in a container, may not have the sandbox.
"$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1120,1500 \
    --screenshot=report.png "file://$PWD/report.html" 2>/dev/null
