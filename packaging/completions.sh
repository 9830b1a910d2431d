#!/bin/sh
# completions.sh FOLDER: what bash, zsh and fish need to complete oomtrace's commands and options, as the click that is
# installed here makes it (8 or newer). Run at the top of the sources.
set -e
mkdir -p "$1"
make() {
	_OOMTRACE_COMPLETE=$1 python3 -m oomtrace >"$2"
	grep -q _OOMTRACE_COMPLETE "$2"
}
make bash_source "$1/oomtrace"
make zsh_source "$1/_oomtrace"
make fish_source "$1/oomtrace.fish"
