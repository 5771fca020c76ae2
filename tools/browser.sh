#!/bin/sh
# Prints the paths of a Chromium and of its driver, a line each, for the test of the page of gatun serve. What is missing is
# installed as Debian's packages, by root; anybody else is told to. CHROMIUM and CHROMEDRIVER name others.
set -eu
first() {
    for name; do
        command -v "$name" && return
    done
    return 1
}
browser() { first ${CHROMIUM:-chromium chromium-browser google-chrome}; }
driver() { first ${CHROMEDRIVER:-chromedriver}; }
if ! browser >/dev/null || ! driver >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get -q -o DPkg::Lock::Timeout=300 update >&2
        # Both, so that they are of one version.
        apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends chromium chromium-driver >&2
    fi
fi
if ! browser || ! driver; then
    echo "no chromium or no chromedriver: install Debian's packages chromium and chromium-driver (as root this script does)," \
        "or name them by CHROMIUM and CHROMEDRIVER" >&2
    exit 1
fi
