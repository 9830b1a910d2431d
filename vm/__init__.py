"""Test virtual machines: build Debian images of several kernels, boot them, run one command inside.

Run as ``python3 -m vm``. Standard library only; QEMU and mmdebstrap are the only programs it needs beyond
what Debian always has, and it installs those itself. Tests use :mod:`vm.boot`.
"""
