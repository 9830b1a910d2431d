"""The BPF programs: compiled now, or kept from an earlier start."""
