#!/usr/bin/env bash
# Prints the bindings of OpenBLAS anew with jextract, from the header inside the Maven artifact org.bytedeco:openblas.
#
#   extract.sh          replaces src/generated/java and the list of its checksums
#   extract.sh --check  changes nothing; exit 1 and a diff where jextract prints something else than what is committed
#
# Exit 2: bad use, or something that is needed is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
module=$(dirname "$here")
generated=$module/src/generated/java

die() {
    echo "extract.sh: $*" >&2
    exit 2
}

check=false
case "$#:${1-}" in
    0:) ;;
    1:--check) check=true ;;
    *) die "usage: extract.sh [--check]" ;;
esac

command -v jextract >/dev/null || die "no jextract on the PATH: build openjdk/jextract, commit f9866df, with libclang 19" \
    "(other versions print other files) and put its bin folder on the PATH"
command -v mvn >/dev/null || die "no mvn on the PATH"

version=$(sed -n 's:.*<openblas.version>\(.*\)</openblas.version>.*:\1:p' "$module/../pom.xml")
[[ -n $version ]] || die "no <openblas.version> in $module/../pom.xml"

work=$module/target/jextract
rm -rf "$work"
mkdir -p "$work/java"

artifact=org.bytedeco:openblas:$version:jar:linux-x86_64
mvn -B -q -N -f "$module/pom.xml" dependency:unpack -Dartifact="$artifact" -DoutputDirectory="$work/jar" \
    -Dmdep.unpack.includes='org/bytedeco/openblas/linux-x86_64/include/*' >&2 || die "mvn could not unpack $artifact"
include=$work/jar/org/bytedeco/openblas/linux-x86_64/include
[[ -f $include/cblas.h ]] || die "no cblas.h in $artifact"

grep -v '^#' "$here/openblas.symbols" >"$work/args"
jextract "@$work/args" --output "$work/java" -I "$include" "$include/cblas.h" || die "jextract failed, see above"

(cd "$work/java" && find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum) >"$work/generated.sha256"
if $check; then
    same=true
    diff -ru "$generated" "$work/java" || same=false
    diff -u "$here/generated.sha256" "$work/generated.sha256" || same=false
    $same || { echo "extract.sh: what is committed is not what jextract prints for $artifact, see above" >&2; exit 1; }
    echo "extract.sh: the committed bindings are what jextract prints for $artifact"
else
    rm -rf "$generated"
    mkdir -p "$(dirname "$generated")"
    cp -R "$work/java" "$generated"
    cp "$work/generated.sha256" "$here/generated.sha256"
    echo "extract.sh: wrote the bindings for $artifact; review the diff"
fi
