"""Reproductions: an OOM described in YAML, made on this machine, and cleaned up after.

``parse`` reads the description into ``spec``; ``stage`` makes it happen: cgroups, sysctls and processes that run the
``workloads``; ``journal`` undoes it all, whatever ends the run; ``judge`` compares what came with what was expected.
"""
