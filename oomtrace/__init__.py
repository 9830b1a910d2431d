"""oomtrace: an eBPF-backed tracer of the Linux OOM killer."""

__version__ = "0.1.0"
