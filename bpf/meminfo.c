/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine's memory, for an OOM that is not a memcg's.
 *
 * Two sources. The structures give the whole of it, also when the kernel prints nothing. But the kernel reads them
 * anew for every line that it prints, while other CPUs allocate and free: what it prints can only be had from the
 * arguments of each printk.
 */
#include "common.h"
#include "meminfo.h"

#define HAS(bit, mask) ((((bit) & (mask)) | -((bit) & (mask))) >> 63)

/* The lowest bit that is set. Without branches: each of them would double what the verifier has to look at. */
static inline u64 lowest_bit(u64 word)
{
	u64 bit = word & -word;

	return HAS(bit, 0xAAAAAAAAAAAAAAAAULL) | HAS(bit, 0xCCCCCCCCCCCCCCCCULL) << 1 | HAS(bit, 0xF0F0F0F0F0F0F0F0ULL) << 2 |
	       HAS(bit, 0xFF00FF00FF00FF00ULL) << 3 | HAS(bit, 0xFFFF0000FFFF0000ULL) << 4 |
	       HAS(bit, 0xFFFFFFFF00000000ULL) << 5;
}

/* The first online node from this one on. */
static inline void send_node_from(struct pt_regs *ctx, struct oom_state *oom, u32 from)
{
	u64 nodes;

	if (from >= MAX_NODES)
		return;
	nodes = nodes_in(ENUM(N_ONLINE)) >> from << from;
	if (!nodes)
		return;
	oom->subject = lowest_bit(nodes);
	parts.call(ctx, SEND_NODE);
}

int send_memory(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	union scratch *s = get_scratch();

	if (!s || !oom)
		return 0;
	if (HAVE_KSYM(vm_node_stat) && HAVE_KSYM(vm_zone_stat)) {
		fill_memory(&s->memory);
		stamp(&s->memory.header, oom, REC_MEMORY);
		records.perf_submit(ctx, &s->memory, sizeof(s->memory));
	}
	send_node_from(ctx, oom, 0);
	return 0;
}

/* The node oom->subject, with all its zones; then the next one. */
int send_node(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	union scratch *s = get_scratch();
	u32 i, node;
	u64 zone;

	if (!s || !oom)
		return 0;
	node = oom->subject;
	zone = node_address(node);
	if (!zone) /* it is not to be found */
		goto sent;
	fill_node(&s->node, node, zone);
	stamp(&s->node.header, oom, REC_NODE);
	records.perf_submit(ctx, &s->node, sizeof(s->node));
	zone = AT(zone, pglist_data, node_zones);
#pragma nounroll
	for (i = 0; i < LENGTH(pglist_data, node_zones); i++) {
		s->zone.node = node;
		s->zone.zone = i;
		fill_zone(&s->zone, zone);
		stamp(&s->zone.header, oom, REC_ZONE);
		records.perf_submit(ctx, &s->zone, sizeof(s->zone));
		zone += SIZEOF(zone);
	}
sent:
	send_node_from(ctx, oom, node + 1);
	if (!(oom->stage & SILENT))
		return 0;
	oom->stage &= ~SILENT;
	if (HAVE_KSYM(mem_cgroup_show_protected_memory) && HAVE_KSYM(root_mem_cgroup)) {
		oom->kind = REC_PROTECTION;
		oom->subject = PEEK(u64, KSYM(root_mem_cgroup));
		parts.call(ctx, SEND_MEMCGS);
	}
	return 0;
}

#define WORD(a, b, c, d, e, f, g, h)                                                        \
	((u64)(a) | (u64)(b) << 8 | (u64)(c) << 16 | (u64)(d) << 24 | (u64)(e) << 32 | \
	 (u64)(f) << 40 | (u64)(g) << 48 | (u64)(h) << 56)
#define MEM_INFO WORD('M', 'e', 'm', '-', 'I', 'n', 'f', 'o')
#define TASKS_STATE WORD('T', 'a', 's', 'k', 's', ' ', 's', 't')
#define OOM_KILL WORD('o', 'o', 'm', '-', 'k', 'i', 'l', 'l')
#define OUT_OF_MEMORY WORD('O', 'u', 't', ' ', 'o', 'f', ' ', 'm')

static inline void submit_format(struct pt_regs *ctx, struct oom_state *oom, union scratch *s, u64 format)
{
	u64 id = oom->oom_id, *sent = seen.lookup(&format);

	if (sent && *sent == id)
		return;
	seen.update(&format, &id);
	s->format.format = format;
	s->format.text[0] = 0;
	bpf_probe_read_kernel_str(s->format.text, FORMAT_LEN, (void *)format);
	stamp(&s->format.header, oom, REC_FORMAT);
	records.perf_submit(ctx, &s->format, sizeof(s->format));
}

/* printk(format, …) between "Mem-Info:" and the tasks: the format, once an OOM, and the arguments. */
int send_print(struct pt_regs *ctx)
{
	u64 format = PT_REGS_PARM1(ctx), head;
	struct oom_state *oom = get_oom();
	union scratch *s = get_scratch();

	if (!s || !oom)
		return 0;
	head = PEEK(u64, PEEK(u8, format) == 1 ? format + 2 : format); /* KERN_SOH and the level */
	if (head == MEM_INFO && !(oom->stage & MEMINFO_SHOWN)) {
		oom->stage &= ~WALKING;
		oom->stage |= MEMINFO | MEMINFO_SHOWN;
		parts.call(ctx, SEND_MEMORY);
	}
	if (head == TASKS_STATE || head == OOM_KILL || head == OUT_OF_MEMORY)
		oom->stage &= ~MEMINFO;
	if (!(oom->stage & MEMINFO))
		return 0;
	submit_format(ctx, oom, s, format);
	s->print.format = format;
	s->print.count = PRINT_ARGS;
	s->print.args[0] = PT_REGS_PARM2(ctx);
	s->print.args[1] = PT_REGS_PARM3(ctx);
	s->print.args[2] = PT_REGS_PARM4(ctx);
	s->print.args[3] = PT_REGS_PARM5(ctx);
	s->print.args[4] = PT_REGS_PARM6(ctx);
	copy_arguments(ctx, s->print.args + 5, 8 * (PRINT_ARGS - 5));
	s->print.string[0] = 0;
	bpf_probe_read_kernel_str(s->print.string, sizeof(s->print.string), (void *)s->print.args[0]);
	stamp(&s->print.header, oom, REC_PRINT);
	records.perf_submit(ctx, &s->print, sizeof(s->print));
	return 0;
}

#define SIZE_FORMAT WORD('%', '1', '2', 's', ' ', '%', '8', 'l')
#define BYTES_FORMAT WORD('%', '1', '2', 'l', 'l', 'i', ' ', '%')
#define BEFORE_MODULE 19 /* of KERN_SOH and the level, and "%12s %8llu %s:%u " */

/*
 * "%12s %8llu %s:%u func:%s\n", or "%12s %8llu %s:%u [%s] func:%s\n" (mm/show_mem.c, __show_mem): a place in the source
 * and what is allocated there. Up to 6.11 they begin with "%12lli". The kernel adds up its counters anew for each of
 * these lines. So what it prints can only be had from printk's arguments, and the strings have to be read here, as a
 * REC_PRINT holds where they lie.
 */
int allocation_print(struct pt_regs *ctx)
{
	u64 format = PT_REGS_PARM1(ctx), size = PT_REGS_PARM2(ctx), function = PT_REGS_PARM6(ctx), words[3] = {};
	struct oom_state *oom = get_oom();
	union scratch *s = get_scratch();
	u64 head, module = format + BEFORE_MODULE;

	if (!s || !oom || !(oom->stage & MEMINFO))
		return 0;
	head = AFTER_LEVEL(format);
	s->allocation.size[0] = 0;
	s->allocation.bytes = 0;
	if (head == SIZE_FORMAT) {
		bpf_probe_read_kernel_str(s->allocation.size, sizeof(s->allocation.size), (void *)size);
	} else if (head == BYTES_FORMAT) {
		s->allocation.bytes = size;
		module += 2;
	} else {
		return 0;
	}
	s->allocation.module[0] = 0;
	if (PEEK(char, module) == '[') {
		bpf_probe_read_kernel_str(s->allocation.module, sizeof(s->allocation.module), (void *)function);
		copy_arguments(ctx, words, sizeof(words));
		function = words[0];
	}
	s->allocation.calls = PT_REGS_PARM3(ctx);
	s->allocation.line = PT_REGS_PARM5(ctx);
	s->allocation.file[0] = 0;
	s->allocation.function[0] = 0;
	bpf_probe_read_kernel_str(s->allocation.file, sizeof(s->allocation.file), (void *)PT_REGS_PARM4(ctx));
	bpf_probe_read_kernel_str(s->allocation.function, sizeof(s->allocation.function), (void *)function);
	stamp(&s->allocation.header, oom, REC_ALLOCATION);
	records.perf_submit(ctx, &s->allocation, sizeof(s->allocation));
	return 0;
}
