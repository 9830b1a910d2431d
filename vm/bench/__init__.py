"""`make bench`: what oomtrace costs, beside its peers. Writes BENCHMARKS.md."""
