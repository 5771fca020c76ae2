#!/bin/sh
# Embeddings of short texts by a Spark cluster of this machine beside those of one process: benchmark.sh MODEL [TEXTS] [BACKEND].
# MODEL is a folder, or a file that gatun pack has written. docs/BENCH.md says what the numbers are.
set -eu
[ $# -ge 1 ] || {
    echo "usage: $0 MODEL [TEXTS] [BACKEND]" >&2
    exit 2
}
model=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
mvn -q -B -pl integrations/spark -am test-compile dependency:build-classpath -Dmdep.outputFile=target/classpath \
    -Dmdep.includeScope=test
cd "$here"
java=$(sed -n 2p "$here/../../target/gatun/jdk" 2>/dev/null || :)/bin/java
[ -x "$java" ] || java=${JAVA_HOME:+$JAVA_HOME/bin/}java
options=$(sed -n 's|.*<test.args>\(.*\)</test.args>.*|\1|p' pom.xml)
# shellcheck disable=SC2086
SPARK_HOME=$here/target/spark-home SPARK_SCALA_VERSION=2.13 SPARK_LOCAL_HOSTNAME=localhost exec "$java" \
    --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED $options -Xmx1g \
    -cp "$here/target/test-classes:$here/target/classes:$(cat target/classpath)" \
    dev.gatun.spark.SparkBenchmark "$model" "${2:-100000}" "${3:-vector}"
