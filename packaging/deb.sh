#!/bin/sh
# deb.sh: makes dist/oomtrace_VERSION_all.deb of what git has here, and looks at it with lintian.
set -e
cd "$(dirname "$0")/.."
. packaging/common.sh

# The system's Python and tools, whichever others are first on the path.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
need dpkg-checkbuilddeps dpkg-dev
need lintian lintian
copy_sources build/deb
cd "build/deb/oomtrace-$version"
python3 packaging/release.py debian-changelog >debian/changelog
if ! missing=$(dpkg-checkbuilddeps 2>&1); then
	install_packages "$(echo "$missing" | sed 's/.*: //; s/([^)]*)//g')"
fi
quietly "$top/build/deb/log" dpkg-buildpackage --build=binary --no-sign
cd ../../..
mkdir -p dist
mv build/deb/oomtrace_"$version"_all.deb dist/
lintian --fail-on error --suppress-tags initial-upload-closes-no-bugs dist/oomtrace_"$version"_all.deb
echo "dist/oomtrace_${version}_all.deb: $(($(stat -c %s dist/oomtrace_"$version"_all.deb) / 1024)) KiB"
