# What the scripts that make packages share. They run at the top of the sources.

top=$PWD
version=$(python3 packaging/release.py version)

# install_packages NAMES: Debian's, as root or with sudo; in one sentence what is missing if that is not to be had.
install_packages() {
	root=
	[ "$(id -u)" = 0 ] || root=sudo
	if ! command -v apt-get >/dev/null || { [ -n "$root" ] && ! command -v sudo >/dev/null; }; then
		echo "$0: Debian packages are missing: $(echo $1)" >&2
		exit 1
	fi
	echo "installing $(echo $1)"
	# The lists may be old, or none.
	$root env DEBIAN_FRONTEND=noninteractive sh -c '
		install="apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 install"
		$install "$@" || { apt-get -q update && $install "$@"; }' sh $1 >&2
}

# need COMMAND PACKAGE: the command, or the package that has it is installed.
need() {
	command -v "$1" >/dev/null || install_packages "$2"
}

# copy_sources FOLDER: what git has or would take, in FOLDER/oomtrace-VERSION; all that is here where there is no git.
copy_sources() {
	rm -rf "$1"
	mkdir -p "$1/oomtrace-$version"
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files -z --cached --others --exclude-standard
	else
		find . -type f ! -path './build/*' ! -path './dist/*' ! -path './.venv/*' -print0
	fi | tar --null --files-from=- --ignore-failed-read -cf - 2>/dev/null | tar -xf - -C "$1/oomtrace-$version"
}

# quietly LOG COMMAND…: what it says is kept in LOG, and shown if it fails.
quietly() {
	log=$1
	shift
	if ! "$@" >"$log" 2>&1; then
		tail -n 50 "$log" >&2
		echo "$0: failed: $* (all of it: $log)" >&2
		exit 1
	fi
}
