"""What dies with the victim and no kernel structure keeps: who its processes were, which container, what their memory.

``Reader.look`` reads /proc, the cgroup file system and the folders of container runtimes, all under a given root,
within a budget. It opens nothing that can hang; yet whoever calls it should do so in a thread of its own, as the kernel
makes a reader of /proc wait for a process that is changing its mappings.
"""

from .glance import Glances as Glances
from .look import Reader as Reader
from .meter import Budget as Budget
