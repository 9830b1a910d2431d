"""The causes: a file each, which registers itself (``registry.cause``)."""
