"""A live trace: from probes to a stream of events."""
