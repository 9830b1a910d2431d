# make demo   a real OOM in a test VM, traced
# make test   the tests, with their own set-up (make test-long: those that take many minutes)
# make check  before a commit: lint, types, unit tests
# make shell  a prompt in a test VM that has this checkout
# make dist   dist/oomtrace.pyz, one file that runs on any server; make deb, make rpm: packages
# (more: README)
.PHONY: demo shell test check test-long lint unit vm-test staying-alive programs fixtures readme man browser pictures bench
.PHONY: fidelity dist deb rpm clean

KERNEL ?= 6.1
# amd64 or arm64; that of this machine if it is left out
ARCH ?=
PYTHON ?= python3
BCC_PYTHON ?= /usr/bin/python3
VENV := .venv
COLOR := $(shell test -t 1 && test -z "$$NO_COLOR" && echo always || echo never)

demo:
	@$(PYTHON) -m vm run --kernel $(KERNEL) $(if $(ARCH),--arch $(ARCH)) --timeout 240 -- sh vm/demo.sh $(COLOR)

shell:
	@$(PYTHON) -m vm run --kernel $(KERNEL) $(if $(ARCH),--arch $(ARCH)) --shell

test: lint unit vm-test

check: lint unit

lint: $(VENV)/ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy oomtrace vm packaging/*.py

# Three at a time: some wait for other programs. Long files begin first, so that no core is idle at the end. A test that
# hangs says where, and does not take an hour.
unit: $(VENV)/ready browser
	$(VENV)/bin/pytest -m "not vm and not long" -n 3 --dist loadfile --no-loadscope-reorder \
		-o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true

# Chromium and its driver, for the tests of pages, where they can be had; npm, which has the accessibility checker.
browser:
	@which chromium chromedriver npm >/dev/null || apt-get install -y -q --no-install-recommends \
	  chromium chromium-driver npm fonts-dejavu-core || echo "no browser: the tests of pages in one are skipped"

# Pictures of a page of each kind, in pictures/: to be looked at.
pictures: $(VENV)/ready browser
	$(VENV)/bin/python -m tests.page.pictures

# Two VMs at a time: one alone seldom has work for two cores. The images first, one after the other: that installs what
# they need. What fails has a second try: an emulated machine stands still now and then, for longer than any real one.
# What failed at first stays in the output, and ought to be looked into all the same. What is broken fails twice.
VM_TESTS := $(VENV)/bin/pytest -m "vm and not long" -n 2 --dist loadgroup --no-loadscope-reorder
vm-test: $(VENV)/ready
	$(PYTHON) -m vm build 5.10 6.1 6.12 7.3 6.12-arm64
	$(VM_TESTS) || { [ $$? = 1 ] && echo "vm-test: a second try for what failed" && \
		$(VM_TESTS) --last-failed --last-failed-no-failures none -x; }

# The reader of logs also gets inputs of chance there, which no other run has had.
test-long: $(VENV)/ready
	OOMTRACE_FUZZ_SECONDS=120 $(VENV)/bin/pytest -m "not long" tests/text/test_text_fuzz.py
	OOMTRACE_FUZZ_SECONDS=120 $(VENV)/bin/pytest -m "long"

# oomtrace amid trouble, in full on every kernel (a shortened form is in vm-test).
staying-alive: $(VENV)/ready
	$(VENV)/bin/pytest -m "vm and long" -v tests/live/test_staying_alive.py

# The BPF programs that oomtrace comes with, from bpf/: to be committed with it. As root, with a Python that has bcc
# (Debian: python3-bpfcc); the same sources and the same bcc make the same bytes.
programs:
	$(BCC_PYTHON) -m oomtrace.programs.build

# Captures of one OOM on every kernel, with the kernel's own log beside each.
fixtures: $(VENV)/ready
	$(VENV)/bin/python -m tests.fixtures.record

# What README.md and docs/ show of our own making: output, tables.
readme: $(VENV)/ready
	$(VENV)/bin/python -m tests.made

# The manual page, from the same source as --help; a test compares.
man: $(VENV)/ready
	$(VENV)/bin/python -m oomtrace.cli.manual >man/oomtrace.1

bench:
	$(PYTHON) -m vm.bench

fidelity:
	$(PYTHON) -m vm fidelity

# One file to copy to a server; the same sources give the same bytes.
dist: $(VENV)/ready
	$(VENV)/bin/python packaging/pyz.py dist/oomtrace.pyz

deb:
	sh packaging/deb.sh

rpm:
	sh packaging/rpm.sh

$(VENV)/ready: setup.cfg
	$(PYTHON) -c "import venv, ensurepip" 2>/dev/null || apt-get install -y -q python3-venv
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --disable-pip-version-check -e ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
