#!/usr/bin/env bash
# Installs what is missing of the servers that tests and `make up` start: the jars of Kafka
# into .servers/ of this checkout, redis-server and kcat where apt-get may. Does nothing the second
# time. kcat is a client: without it only the test of the README's first steps fails.
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

for tool in redis-server kcat; do
  have "$tool" && continue
  if [ "$(id -u)" -eq 0 ] && have apt-get; then
    echo "installing $tool"
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy "$tool"; } >/dev/null ||
      die "$tool could not be installed: install it by hand"
  elif [ "$tool" = kcat ]; then
    echo "kcat is missing: install it for the first steps of the README (Debian: apt-get install kcat, macOS: brew install kcat)" >&2
  else
    die "$tool is missing: install it (Debian: apt-get install $tool, macOS: brew install redis)"
  fi
done

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
