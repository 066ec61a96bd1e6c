#!/bin/sh
# Makes host-spark.jar of the sources in java/: `build.sh JARS [JAR]`, where JARS is the directory
# jars of a Spark, and JAR another name for what is made. Runs on Java 8 and later, and the same
# sources make the same bytes.
set -eu
cd "$(dirname "$0")"
jars=$1 jar=${2:-host-spark.jar}
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
javac --release 8 -Xlint:all,-options,-path,-classfile,-processing -Werror -g:source,lines \
    -classpath "$jars/*" -d "$classes" java/host/spark/*.java
jar --create --file "$jar" --no-manifest --date 1980-01-01T00:00:02Z -C "$classes" host
