// A plugin for QEMU (https://www.qemu.org/docs/master/devel/tcg-plugins.html) that counts how often each block of
// instructions ran: at the end it writes a line "address instructions times" for each to the file of its argument
// out=FILE. Declared here is what it needs of the interface's version 1.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb*));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb*, int op, void* counter, uint64_t add);
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void*), void*);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb*);

EXPORT int qemu_plugin_version = 1;

struct Block {
  uint64_t address, instructions, times;
  struct Block* next;
};
static struct Block* blocks;
static char path[4096];

// One thread runs: the program starts no others.
static void translated(plugin_id id, struct qemu_plugin_tb* tb) {
  (void)id;
  struct Block* block = calloc(1, sizeof *block);
  if (!block) abort();
  block->address = qemu_plugin_tb_vaddr(tb);
  block->instructions = qemu_plugin_tb_n_insns(tb);
  block->next = blocks;
  blocks = block;
  qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &block->times, 1);
}

static void at_exit(plugin_id id, void* nothing) {
  (void)id, (void)nothing;
  FILE* file = fopen(path, "w");
  if (!file) abort();
  for (const struct Block* b = blocks; b; b = b->next)
    if (b->times)
      fprintf(file, "%llx %llu %llu\n", (unsigned long long)b->address, (unsigned long long)b->instructions,
              (unsigned long long)b->times);
  fclose(file);
}

EXPORT int qemu_plugin_install(plugin_id id, const void* info, int argc, char** argv) {
  (void)info;
  for (int i = 0; i < argc; ++i)
    if (!strncmp(argv[i], "out=", 4)) snprintf(path, sizeof path, "%s", argv[i] + 4);
  if (!path[0]) return -1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, at_exit, NULL);
  return 0;
}
