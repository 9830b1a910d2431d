"""One OOM as data, in groups: what the kernel prints (``report``), what only a trace knows (``trace``), where it is
from (``origin``), the code of processes (``code``), and what files told before all was gone (``witness``).

Names are the kernel's own, units are in the names (``_kb``, ``_pages``, ``_bytes``, ``_ns``). What the source did not
tell is ``None`` (or an empty tuple), never zero. Text that comes from the kernel (``comm``, paths) is ``str`` decoded
as UTF-8 with ``surrogateescape``, so that its bytes survive a round trip.
"""

from .code import Charge as Charge
from .code import Code as Code
from .code import CodeFrame as CodeFrame
from .code import CodeSample as CodeSample
from .code import CodeStack as CodeStack
from .code import Ending as Ending
from .code import Moment as Moment
from .code import NoStack as NoStack
from .code import ThreadStack as ThreadStack
from .event import OomEvent as OomEvent
from .history import ChildUsage as ChildUsage
from .history import Glance as Glance
from .history import UsageHistory as UsageHistory
from .history import UsageMoment as UsageMoment
from .killed import Killed as Killed
from .killed import MachineMemory as MachineMemory
from .killed import Pressure as Pressure
from .killed import Sender as Sender
from .killed import Sent as Sent
from .killed import Signalled as Signalled
from .memory import Allocation as Allocation
from .memory import Counters as Counters
from .memory import HugePages as HugePages
from .memory import Memcg as Memcg
from .memory import MemcgStats as MemcgStats
from .memory import MemInfo as MemInfo
from .memory import Node as Node
from .memory import PageCounter as PageCounter
from .memory import PerCpuLists as PerCpuLists
from .memory import PerCpuRow as PerCpuRow
from .memory import SlabCache as SlabCache
from .memory import Zone as Zone
from .origin import Line as Line
from .origin import Origin as Origin
from .origin import Part as Part
from .report import Exiting as Exiting
from .report import Frame as Frame
from .report import Kill as Kill
from .report import Machine as Machine
from .report import Reap as Reap
from .report import Registers as Registers
from .report import Report as Report
from .report import Sharing as Sharing
from .report import Stack as Stack
from .report import Summary as Summary
from .report import Task as Task
from .report import Trigger as Trigger
from .report import Verdict as Verdict
from .trace import Candidate as Candidate
from .trace import Failure as Failure
from .trace import Growth as Growth
from .trace import MemcgLevel as MemcgLevel
from .trace import Reclaim as Reclaim
from .trace import Release as Release
from .trace import Throttle as Throttle
from .trace import Trace as Trace
from .trace import Unprinted as Unprinted
from .trace import Wait as Wait
from .witness import Area as Area
from .witness import Aspect as Aspect
from .witness import CachedFile as CachedFile
from .witness import Container as Container
from .witness import Cut as Cut
from .witness import Holder as Holder
from .witness import Identity as Identity
from .witness import KernelItem as KernelItem
from .witness import KernelMemory as KernelMemory
from .witness import KernelUse as KernelUse
from .witness import Look as Look
from .witness import Mapped as Mapped
from .witness import Missed as Missed
from .witness import Occasion as Occasion
from .witness import PageCache as PageCache
from .witness import SharedFile as SharedFile
from .witness import SharedMemory as SharedMemory
from .witness import TaskMemory as TaskMemory
from .witness import Tmpfs as Tmpfs
from .witness import Witness as Witness
from .word import Word as Word
