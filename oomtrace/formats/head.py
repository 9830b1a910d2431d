"""The first lines of a report, dump_stack() and the call trace."""

from __future__ import annotations

from .rows import PART, Into, PrintStep, gone, kind, line, once

# mm/oom_kill.c, dump_header(). The gfp mask is a group because people cut it out of what they paste.
_INVOKED = ("trigger.comm", "trigger.gfp_mask")
_ORDER = ("trigger.order", "trigger.oom_score_adj")
_GFP = "gfp_mask=%#x(%pGg), "

SYSRQ = kind(
    "sysrq", "header", 6,
    # drivers/tty/sysrq.c, __handle_sysrq(): the prefix became pr_fmt's.
    line("2.6.32", "SysRq : Manual OOM execution", sets={"sysrq": True}),
    line("4.4", "sysrq: SysRq : Manual OOM execution", sets={"sysrq": True}),
    line("5.1", "sysrq: Manual OOM execution", sets={"sysrq": True}),
    opens=True,
)
SUPPRESSED = kind(
    "suppressed", "header", 4,
    # lib/ratelimit.c, ___ratelimit(): printed when the window reopens, directly before the next report.
    line("2.6.32", "oom_kill_process: %d callbacks suppressed", "callbacks_suppressed"),
    opens=True,
)
INVOKED = kind(
    "invoked", "header", 4,
    line("2.6.32", "%s invoked oom-killer: {gfp_mask=0x%x, }order=%d, oom_adj=%d",
         "trigger.comm:comm_first", "trigger.gfp_mask", "trigger.order", "trigger.oom_adj"),
    # a63d83f427fb "oom: badness heuristic rewrite"; RHEL 6 has it.
    line("2.6.36", "%s invoked oom-killer: {gfp_mask=0x%x, }order=%d, oom_adj=%d, oom_score_adj=%d",
         "trigger.comm:comm_first", "trigger.gfp_mask", "trigger.order", "trigger.oom_adj", "trigger.oom_score_adj"),
    line("2.6.32", "%s invoked oom-killer: {gfp_mask=0x%x, }order=%d, oom_adj=%d, oom_score_adj=%d",
         "trigger.comm:comm_first", "trigger.gfp_mask", "trigger.order", "trigger.oom_adj", "trigger.oom_score_adj",
         flavour="el6"),
    line("3.10", "%s invoked oom-killer: {gfp_mask=0x%x, }order=%d, oom_score_adj=%hd",
         "trigger.comm:comm_first", "trigger.gfp_mask", *_ORDER),
    # a0795cd416d1 "mm, oom: print symbolic gfp_flags in oom warning"
    line("4.6", "%s invoked oom-killer: {" + _GFP + "}order=%d, oom_score_adj=%hd",
         "trigger.comm:comm_first", "trigger.gfp_mask", "trigger.gfp_flags", *_ORDER),
    # 82e7d3abec86 "oom: print nodemask in the oom report"
    line("4.9", "%s invoked oom-killer: {" + _GFP + "}{nodemask=%*pbl, }order=%d, oom_score_adj=%hd",
         "trigger.comm:comm_first", "trigger.gfp_mask", "trigger.gfp_flags", "trigger.nodemask", *_ORDER),
    # Three printks until 4.14, the last of which begins with a comma and two blanks.
    line("4.12", "%s invoked oom-killer: {" + _GFP + "}{nodemask=%*pbl,  }order=%d, oom_score_adj=%hd",
         "trigger.comm:comm_first", "trigger.gfp_mask", "trigger.gfp_flags", "trigger.nodemask", *_ORDER),
    line("4.15", "%s invoked oom-killer: {" + _GFP + "}{nodemask=%*pbl, }order=%d, oom_score_adj=%hd",
         "trigger.comm:comm_first", "trigger.gfp_mask", "trigger.gfp_flags", "trigger.nodemask", *_ORDER),
    # ef8444ea01d7 "mm, oom: reorganize the oom report in dump_header"; RHEL 8.3 has it too.
    line("5.0", "%s invoked oom-killer: {" + _GFP + "}order=%d, oom_score_adj=%hd",
         "trigger.comm:comm_first", "trigger.gfp_mask", "trigger.gfp_flags", *_ORDER),
    line("4.18.240", "%s invoked oom-killer: {" + _GFP + "}order=%d, oom_score_adj=%hd",
         "trigger.comm:comm_first", "trigger.gfp_mask", "trigger.gfp_flags", *_ORDER, flavour="el8"),
    opens=True, telling=True, missing="first line",
)
COMPACTION = kind(
    "compaction", "header", 4,
    line("4.9", "COMPACTION is disabled!!!", sets={"compaction_disabled": True}),
)
CPUSET = kind(
    "cpuset", "header", 6,
    line("2.6.32", "%s cpuset=%s mems_allowed=%*pbl",
         "trigger.comm:comm_first", "trigger.cpuset", "trigger.mems_allowed"),
    gone("5.0"),
    gone("4.18.240", flavour="el8"),
)

# lib/dump_stack.c, dump_stack_print_info()
_TASK = ("trigger.cpu", "trigger.pid", "trigger.comm:comm_short")
_UTS = ("machine.taint:taint", "machine.release:release", "machine.version:version")
CPU = kind(
    "cpu", "stack", 4,
    line("2.6.32", "Pid: %d, comm: %.20s %s %s %.*s", *_TASK[1:], *_UTS),
    line("3.10", "CPU: %d PID: %d Comm: %.20s %s %s %.*s", *_TASK, *_UTS),
    line("4.17", "CPU: %d PID: %d Comm: %.20s %s%s %s %.*s{ %20phN}", *_TASK, "machine.kdump_loaded:kdump", *_UTS,
         "machine.build_id:build_id"),
    line("3.10.862", "CPU: %d PID: %d Comm: %.20s %s%s %s %.*s", *_TASK, "machine.kdump_loaded:kdump", *_UTS,
         flavour="el7"),
    # Virtuozzo and CloudLinux: the container ("0": the host) behind the name, the package's count at the end.
    line("3.10", "CPU: %d PID: %d Comm: %.20s ve: %s %s%s %s %.*s{ %s}", *_TASK, "trigger.ve:word",
         "machine.kdump_loaded:kdump", *_UTS, "machine.package:vz_package", flavour="vz"),
    # Distributions put their package's name and version behind the version token: SUSE always, Debian with one blank
    # up to 5.10 and with two from 6.1 on (debian/patches/debian/version.patch).
    line("3.10", "CPU: %d PID: %d Comm: %.20s %s %s %.*s %s", *_TASK, *_UTS, "machine.package:package",
         flavour="suse"),
    line("4.17", "CPU: %d PID: %d Comm: %.20s %s%s %s %.*s %s", *_TASK, "machine.kdump_loaded:kdump", *_UTS,
         "machine.package:package", flavour="suse"),
    line("6.12", "CPU: %d UID: %u PID: %d Comm: %.20s %s%s %s %.*s %s", _TASK[0], "trigger.uid", *_TASK[1:],
         "machine.kdump_loaded:kdump", *_UTS, "machine.package:package", flavour="suse"),
    line("4.19", "CPU: %d PID: %d Comm: %.20s %s%s %s %.*s{ %s}", *_TASK, "machine.kdump_loaded:kdump", *_UTS,
         "machine.package:package", flavour="debian"),
    line("6.1", "CPU: %d PID: %d Comm: %.20s %s%s %s %.*s{ %s}", *_TASK, "machine.kdump_loaded:kdump", *_UTS,
         "machine.package:debian_package", flavour="debian"),
    line("6.12", "CPU: %d UID: %u PID: %d Comm: %.20s %s%s %s %.*s{ %20phN}", _TASK[0], "trigger.uid", *_TASK[1:],
         "machine.kdump_loaded:kdump", *_UTS, "machine.build_id:build_id"),
    line("6.12", "CPU: %d UID: %u PID: %d Comm: %.20s %s%s %s %.*s{ %s}", _TASK[0], "trigger.uid", *_TASK[1:],
         "machine.kdump_loaded:kdump", *_UTS, "machine.package:debian_package", flavour="debian"),
    # The blank before the build id is printed without one too.
    line("6.15", "CPU: %d UID: %u PID: %d Comm: %.20s %s%s %s %.*s{ %s} { %20phN}", _TASK[0], "trigger.uid",
         *_TASK[1:], "machine.kdump_loaded:kdump", *_UTS, "machine.preempt:preempt", "machine.build_id:build_id"),
    line("6.15", "CPU: %d UID: %u PID: %d Comm: %.20s %s%s %s %.*s{ %s}{ %s} ", _TASK[0], "trigger.uid",
         *_TASK[1:], "machine.kdump_loaded:kdump", *_UTS, "machine.preempt:preempt", "machine.package:debian_package",
         flavour="debian"),
    missing="CPU line",
)
TAINTS = kind(
    "taints", "stack", 4,
    line("6.12", "Tainted: %s", "machine.taint_flags:taint_flags"),
)
HARDWARE = kind(
    "hardware", "stack", 4,
    line("3.10", "Hardware name: %s", "machine.hardware"),
    open_ended=True,
)
WORKQUEUE = kind(
    "workqueue", "stack", 4,
    line("3.10", "Workqueue: %s", "trigger.workqueue"),
    open_ended=True,
)

SCHED_EXT = kind(
    "sched_ext", "stack", 4,
    line("6.12", "Sched_ext: %s", "trigger.sched_ext"),
    open_ended=True,
)

# arch/x86/kernel/dumpstack.c
RAW_WORDS = kind(
    "raw_words", "stack", 4,
    line("3.10", "%s", ".:raw_words"),
    gone("4.10"),
    gone("3.10.693", flavour="el7"),
    scope="stack.raw_words", follows=("cpu", "taints", "hardware", "workqueue", "stack_words", "raw_words"), loose=True,
)
# arch/mips/kernel/traps.c and arch/loongarch/kernel/traps.c, show_stacktrace()
STACK_WORDS = kind(
    "stack_words", "stack", 4,
    line("2.6.32", "%s", ".:stack_words", archs=["mips", "loongarch"]),
    scope="stack.raw_words",
)
CALL_TRACE = kind(
    "call_trace", "stack", 4,
    line("2.6.32", "Call Trace:", sets={"stack": PART}),
    line("3.10", "Call trace:", sets={"stack": PART}, archs=["arm64"]),
    # arch/arm/kernel/traps.c, dump_backtrace(), with frame pointers; "Call trace: " is in logs of 6.12, not of 6.8
    line("2.6.32", "Backtrace: ", sets={"stack": PART}, archs=["arm"]),
    line("6.12", "Call trace: ", sets={"stack": PART}, archs=["arm"]),
    missing="call trace",
)
FRAME = kind(
    "frame", "stack", 4,
    line("2.6.32", " {[<%p>] }%s%pB", "address", "reliable:unreliable", "symbol:symbol", "offset", "size",
         "module:module"),
    line("4.10", " %s%pB", "reliable:unreliable", "symbol:symbol", "offset", "size", "module:module"),
    # %pBb: a module's build id, with CONFIG_STACKTRACE_BUILD_ID
    line("5.14", " %s%pBb", "reliable:unreliable", "symbol:symbol", "offset", "size", "module:module",
         "build_id:build_id"),
    line("3.10", " {[<%p>] }%s%pB", "address", "reliable:unreliable", "symbol:symbol", "offset", "size",
         "module:module", flavour="el7"),
    line("2.6.32", " [<%08lx>] %s%pB", "address", "reliable:unreliable", "symbol:symbol", "offset", "size",
         "module:module", archs=["i386"]),
    # arch/arm64/kernel/stacktrace.c, dump_backtrace_entry(): a blank since 4.15; since 6.13 where the address is from
    line("4.15", " %pB", "symbol:symbol", "offset", "size", "module:module", archs=["arm64"]),
    line("5.14", " %pBb", "symbol:symbol", "offset", "size", "module:module", "build_id:build_id", archs=["arm64"]),
    line("6.13", " %pBb{ (%s)}", "symbol:symbol", "offset", "size", "module:module", "build_id:build_id",
         "source:source", archs=["arm64"]),
    # include/linux/kallsyms.h, print_ip_sym(): no leading blank
    line("2.6.32", "[<%p>] %pS", "address", "symbol:symbol", "offset", "size", "module:module",
         archs=["mips", "loongarch", "riscv", "arm64"]),
    line("2.6.32", "[<%08lx>] %pS", "address", "symbol:symbol", "offset", "size", "module:module",
         archs=["mips", "riscv"]),
    # arch/powerpc/kernel/process.c, show_stack()
    line("2.6.32", "[%p] [%p] %pS%s", "stack_pointer", "address", "symbol:symbol", "offset", "size", "module:module",
         "reliable:unreliable_ppc", archs=["powerpc"]),
    # arch/s390/kernel/dumpstack.c, show_address(); show_stack() from 5.2 on
    line("2.6.32", "%s[<%p>] %pS%s", "reliable:open_s390", "address", "symbol:symbol", "offset", "size",
         "module:module", "reliable:close_s390", archs=["s390"]),
    # arch/arm/kernel/traps.c, dump_backtrace_entry(); the caller in full up to 3.12
    line("2.6.32", "[<%08lx>] (%pS) from [<%08lx>] (%pS)", "called_address", "called:symbol", "called_offset",
         "called_size", "called_module:module", "address", "symbol:symbol", "offset", "size", "module:module",
         archs=["arm"]),
    line("3.13", "[<%08lx>] (%ps) from [<%08lx>] (%pS)", "called_address", "called:symbol", "address",
         "symbol:symbol", "offset", "size", "module:module", archs=["arm"]),
    line("5.17", " %ps from %pS", "called:symbol", "symbol:symbol", "offset", "size", "module:module",
         archs=["arm"]),
    scope="stack.flow", key=(), missing="call trace",
)
FRAME_UNNAMED = kind(
    "frame_unnamed", "stack", 4,
    line("2.6.32", " [<%p>] %s0x%lx", "address", "reliable:unreliable", "address"),
    line("4.10", " %s0x%lx", "reliable:unreliable", "address"),
    # %pS without CONFIG_KALLSYMS (lib/vsprintf.c, special_hex_number)
    # Up to 4.8 the first of MIPS comes on the line of "Call Trace:" (arch/mips/kernel/traps.c, show_raw_backtrace).
    line("2.6.32", "Call Trace:[<%08lx>] 0x%08lx", "address", "address", archs=["mips"]),
    line("2.6.32", "[<%08lx>] 0x%08lx", "address", "address", archs=["mips", "riscv"]),
    line("4.15", "[<%p>] 0x%016lx", "address", "address", archs=["mips", "riscv", "loongarch"]),
    # arch/arm/kernel/traps.c, dump_backtrace_entry()
    line("2.6.32", "Function entered at [<%08lx>] from [<%08lx>]", "called_address", "address", archs=["arm"]),
    line("2.6.32", "[%p] [%p] 0x%lx%s", "stack_pointer", "address", "address", "reliable:unreliable_ppc",
         archs=["powerpc"]),
    scope="stack.flow",
)
MARKER = kind(
    "marker", "stack", 4,
    line("4.10", " %s", ".:marker"),
    # arch/arm/kernel/traps.c and, up to 4.14, arch/arm64/kernel/traps.c, dump_mem(); arch/arm/lib/backtrace.S, the
    # registers that a function saved
    line("2.6.32", "%s", ".:arm_words", archs=["arm", "arm64"]),
    # arch/powerpc/kernel/process.c, show_stack() and __show_regs(): where user space was
    line("2.6.32", "%s", ".:ppc_words", archs=["powerpc"]),
    scope="stack.flow",
)

# arch/x86/kernel/process_64.c, __show_regs(); arch/x86/kernel/dumpstack.c, show_ip() and show_opcodes()
RIP = kind(
    "rip", "stack", 4,
    line("4.10", "RIP: %04x:0x%lx", "cs", "ip"),
    scope="stack.flow", into=Into.BLOCK_BEGIN,
)
RIP_KERNEL = kind(
    "rip_kernel", "stack", 4,
    line("4.10", "RIP: %04x:%s", "cs", "ip_symbol:location"),
    scope="stack.flow", into=Into.BLOCK_BEGIN,
)
CODE = kind(
    "code", "stack", 4,
    line("4.18", "Code: %s", "code:code"),
    scope="stack.flow", into=Into.BLOCK, follows=("rip",),
)
RSP = kind(
    "rsp", "stack", 4,
    line("4.10", "RSP: %04x:%016lx EFLAGS: %08lx{ ORIG_RAX: %016lx}", "ss", "sp", "flags", "orig_ax"),
    scope="stack.flow", into=Into.BLOCK, follows=("code",),
)
# The widths of the values, and the names with the kind of line before each.
_REGISTERS = (
    ("%016lx", "rsp", "RAX", "RBX", "RCX"), ("%016lx", "general_rax", "RDX", "RSI", "RDI"),
    ("%016lx", "general_rdx", "RBP", "R08", "R09"), ("%016lx", "general_rbp", "R10", "R11", "R12"),
    ("%016lx", "general_r10", "R13", "R14", "R15"),
    # process_32.c; the flags are there too
    ("%08lx", "", "EAX", "EBX", "ECX", "EDX"), ("%08lx", "", "ESI", "EDI", "EBP", "ESP"),
)
EIP = kind("eip", "stack", 4, line("4.10", "EIP: 0x%lx", "general.EIP"), scope="stack.flow", into=Into.BLOCK_BEGIN)
GENERAL = tuple(
    kind("general_" + names[0].lower(), "stack", 4,
         line("4.10", " ".join(name + ": " + width for name in names), *("general." + name for name in names)),
         scope="stack.flow", into=Into.BLOCK, follows=(before,) if before else ())
    for width, before, *names in _REGISTERS
)
SEGMENTS = kind(
    "segments", "stack", 4,
    line("4.10", "DS: %04x ES: %04x FS: %04x GS: %04x SS: %04x EFLAGS: %08lx", "general.DS", "general.ES",
         "general.FS", "general.GS", "general.SS", "general.EFLAGS"),
    scope="stack.flow", into=Into.BLOCK,
)

# dump_header() and dump_stack(), in printed order.
STEPS = (
    once(SYSRQ, SUPPRESSED, INVOKED, COMPACTION, CPUSET, CPU, TAINTS, HARDWARE, WORKQUEUE, SCHED_EXT),
    PrintStep(((RAW_WORDS, STACK_WORDS),), "stack.raw_words"),
    once(CALL_TRACE),
    PrintStep(((FRAME, FRAME_UNNAMED, MARKER), (RIP_KERNEL, RIP, EIP), (CODE,), (RSP,),
          *((each,) for each in (*GENERAL, SEGMENTS))), "stack.flow"),
)
