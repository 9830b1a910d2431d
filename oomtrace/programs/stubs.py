"""A kernel source tree of a few stubs, so that bcc compiles without the kernel's headers.

bcc's own helpers include some kernel headers. What they need of them is little, and the programs take the rest from
the generated kernel_types.h; so the tree is mostly empty files, and compiling is about nine times faster than with
real headers.
"""

from __future__ import annotations

from pathlib import Path

_EMPTY = (
    "linux/types.h",
    "linux/bpf_common.h",
    "linux/version.h",
    "linux/log2.h",
    "linux/ptrace.h",
    "asm/page.h",
    "uapi/linux/bpf.h",
    "uapi/linux/if_ether.h",
    "uapi/linux/if_packet.h",
    "uapi/linux/ptrace.h",
)

# kconfig.h is the one that bcc forces into every compilation.
KCONFIG = """\
#ifndef OOMTRACE_KCONFIG_H
#define OOMTRACE_KCONFIG_H
#define CONFIG_BPF_SYSCALL 1
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 4, 0) /* bcc asks whether it is at least 4.8 */
#define NULL ((void *)0)
#define offsetof(type, member) __builtin_offsetof(type, member)
#define __always_inline inline __attribute__((always_inline))
#define __printf(a, b) __attribute__((format(printf, a, b)))
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s8 __s8;
typedef s16 __s16;
typedef s32 __s32;
typedef s64 __s64;
typedef u64 __aligned_u64 __attribute__((aligned(8)));
typedef u16 __be16;
typedef u32 __be32;
typedef u64 __be64;
typedef u16 __le16;
typedef u32 __le32;
typedef u64 __le64;
typedef u16 __sum16;
typedef u32 __wsum;
typedef _Bool bool;
typedef unsigned long size_t;
typedef unsigned long uintptr_t;
typedef int pid_t;
struct pt_regs; /* it differs between architectures: REGISTER in bpf/common.h */
#endif
"""


def write(root: Path) -> None:
    """Lay the tree under ``root``, to be named by BCC_KERNEL_SOURCE."""
    include = root / "include"
    for name in _EMPTY:
        path = include / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (include / "linux/kconfig.h").write_text(KCONFIG)
