"""The first lines of a report, dump_stack() and the call trace."""

from __future__ import annotations

from .rows import PRESENT, gone, kind, line

# mm/oom_kill.c, dump_header(). The gfp mask is a group because people cut it out of what they paste.
_INVOKED = ("trigger.comm", "trigger.gfp_mask")
_ORDER = ("trigger.order", "trigger.oom_score_adj")
_GFP = "gfp_mask=%#x(%pGg), "

SYSRQ = kind(
    "sysrq", "header", 6,
    # drivers/tty/sysrq.c, __handle_sysrq(): the prefix became pr_fmt's.
    line("2.6.32", "SysRq : Manual OOM execution", sets={"kind": "sysrq"}),
    line("4.4", "sysrq: SysRq : Manual OOM execution", sets={"kind": "sysrq"}),
    line("5.1", "sysrq: Manual OOM execution", sets={"kind": "sysrq"}),
)
SUPPRESSED = kind(
    "suppressed", "header", 4,
    # lib/ratelimit.c, ___ratelimit(): printed when the window reopens, directly before the next report.
    line("2.6.32", "oom_kill_process: %d callbacks suppressed", "callbacks_suppressed"),
)
INVOKED = kind(
    "invoked", "header", 4,
    line("2.6.32", "%s invoked oom-killer: {gfp_mask=0x%x, }order=%d, oom_adj=%d",
         "trigger.comm:comm", "trigger.gfp_mask", "trigger.order", "trigger.oom_adj"),
    line("2.6.32", "%s invoked oom-killer: {gfp_mask=0x%x, }order=%d, oom_adj=%d, oom_score_adj=%d",
         "trigger.comm:comm", "trigger.gfp_mask", "trigger.order", "trigger.oom_adj", "trigger.oom_score_adj",
         flavour="el6"),
    line("3.10", "%s invoked oom-killer: {gfp_mask=0x%x, }order=%d, oom_score_adj=%hd",
         "trigger.comm:comm", "trigger.gfp_mask", *_ORDER),
    # a0795cd416d1 "mm, oom: print symbolic gfp_flags in oom warning"
    line("4.6", "%s invoked oom-killer: {" + _GFP + "}order=%d, oom_score_adj=%hd",
         "trigger.comm:comm", "trigger.gfp_mask", "trigger.gfp_flags", *_ORDER),
    # 82e7d3abec86 "oom: print nodemask in the oom report"
    line("4.9", "%s invoked oom-killer: {" + _GFP + "}{nodemask=%*pbl, }order=%d, oom_score_adj=%hd",
         "trigger.comm:comm", "trigger.gfp_mask", "trigger.gfp_flags", "trigger.nodemask", *_ORDER),
    # Three printks until 4.14, the last of which begins with a comma and two blanks.
    line("4.12", "%s invoked oom-killer: {" + _GFP + "}{nodemask=%*pbl,  }order=%d, oom_score_adj=%hd",
         "trigger.comm:comm", "trigger.gfp_mask", "trigger.gfp_flags", "trigger.nodemask", *_ORDER),
    line("4.15", "%s invoked oom-killer: {" + _GFP + "}{nodemask=%*pbl, }order=%d, oom_score_adj=%hd",
         "trigger.comm:comm", "trigger.gfp_mask", "trigger.gfp_flags", "trigger.nodemask", *_ORDER),
    # ef8444ea01d7 "mm, oom: reorganize the oom report in dump_header"; RHEL 8.3 has it too.
    line("5.0", "%s invoked oom-killer: {" + _GFP + "}order=%d, oom_score_adj=%hd",
         "trigger.comm:comm", "trigger.gfp_mask", "trigger.gfp_flags", *_ORDER),
    line("4.18.240", "%s invoked oom-killer: {" + _GFP + "}order=%d, oom_score_adj=%hd",
         "trigger.comm:comm", "trigger.gfp_mask", "trigger.gfp_flags", *_ORDER, flavour="el8"),
)
COMPACTION = kind(
    "compaction", "header", 4,
    line("4.9", "COMPACTION is disabled!!!", sets={"compaction_disabled": True}),
)
CPUSET = kind(
    "cpuset", "header", 6,
    line("2.6.32", "%s cpuset=%s mems_allowed=%*pbl",
         "trigger.comm:comm", "trigger.cpuset", "trigger.mems_allowed"),
    gone("5.0"),
    gone("4.18.240", flavour="el8"),
)

# lib/dump_stack.c, dump_stack_print_info()
_TASK = ("trigger.cpu", "trigger.pid", "trigger.comm:comm")
_UTS = ("machine.taint:taint", "machine.release:word", "machine.version:word")
CPU = kind(
    "cpu", "stack", 4,
    line("2.6.32", "Pid: %d, comm: %.20s %s %s %.*s", *_TASK[1:], *_UTS),
    line("3.10", "CPU: %d PID: %d Comm: %.20s %s %s %.*s", *_TASK, *_UTS),
    line("4.17", "CPU: %d PID: %d Comm: %.20s %s%s %s %.*s{ %20phN}", *_TASK, "machine.kdump_loaded:kdump", *_UTS,
         "machine.build_id:build_id"),
    line("3.10.862", "CPU: %d PID: %d Comm: %.20s %s%s %s %.*s", *_TASK, "machine.kdump_loaded:kdump", *_UTS,
         flavour="el7"),
    # Distributions put their package's name and version behind the version token: Debian with one blank in 5.10 and
    # with two from 6.1 on (debian/patches/debian/version.patch).
    line("4.19", "CPU: %d PID: %d Comm: %.20s %s%s %s %.*s{ %s}", *_TASK, "machine.kdump_loaded:kdump", *_UTS,
         "machine.package:package", flavour="debian"),
    line("6.1", "CPU: %d PID: %d Comm: %.20s %s%s %s %.*s{  %s}", *_TASK, "machine.kdump_loaded:kdump", *_UTS,
         "machine.package:package", flavour="debian"),
    line("6.12", "CPU: %d UID: %u PID: %d Comm: %.20s %s%s %s %.*s{ %20phN}", _TASK[0], "trigger.uid", *_TASK[1:],
         "machine.kdump_loaded:kdump", *_UTS, "machine.build_id:build_id"),
    line("6.12", "CPU: %d UID: %u PID: %d Comm: %.20s %s%s %s %.*s{  %s}", _TASK[0], "trigger.uid", *_TASK[1:],
         "machine.kdump_loaded:kdump", *_UTS, "machine.package:package", flavour="debian"),
    # The blank before the build id is printed without one too.
    line("6.15", "CPU: %d UID: %u PID: %d Comm: %.20s %s%s %s %.*s{ %s} {%20phN}", _TASK[0], "trigger.uid",
         *_TASK[1:], "machine.kdump_loaded:kdump", *_UTS, "machine.preempt:preempt", "machine.build_id:build_id"),
    line("6.15", "CPU: %d UID: %u PID: %d Comm: %.20s %s%s %s %.*s{ %s}{  %s} ", _TASK[0], "trigger.uid",
         *_TASK[1:], "machine.kdump_loaded:kdump", *_UTS, "machine.preempt:preempt", "machine.package:package",
         flavour="debian"),
)
TAINTS = kind(
    "taints", "stack", 4,
    line("6.12", "Tainted: %s", "machine.taint_flags:taint_flags"),
)
HARDWARE = kind(
    "hardware", "stack", 4,
    line("3.10", "Hardware name: %s", "machine.hardware"),
)
WORKQUEUE = kind(
    "workqueue", "stack", 4,
    line("3.10", "Workqueue: %s", "trigger.workqueue"),
)

# arch/x86/kernel/dumpstack.c
RAW_WORDS = kind(
    "raw_words", "stack", 4,
    line("3.10", "%s", ".:raw_words"),
    gone("4.10"),
    gone("3.10.693", flavour="el7"),
    scope="stack.raw_words",
)
CALL_TRACE = kind(
    "call_trace", "stack", 4,
    line("2.6.32", "Call Trace:", sets={"stack": PRESENT}),
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
    scope="stack.flow",
)
FRAME_UNNAMED = kind(
    "frame_unnamed", "stack", 4,
    line("2.6.32", " [<%p>] %s0x%lx", "address", "reliable:unreliable", "address"),
    line("4.10", " %s0x%lx", "reliable:unreliable", "address"),
    scope="stack.flow",
)
MARKER = kind(
    "marker", "stack", 4,
    line("4.10", " %s", ".:marker"),
    scope="stack.flow",
)

# arch/x86/kernel/process_64.c, __show_regs(); arch/x86/kernel/dumpstack.c, show_ip() and show_opcodes()
RIP = kind(
    "rip", "stack", 4,
    line("4.10", "RIP: %04x:0x%lx", "cs", "ip"),
    scope="stack.flow",
)
RIP_KERNEL = kind(
    "rip_kernel", "stack", 4,
    line("4.10", "RIP: %04x:%s", "cs", "ip_symbol:location"),
    scope="stack.flow",
)
CODE = kind("code", "stack", 4, line("4.18", "Code: %s", "code"), scope="stack.flow")
RSP = kind(
    "rsp", "stack", 4,
    line("4.10", "RSP: %04x:%016lx EFLAGS: %08lx{ ORIG_RAX: %016lx}", "ss", "sp", "flags", "orig_ax"),
    scope="stack.flow",
)
_REGISTERS = (("RAX", "RBX", "RCX"), ("RDX", "RSI", "RDI"), ("RBP", "R08", "R09"), ("R10", "R11", "R12"),
              ("R13", "R14", "R15"))
GENERAL = tuple(
    kind("general_" + names[0].lower(), "stack", 4,
         line("4.10", " ".join(name + ": %016lx" for name in names), *("general." + name for name in names)),
         scope="stack.flow")
    for names in _REGISTERS
)
