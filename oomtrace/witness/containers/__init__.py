"""Which container a memcg is, from the container runtimes' own state on disk.

A module a runtime: it finds the state by the container's id, which is in the path of the memcg, and by what the
container's monitor says in its command line. ``Containers`` asks them, and remembers what they said.
"""

from .finder import Containers as Containers
