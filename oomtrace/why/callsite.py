"""What the trigger was doing, from the functions of its call trace."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from oomtrace.model import Frame, OomEvent

from . import look
from .finding import Reason


class Site(Reason):
    """What was being done when memory was asked for."""

    LIMIT_LOWERED = "limit_lowered"  # a write to memory.max
    SYSRQ = "sysrq"
    HUGE_ANON_FAULT = "huge_anon_fault"
    COPY_ON_WRITE = "copy_on_write"
    SWAP_IN = "swap_in"
    ANON_FAULT = "anon_fault"
    ANON_FAULT_OF_SOME_KIND = "anon_fault_of_some_kind"  # a new page, copy on write or swap-in
    HUGETLB_FAULT = "hugetlb_fault"
    SHMEM_FAULT = "shmem_fault"
    SHMEM_WRITE = "shmem_write"
    SHMEM_FALLOCATE = "shmem_fallocate"
    FILE_FAULT = "file_fault"
    FILE_WRITE = "file_write"
    FILE_READ = "file_read"
    PIPE = "pipe"
    SOCKET = "socket"
    FORK = "fork"
    EXEC = "exec"
    EPOLL = "epoll"
    MESSAGE_QUEUE = "message_queue"
    BPF = "bpf"
    IO_URING = "io_uring"
    BALANCE = "balance"
    SHMEM_ALLOCATION = "shmem_allocation"
    PAGETABLES = "pagetables"
    USER_PAGES = "user_pages"
    DENTRY_OR_INODE = "dentry_or_inode"
    OPEN_FILE = "open_file"
    MEMORY_MAP = "memory_map"
    VMALLOC = "vmalloc"
    PERCPU = "percpu"
    METADATA = "metadata"
    SLAB = "slab"
    FAULT = "fault"
    KERNEL_THREAD = "kernel_thread"
    SYSTEM_CALL = "system_call"


@dataclass(frozen=True)
class CallSite:
    """What was being done, the function that tells, and the system call that it was within."""

    site: Site
    function: str
    system_call: Optional[str] = None


# What a function means. The first match from the innermost frame outwards counts; a later table counts only where the
# ones before match nothing: a pipe also needs an inode.
_PURPOSE: tuple[tuple[Site, str], ...] = (
    (Site.LIMIT_LOWERED, "memory_max_write mem_cgroup_resize_max mem_cgroup_resize_limit"),
    (Site.SYSRQ, "moom_callback sysrq_handle_moom"),
    (Site.HUGE_ANON_FAULT, "do_huge_pmd_anonymous_page vma_alloc_anon_folio_pmd"),
    (Site.COPY_ON_WRITE, "do_wp_page wp_page_copy do_cow_fault do_cow_page do_huge_pmd_wp_page"),
    (Site.SWAP_IN, "do_swap_page"),
    (Site.ANON_FAULT, "do_anonymous_page alloc_anon_folio"),
    (Site.HUGETLB_FAULT, "hugetlb_fault hugetlb_no_page"),
    (Site.SHMEM_FAULT, "shmem_fault"),
    (Site.SHMEM_WRITE, "shmem_write_begin shmem_file_write_iter"),
    (Site.SHMEM_FALLOCATE, "shmem_fallocate"),
    (Site.FILE_FAULT, "filemap_fault ext4_filemap_fault xfs_filemap_fault do_read_fault"),
    (Site.FILE_WRITE, "generic_perform_write grab_cache_page_write_begin iomap_write_begin "
     "iomap_file_buffered_write ext4_write_begin ext4_da_write_begin btrfs_buffered_write block_write_begin "
     "nfs_write_begin cifs_write_begin generic_file_buffered_write"),
    (Site.FILE_READ, "filemap_read generic_file_read_iter generic_file_buffered_read "
     "do_generic_file_read "
     "page_cache_ra_unbounded page_cache_sync_ra page_cache_async_ra page_cache_ra_order __do_page_cache_readahead "
     "ondemand_readahead force_page_cache_readahead read_pages mpage_readpages mpage_readahead"),
    (Site.PIPE, "alloc_pipe_info create_pipe_files pipe_write pipe_resize_ring anon_pipe_write"),
    (Site.SOCKET, "sock_alloc_send_pskb sk_stream_alloc_skb tcp_stream_alloc_skb tcp_sendmsg_locked tcp_sendmsg "
     "unix_stream_sendmsg unix_dgram_sendmsg sk_alloc sock_alloc sock_alloc_inode sk_page_frag_refill "
     "skb_page_frag_refill __sk_mem_raise_allocated mem_cgroup_charge_skmem mem_cgroup_sk_charge netlink_sendmsg "
     "udp_sendmsg __netdev_alloc_skb napi_alloc_skb netlink_alloc_large_skb"),
    (Site.FORK, "copy_process _do_fork do_fork kernel_clone dup_mm dup_mmap copy_page_range dup_task_struct"),
    (Site.EXEC, "bprm_execve do_execveat_common load_elf_binary setup_arg_pages copy_strings copy_string_kernel "
     "begin_new_exec __do_execve_file"),
    (Site.EPOLL, "ep_insert do_epoll_ctl do_inotify_init inotify_update_watch"),
    (Site.MESSAGE_QUEUE, "do_msgsnd load_msg alloc_msg"),
    (Site.BPF, "map_create htab_map_alloc bpf_prog_load"),
    (Site.IO_URING, "io_uring_setup io_uring_create io_sqe_buffers_register"),
    (Site.BALANCE, "balance_pgdat kcompactd khugepaged ksm_scan_thread"),
)
_MEANS: tuple[tuple[Site, str], ...] = (
    (Site.SHMEM_ALLOCATION, "shmem_get_folio shmem_get_folio_gfp shmem_getpage shmem_getpage_gfp "
     "shmem_read_mapping_page_gfp shmem_read_folio_gfp shmem_alloc_and_acct_page shmem_alloc_page"),
    (Site.PAGETABLES, "pte_alloc_one __pte_alloc __pmd_alloc __pud_alloc __p4d_alloc __pte_alloc_kernel"),
    (Site.USER_PAGES, "populate_vma_page_range __mm_populate "
     "faultin_page __get_user_pages pin_user_pages"),
    (Site.DENTRY_OR_INODE, "d_alloc d_alloc_parallel d_alloc_name __d_alloc alloc_inode new_inode "
     "new_inode_pseudo iget_locked iget5_locked"),
    (Site.OPEN_FILE, "alloc_empty_file alloc_file __alloc_file get_empty_filp"),
    (Site.MEMORY_MAP, "mmap_region __mmap_region vm_area_alloc do_brk_flags __split_vma"),
    (Site.VMALLOC, "__vmalloc_node_range vmalloc __vmalloc_area_node kvmalloc_node __kvmalloc_node"),
    (Site.PERCPU, "pcpu_alloc"),
    (Site.METADATA, "xfs_buf_get_map xfs_buf_read_map __getblk_gfp __getblk_slow bdev_getblk "
     "grow_dev_page alloc_extent_buffer"),
)
_GENERAL: tuple[tuple[Site, str], ...] = (
    (Site.SLAB, "kmem_cache_alloc kmem_cache_alloc_node __kmalloc __kmalloc_node kmalloc_order "
     "kmem_cache_alloc_trace kmem_cache_alloc_lru __kmem_cache_alloc_node new_slab allocate_slab cache_alloc_refill"),
    (Site.FAULT, "handle_mm_fault __handle_mm_fault pagefault_out_of_memory mm_fault_error do_user_addr_fault "
     "__do_page_fault do_page_fault exc_page_fault page_fault async_page_fault asm_exc_page_fault"),
    (Site.KERNEL_THREAD, "kthread kernel_init"),
)


def _table(rows: tuple[tuple[Site, str], ...]) -> dict[str, Site]:
    return {function: what for what, functions in rows for function in functions.split()}


_TABLES: tuple[dict[str, Site], ...] = (_table(_PURPOSE), _table(_MEANS), _table(_GENERAL))


def functions(event: OomEvent) -> list[str]:
    """The call chain, innermost first, without what the compiler or the allocation profiler appends to names."""
    entries = event.report.stack.entries if event.report.stack is not None else ()
    frames = [entry for entry in entries if isinstance(entry, Frame) and entry.symbol is not None]
    sure = [frame for frame in frames if frame.reliable]
    return _plain(sure)


def _plain(frames: list[Frame]) -> list[str]:
    appended = r"(\.(isra|part|constprop|cold|llvm)(\.\d+)*)+$|_noprof$"
    return [re.sub(appended, "", frame.symbol or "") for frame in frames]


# do_anonymous_page(), wp_page_copy(), do_cow_fault() and do_swap_page() are often inlined into their caller; faults on
# files allocate and charge in functions of their own. So what the caller calls directly tells.
_FAULT_CALLS = frozenset(
    "mem_cgroup_charge __mem_cgroup_charge mem_cgroup_try_charge mem_cgroup_try_charge_delay mem_cgroup_newpage_charge "
    "mem_cgroup_charge_anon mem_cgroup_swapin_charge_page mem_cgroup_swapin_charge_folio "
    "alloc_pages_vma alloc_page_vma vma_alloc_folio folio_prealloc".split()
)
_FAULT_HANDLERS = frozenset("handle_mm_fault __handle_mm_fault handle_pte_fault do_pte_missing".split())
_SYSCALL = re.compile(r"(?:__(?:x64|ia32|arm64|s390x|riscv)_|__se_|__do_)?(?:sys|SyS|ksys)_(\w+)")
_WITHIN = (Site.ANON_FAULT, Site.ANON_FAULT_OF_SOME_KIND, Site.HUGE_ANON_FAULT)  # mlock(2) and read(2) fault pages in


@look.once
def call_site(event: OomEvent) -> Optional[CallSite]:
    """What was being done, None if no function of the trace is known. Only page faults wait where OOM killing is
    disabled (3812c8c8f395)."""
    if event.trace.wait is not None:
        return CallSite(Site.FAULT, "mem_cgroup_oom_synchronize")
    chain = functions(event)
    call = _system_call(chain)
    for called, caller in zip(chain, chain[1:]):
        if caller in _FAULT_HANDLERS and called in _FAULT_CALLS:
            # A zeroed page is a new one: a copy, or what comes from swap, is written over.
            zeroed = "__GFP_ZERO" in (event.report.trigger.gfp_flags or "")
            return CallSite(Site.ANON_FAULT if zeroed else Site.ANON_FAULT_OF_SOME_KIND, caller, call)
    if _zeroed_fault(event, chain):
        return CallSite(Site.ANON_FAULT, next(name for name in chain if name in _FAULT_HANDLERS), call)
    for table in _TABLES:
        for function in chain:
            if function in table:
                within = table is _TABLES[-1] or table[function] in _WITHIN
                return CallSite(table[function], function, call if within else None)
    if not chain and _faulted(event):
        return CallSite(Site.FAULT, "page_fault")
    if event.report.trigger.order == -1:  # the trace is cut: is_sysrq_oom (mm/oom_kill.c)
        return CallSite(Site.SYSRQ, "is_sysrq_oom")
    return CallSite(Site.SYSTEM_CALL, chain[-1], call) if call is not None else None


def _zeroed_fault(event: OomEvent, chain: list[str]) -> bool:
    """A movable, zeroed page within a fault is a new anonymous one, whatever faulted: what is read into the page cache
    is not zeroed. A fault on tmpfs is zeroed too, and known by its own functions."""
    flags = event.report.trigger.gfp_flags or ""
    if "__GFP_ZERO" not in flags or "HIGHUSER_MOVABLE" not in flags or _FAULT_HANDLERS.isdisjoint(chain):
        return False
    return not any(name.startswith(("shmem_", "hugetlb_", "do_huge_pmd", "do_anonymous_page")) for name in chain)


def _faulted(event: OomEvent) -> bool:
    """Kernels up to 2.6.32 built without frame pointers doubt each frame. The first one pushed, at the end, is sure."""
    entries = event.report.stack.entries if event.report.stack is not None else ()
    frames = [entry for entry in entries if isinstance(entry, Frame) and entry.symbol is not None]
    return _plain(frames)[-2:] == ["do_page_fault", "page_fault"]


def _system_call(chain: list[str]) -> Optional[str]:
    found = [match[1] for match in map(_SYSCALL.fullmatch, chain) if match]
    return found[-1] if found else None
