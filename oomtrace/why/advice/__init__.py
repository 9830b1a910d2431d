"""What to do next: a file a topic. Each rule follows from a finding and registers itself (``registry.advice``)."""
