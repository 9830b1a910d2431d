"""Stacks of processes → frames with names.

How a trace uses it::

    files = code.Files()                      # keeps files of processes open, so that they can be read after the death
    process = code.look(tgid, files, before)  # while the process lives: when its memcg nears the limit, or at the OOM
    ...
    raw = RawCode(samples=…, asker=…, victim=…, processes=(process, …))
    found = code.resolve_apart(raw, files)    # model.Code; resolve does the same in this process
    files.close()

``look`` and ``resolve`` raise nothing for a process that has gone or a file that is damaged: less is then known.
"""

from . import python as python
from .apart import resolve_apart as resolve_apart
from .files import Files as Files
from .files import Reach as Reach
from .look import look as look
from .raw import MappedFile as MappedFile
from .raw import Process as Process
from .raw import PythonCode as PythonCode
from .raw import RawCode as RawCode
from .raw import RawSample as RawSample
from .raw import RawStack as RawStack
from .resolve import resolve as resolve
