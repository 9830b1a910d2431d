#!/bin/sh
# rpm.sh: makes dist/oomtrace-VERSION-1.noarch.rpm of what git has here, and looks at it with rpmlint. Builds on Debian as
# well as on Fedora; what it was tried with is in docs/install.md.
set -e
cd "$(dirname "$0")/.."
. packaging/common.sh

export PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset PYTHONPYCACHEPREFIX # the package's bytecode lies in it, or Python writes some later that no package removes
need rpmbuild rpm
need rpmlint rpmlint
copy_sources build/rpm
python3 packaging/release.py spec >build/rpm/oomtrace.spec
tar -C build/rpm --sort=name --owner=0 --group=0 --mtime=@0 -czf "build/rpm/oomtrace-$version.tar.gz" "oomtrace-$version"
python3 -c "import click, yaml" || install_packages "python3-click python3-yaml"
# --nodeps: on Debian the needed packages have other names, and none are in rpm's own database.
quietly "$top/build/rpm/log" rpmbuild -bb --nodeps --define "_topdir $top/build/rpm" --define "_sourcedir $top/build/rpm" \
	build/rpm/oomtrace.spec
mkdir -p dist
mv build/rpm/RPMS/noarch/oomtrace-"$version"-1*.noarch.rpm dist/
rpmlint --config packaging/rpmlint.toml build/rpm/oomtrace.spec dist/oomtrace-"$version"-1*.noarch.rpm
ls -s --block-size=K dist/oomtrace-"$version"-1*.noarch.rpm
