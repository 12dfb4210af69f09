#!/usr/bin/env bash
# Installs what is missing of the servers that tests and `make up` start: the jars of Kafka
# into .servers/ of this checkout, redis-server where apt-get may. Does nothing the second time.
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

if ! have redis-server; then
  if [ "$(id -u)" -eq 0 ] && have apt-get; then
    echo "installing redis-server"
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy redis-server; } >/dev/null ||
      die "redis-server could not be installed: install it by hand"
  else
    die "redis-server is missing: install it (Debian: apt-get install redis-server, macOS: brew install redis)"
  fi
fi

have java || die "java is missing: install a runtime of version 17 or newer (Debian: apt-get install openjdk-17-jre-headless)"
if ! cmp -s "$here/pom.xml" "$jars/pom.xml"; then
  have mvn || die "mvn is missing: install Maven (Debian: apt-get install maven)"
  echo "fetching the jars of Kafka into $jars"
  rm -rf "$jars.part"
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$jars.part" -DincludeScope=runtime
  # The copy of the pom says which set of jars this is; it comes last.
  cp "$here/pom.xml" "$jars.part/pom.xml"
  rm -rf "$jars"
  mv "$jars.part" "$jars"
fi
