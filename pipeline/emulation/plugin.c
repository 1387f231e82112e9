/* QEMU TCG plugin: exact instructions, Cortex-M4 cycles at zero wait states, and lines missed by a
 * cache before flash, at every visit of a marked address.
 *
 * Arguments: marker=<address>,output=<file>[,core=cortex-m4]
 *            [,cache=<flash's first address>:<its end>:<bytes>:<ways>:<bytes of a line>]
 * Every time the instruction at `marker` is about to execute, one line goes to the file:
 * "<instructions executed so far> <cycles so far> <lines missed so far>"; the cycles are 0 without a
 * core, the lines without a cache.
 *
 * Cycles: Arm DDI 0439B (Cortex-M4 TRM r0p0), table 3-1 and, for the FPU, table 7-1. Where they give
 * a range: a taken branch refills the pipeline in 2 cycles of 1 to 3, a division takes 7 of 2 to 12.
 * A load that follows a load directly takes 1 cycle, since the two overlap (3.3.3); a store's second
 * cycle hides in the store buffer; IT is folded. Flash has no wait states here.
 *
 * Cache: one for instructions and data, empty at the start; line n of the address space goes to set
 * n modulo the number of sets, where it replaces the line that was used least recently. Every
 * instruction executed from flash and every load from there uses its line; stores use none.
 *
 * Debian packages no header of QEMU's plugin interface (version 1), so what is used is declared. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
typedef void (*qemu_plugin_vcpu_udata_cb_t)(unsigned vcpu, void *data);
typedef uint32_t qemu_plugin_meminfo_t;
typedef void (*qemu_plugin_vcpu_mem_cb_t)(unsigned vcpu, qemu_plugin_meminfo_t info,
                                          uint64_t address, void *data);
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { QEMU_PLUGIN_CB_NO_REGS = 0, QEMU_PLUGIN_INLINE_ADD_U64 = 0, QEMU_PLUGIN_MEM_RW = 3 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*callback)(qemu_plugin_id_t,
                                                            struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block,
                                          qemu_plugin_vcpu_udata_cb_t callback, int flags,
                                          void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction,
                                            qemu_plugin_vcpu_udata_cb_t callback, int flags,
                                            void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *instruction, int operation,
                                                void *counter, uint64_t value);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *instruction,
                                      qemu_plugin_vcpu_mem_cb_t callback, int flags, int kinds,
                                      void *data);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
char *qemu_plugin_insn_disas(const struct qemu_plugin_insn *instruction);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum { REFILL_CYCLES = 2, DIVIDE_CYCLES = 7, FLOAT_DIVIDE_CYCLES = 14, FUSED_CYCLES = 3 };

static uint64_t instructions;
static uint64_t extra_cycles; /* beyond one an instruction; wraps below 0 where IT is folded */
static uint64_t marker;
static bool counts_cycles;
static FILE *output;

static struct {
  uint64_t first, end; /* of flash */
  uint64_t sets, ways, line_bytes;
  uint64_t *lines; /* [sets][ways], most recently used first; 0 is an empty way, else line + 1 */
  uint64_t last;   /* line used before, + 1: it is the first of its set */
  uint64_t missed;
} cache;

static void use_line(uint64_t address) {
  const uint64_t line = address / cache.line_bytes + 1;
  uint64_t *set = cache.lines + address / cache.line_bytes % cache.sets * cache.ways;
  uint64_t way = 0;
  if (line == cache.last) {
    return;
  }
  cache.last = line;
  while (way < cache.ways && set[way] != line) {
    way++;
  }
  if (way == cache.ways) {
    cache.missed++;
    way--;
  }
  memmove(set + 1, set, way * sizeof *set);
  set[0] = line;
}

static bool in_flash(uint64_t address) { return address >= cache.first && address < cache.end; }

static void fetch(unsigned vcpu, void *address) {
  (void)vcpu;
  use_line((uintptr_t)address);
}

static void load(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
  (void)vcpu;
  (void)data;
  if (!qemu_plugin_mem_is_store(info) && in_flash(address)) {
    use_line(address);
  }
}

/* An instruction whose bytes lie in the same line as those of the one before it uses no other. */
static void count_lines(struct qemu_plugin_insn *instruction, uint64_t *line_before) {
  const uint64_t first = qemu_plugin_insn_vaddr(instruction);
  const uint64_t last = first + qemu_plugin_insn_size(instruction) - 1;
  const uint64_t bytes[] = {first, last};
  for (int i = 0; i < 2; i++) {
    if (in_flash(bytes[i]) && bytes[i] / cache.line_bytes != *line_before) {
      *line_before = bytes[i] / cache.line_bytes;
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, fetch, QEMU_PLUGIN_CB_NO_REGS,
                                             (void *)(uintptr_t)bytes[i]);
    }
  }
  /* QEMU 7.2 takes stores alone for QEMU_PLUGIN_MEM_R: ask for all, and tell them apart. */
  qemu_plugin_register_vcpu_mem_cb(instruction, load, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                   NULL);
}

/* A translated block and where execution goes on if its last instruction does not branch. */
typedef struct {
  uint64_t first;
  uint64_t next;
} block;

static uint64_t expected_next;

static void enter_block(unsigned vcpu, void *data) {
  const block *entered = data;
  (void)vcpu;
  if (expected_next != 0 && entered->first != expected_next) {
    extra_cycles += REFILL_CYCLES;
  }
  expected_next = entered->next;
}

/* The marked instruction itself is counted already. */
static void report(unsigned vcpu, void *data) {
  (void)vcpu;
  (void)data;
  fprintf(output, "%llu %llu %llu\n", (unsigned long long)instructions,
          counts_cycles ? (unsigned long long)(instructions + extra_cycles) : 0ull,
          (unsigned long long)cache.missed);
  fflush(output);
}

static bool begins(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool begins_with_any(const char *text, const char *const *prefixes) {
  for (; *prefixes != NULL; prefixes++) {
    if (begins(text, *prefixes)) {
      return true;
    }
  }
  return false;
}

/* Registers in "{r4, r5-r7, lr}". */
static int listed_registers(const char *text) {
  int count = 0;
  const char *at = strchr(text, '{');
  if (at == NULL) {
    return 1;
  }
  for (at++; *at != '\0' && *at != '}';) {
    char first[8] = "", last[8] = "";
    int length = 0;
    if (sscanf(at, " %7[a-z0-9]-%7[a-z0-9]%n", first, last, &length) == 2 && length > 0) {
      count += atoi(last + 1) - atoi(first + 1) + 1;
    } else if (sscanf(at, " %7[a-z0-9]%n", first, &length) == 1 && length > 0) {
      count++;
    } else {
      break;
    }
    at += length;
    at += strspn(at, ", ");
  }
  return count;
}

/* The two-word forms stand before the one-word forms whose names they begin with. */
static int cortex_m4_cycles(const char *text, bool *is_load) {
  static const char *const fused[] = {"vfma", "vfms", "vfnm", "vmla", "vmls", "vnml", NULL};
  static const char *const multiple[] = {"ldm",  "pop",  "stm",  "push", "vldm",
                                         "vstm", "vpop", "vpush", NULL};
  *is_load = false;
  if (begins(text, "sdiv") || begins(text, "udiv")) {
    return DIVIDE_CYCLES;
  }
  if (begins(text, "vdiv") || begins(text, "vsqrt")) {
    return FLOAT_DIVIDE_CYCLES;
  }
  if (begins_with_any(text, fused)) {
    return FUSED_CYCLES;
  }
  if (begins_with_any(text, multiple)) {
    return 1 + listed_registers(text);
  }
  if (begins(text, "ldrd") || begins(text, "strd")) {
    return 3;
  }
  if (begins(text, "vldr") || begins(text, "ldr")) {
    *is_load = true;
    return 2;
  }
  if (begins(text, "vstr") || begins(text, "tbb") || begins(text, "tbh")) {
    return 2;
  }
  if (begins(text, "it") && strchr("te \t", text[2]) != NULL) {
    return 0;
  }
  return 1;
}

static void count_cycles(struct qemu_plugin_insn *instruction, bool *after_load) {
  bool is_load;
  char *text = qemu_plugin_insn_disas(instruction);
  int cycles = cortex_m4_cycles(text, &is_load);
  free(text);
  if (is_load && *after_load) {
    cycles = 1;
  }
  *after_load = is_load;
  if (cycles != 1) {
    qemu_plugin_register_vcpu_insn_exec_inline(instruction, QEMU_PLUGIN_INLINE_ADD_U64,
                                               &extra_cycles, (uint64_t)(int64_t)(cycles - 1));
  }
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *translated) {
  const size_t count = qemu_plugin_tb_n_insns(translated);
  bool after_load = false;
  uint64_t line_before = UINT64_MAX;
  block *made = malloc(sizeof *made); /* lives as long as the translation may run */
  (void)id;
  made->first = made->next = qemu_plugin_tb_vaddr(translated);
  for (size_t i = 0; i < count; i++) {
    struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translated, i);
    const uint64_t address = qemu_plugin_insn_vaddr(instruction);
    made->next = address + qemu_plugin_insn_size(instruction);
    qemu_plugin_register_vcpu_insn_exec_inline(instruction, QEMU_PLUGIN_INLINE_ADD_U64,
                                               &instructions, 1);
    if (counts_cycles) {
      count_cycles(instruction, &after_load);
    }
    if (cache.lines != NULL) {
      count_lines(instruction, &line_before);
    }
    if (address == marker) {
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, report, QEMU_PLUGIN_CB_NO_REGS, NULL);
    }
  }
  if (counts_cycles) {
    qemu_plugin_register_vcpu_tb_exec_cb(translated, enter_block, QEMU_PLUGIN_CB_NO_REGS, made);
  }
}

/* "<first>:<end>:<bytes>:<ways>:<bytes of a line>" */
static bool make_cache(const char *text) {
  uint64_t values[5];
  for (int i = 0; i < 5; i++) {
    char *end;
    values[i] = strtoull(text, &end, 0);
    if (end == text || *end != (i < 4 ? ':' : '\0')) {
      return false;
    }
    text = end + 1;
  }
  cache.first = values[0];
  cache.end = values[1];
  cache.ways = values[3];
  cache.line_bytes = values[4];
  if (cache.ways == 0 || cache.line_bytes == 0) {
    return false;
  }
  cache.sets = values[2] / cache.ways / cache.line_bytes;
  cache.lines = cache.sets == 0 ? NULL : calloc(cache.sets * cache.ways, sizeof *cache.lines);
  return cache.lines != NULL;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                               char **argv) {
  (void)info;
  for (int i = 0; i < argc; i++) {
    const char *value = strchr(argv[i], '=');
    if (value != NULL && begins(argv[i], "marker=")) {
      marker = strtoull(value + 1, NULL, 0);
    } else if (value != NULL && begins(argv[i], "output=")) {
      output = fopen(value + 1, "w");
    } else if (strcmp(argv[i], "core=cortex-m4") == 0) {
      counts_cycles = true;
    } else if (value != NULL && begins(argv[i], "cache=") && make_cache(value + 1)) {
      continue;
    } else {
      fprintf(stderr, "unknown argument %s\n", argv[i]);
      return -1;
    }
  }
  if (output == NULL || marker == 0) {
    fprintf(stderr, "marker and output are needed\n");
    return -1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
  return 0;
}
