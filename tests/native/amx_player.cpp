// Plays AMX's instructions on a processor that has AVX-512 but no tiles: what such a processor refuses as illegal is
// decoded and done to tiles in memory, each thread's own, as the "Intel 64 and IA-32 Architectures Software Developer's
// Manual" says of it (volume 2, with the faults that it names). The machine code of the kernels itself runs, so what a
// compiler made of it is tested, too. Also counts the instructions that run, one trap each.
#include <immintrin.h>
#include <signal.h>
#include <ucontext.h>

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace {

constexpr int kTiles = 8, kRows = 16, kRowBytes = 64;

enum Played { kLoadConfig, kStoreConfig, kRelease, kZero, kLoad, kStore, kMultiply, kPlayed };

struct Shape {
  int rows = 0, bytes = 0;
};

struct Registers {
  bool configured = false;
  Shape shapes[kTiles];
  alignas(64) uint8_t tiles[kTiles][kRows][kRowBytes];
};

thread_local Registers registers;
std::atomic<uint64_t> played[kPlayed];
char fault[256];  // the first, for all threads
std::atomic<bool> faulty{false};

thread_local struct {
  bool on = false;
  uintptr_t first = 0, last = 0;
  uint32_t* times = nullptr;
} counted;

void refuse(const char* exception, const char* why, const uint8_t* at) {
  if (!faulty.exchange(true)) std::snprintf(fault, sizeof fault, "%s: %s, at %p", exception, why, (const void*)at);
}

// The operands of a VEX instruction with a ModRM byte.
struct Instruction {
  int size = 0, opcode = 0, prefix = 0;  // prefix: 0 none, 1 66, 2 F3, 3 F2
  int reg = 0, rm = 0, third = 0;        // third: VEX.vvvv
  bool memory = false, has_index = false;
  uint8_t* address = nullptr;  // without the index
  int64_t stride = 0;          // index times scale
};

int64_t general(const ucontext_t& context, int number) {
  static constexpr int kPlaces[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return context.uc_mcontext.gregs[kPlaces[number]];
}

// False: not one of the instructions that are played.
bool decode(const uint8_t* at, const ucontext_t& context, Instruction& is) {
  if (at[0] != 0xc4 || (at[1] & 0x1f) != 2 || (at[2] & 0x84) != 0) return false;  // 0F38, W0, 128 bits
  const int r = at[1] & 0x80 ? 0 : 8, x = at[1] & 0x40 ? 0 : 8, b = at[1] & 0x20 ? 0 : 8;
  is.third = ~(at[2] >> 3) & 15;
  is.prefix = at[2] & 3;
  is.opcode = at[3];
  const int mode = at[4] >> 6;
  is.reg = (at[4] >> 3 & 7) + r;
  is.rm = (at[4] & 7) + b;
  const uint8_t* next = at + 5;
  if (mode != 3) {
    is.memory = true;
    int64_t address = 0;
    bool of_next = false, wide = mode == 2;
    if ((at[4] & 7) == 4) {
      const int sib = *next++, index = (sib >> 3 & 7) + x, base = (sib & 7) + b;
      if (index != 4) is.has_index = true, is.stride = general(context, index) << (sib >> 6);
      if ((sib & 7) == 5 && mode == 0)
        wide = true;
      else
        address = general(context, base);
    } else if ((at[4] & 7) == 5 && mode == 0) {
      of_next = wide = true;
    } else {
      address = general(context, is.rm);
    }
    if (wide) {
      int32_t displacement;
      std::memcpy(&displacement, next, 4);
      next += 4;
      address += displacement;
    } else if (mode == 1) {
      address += static_cast<int8_t>(*next++);
    }
    if (of_next) address += reinterpret_cast<intptr_t>(next);
    is.address = reinterpret_cast<uint8_t*>(address);
  }
  is.size = static_cast<int>(next - at);
  return is.opcode == 0x49 || is.opcode == 0x4b || is.opcode == 0x5c;
}

const char* load_config(const uint8_t* from) {
  if (from[0] > 1) return "no such palette";
  Registers changed;
  changed.configured = from[0] == 1;
  for (int i = 2; i < 64; ++i)
    if ((i < 16 || (i >= 32 && i < 48) || i >= 56) && from[i] != 0) return "reserved bytes that are not zero";
  for (int t = 0; t < kTiles && changed.configured; ++t) {
    uint16_t bytes;
    std::memcpy(&bytes, from + 16 + 2 * t, 2);
    const int rows = from[48 + t];
    if (bytes > kRowBytes || rows > kRows) return "a shape beyond 16 rows of 64 bytes";
    if ((bytes == 0) != (rows == 0)) return "a shape that is empty in one direction only";
    changed.shapes[t] = {rows, bytes};
  }
  std::memset(changed.tiles, 0, sizeof changed.tiles);
  registers = changed;
  return nullptr;
}

void store_config(uint8_t* to) {
  std::memset(to, 0, 64);
  if (!registers.configured) return;
  to[0] = 1;
  for (int t = 0; t < kTiles; ++t) {
    const auto bytes = static_cast<uint16_t>(registers.shapes[t].bytes);
    std::memcpy(to + 16 + 2 * t, &bytes, 2);
    to[48 + t] = static_cast<uint8_t>(registers.shapes[t].rows);
  }
}

const char* usable(int t) {
  if (!registers.configured) return "no tiles are configured";
  if (t >= kTiles) return "no such tile";
  if (registers.shapes[t].rows == 0) return "a tile without a shape";
  return nullptr;
}

void load_tile(int t, const uint8_t* from, int64_t stride) {
  std::memset(registers.tiles[t], 0, sizeof registers.tiles[t]);
  for (int row = 0; row < registers.shapes[t].rows; ++row)
    std::memcpy(registers.tiles[t][row], from + row * stride, static_cast<size_t>(registers.shapes[t].bytes));
}

void store_tile(int t, uint8_t* to, int64_t stride) {
  for (int row = 0; row < registers.shapes[t].rows; ++row)
    std::memcpy(to + row * stride, registers.tiles[t][row], static_cast<size_t>(registers.shapes[t].bytes));
}

// In vectors of the sums of a row; denormals are zero, in and out, by the vector unit's own means.
__attribute__((target("avx512f"))) void multiply(int c, int a, int b) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(0x1f80 | 0x8040);
  const Shape sums = registers.shapes[c];
  const int pairs = registers.shapes[a].bytes / 4;
  const auto used = static_cast<__mmask16>((1u << sums.bytes / 4) - 1);
  typedef uint32_t Pairs __attribute__((vector_size(64)));
  for (int row = 0; row < kRows; ++row) {
    __m512 even = _mm512_setzero_ps(), odd = even;
    for (int k = 0; k < pairs; ++k) {
      uint32_t pair;
      Pairs other;
      std::memcpy(&pair, registers.tiles[a][row] + 4 * k, 4);
      std::memcpy(&other, registers.tiles[b][k], sizeof other);
      const Pairs first = other << 16, second = other & 0xffff0000;
      even = _mm512_fmadd_ps(_mm512_set1_ps(std::bit_cast<float>(pair << 16)), (__m512)first, even);
      odd = _mm512_fmadd_ps(_mm512_set1_ps(std::bit_cast<float>(pair & 0xffff0000)), (__m512)second, odd);
    }
    uint8_t* at = registers.tiles[c][row];
    const __m512 sum = _mm512_add_ps(_mm512_load_ps(at), _mm512_add_ps(even, odd));
    _mm512_store_ps(at, row < sums.rows ? _mm512_maskz_mov_ps(used, sum) : _mm512_setzero_ps());
  }
  _mm_setcsr(before);
}

const char* multiply_checked(int c, int a, int b) {
  for (const int t : {c, a, b})
    if (const char* why = usable(t)) return why;
  if (c == a || c == b || a == b) return "a tile that is used twice";
  const Shape of_c = registers.shapes[c], of_a = registers.shapes[a], of_b = registers.shapes[b];
  if (of_c.bytes % 4 || of_a.bytes % 4 || of_b.bytes % 4) return "rows that are no whole sums";
  if (of_c.rows != of_a.rows || of_c.bytes != of_b.bytes || of_a.bytes / 4 != of_b.rows)
    return "shapes that do not fit each other";
  multiply(c, a, b);
  return nullptr;
}

// False: not an instruction of AMX.
bool play(const Instruction& is, const uint8_t* at) {
  const char* why = nullptr;
  Played what;
  if (is.opcode == 0x5c && is.prefix == 2 && !is.memory) {
    what = kMultiply, why = multiply_checked(is.reg, is.rm, is.third);
  } else if (is.third != 0) {
    return false;
  } else if (is.opcode == 0x49 && is.prefix == 0 && is.memory && is.reg == 0) {
    what = kLoadConfig;
    if (const char* wrong = load_config(is.address + is.stride)) return refuse("#GP", wrong, at), true;
  } else if (is.opcode == 0x49 && is.prefix == 1 && is.memory && is.reg == 0) {
    what = kStoreConfig, store_config(is.address + is.stride);
  } else if (is.opcode == 0x49 && is.prefix == 0 && !is.memory && is.reg == 0 && is.rm == 0) {
    what = kRelease, registers.configured = false;
  } else if (is.opcode == 0x49 && is.prefix == 3 && !is.memory && is.rm == 0) {
    what = kZero, why = usable(is.reg);
    if (!why) std::memset(registers.tiles[is.reg], 0, sizeof registers.tiles[0]);
  } else if (is.opcode == 0x4b && (is.prefix == 3 || is.prefix == 1) && is.memory) {
    what = kLoad, why = is.has_index ? usable(is.reg) : "no register for the stride";
    if (!why) load_tile(is.reg, is.address, is.stride);
  } else if (is.opcode == 0x4b && is.prefix == 2 && is.memory) {
    what = kStore, why = is.has_index ? usable(is.reg) : "no register for the stride";
    if (!why) store_tile(is.reg, is.address, is.stride);
  } else {
    return false;
  }
  if (why) refuse("#UD", why, at);
  played[what].fetch_add(1, std::memory_order_relaxed);
  return true;
}

void count(uintptr_t at) {
  if (counted.on && at >= counted.first && at < counted.last) ++counted.times[at - counted.first];
}

void on_illegal(int, siginfo_t*, void* p) {
  auto& context = *static_cast<ucontext_t*>(p);
  greg_t& rip = context.uc_mcontext.gregs[REG_RIP];
  const auto* at = reinterpret_cast<const uint8_t*>(rip);
  Instruction is;
  if (!decode(at, context, is) || !play(is, at)) {
    signal(SIGILL, SIG_DFL);  // what is refused again ends the process
    return;
  }
  rip += is.size;
  count(static_cast<uintptr_t>(rip));  // the trap comes behind it
}

void on_step(int, siginfo_t*, void* p) {
  count(static_cast<uintptr_t>(static_cast<ucontext_t*>(p)->uc_mcontext.gregs[REG_RIP]));
}

void set_trap_flag(bool on) {
  uint64_t flags;
  asm volatile("pushfq; popq %0" : "=r"(flags));
  flags = on ? flags | 0x100 : flags & ~uint64_t{0x100};
  asm volatile("pushq %0; popfq" : : "r"(flags) : "cc");
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

// The process's illegal instructions are AMX's from now on. Not where the processor has them.
EXPORT int start_playing() {
  struct sigaction action{};
  action.sa_sigaction = on_illegal;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  return sigaction(SIGILL, &action, nullptr);
}

EXPORT void stop_playing() { signal(SIGILL, SIG_DFL); }

// What was refused first since the last call; empty: nothing.
EXPORT const char* take_fault() {
  static char taken[sizeof fault];
  std::memcpy(taken, fault, sizeof taken);
  std::memset(fault, 0, sizeof fault);
  faulty = false;
  return taken;
}

// LDTILECFG, STTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILESTORED, TDPBF16PS since the last call.
EXPORT void take_played(uint64_t* times) {
  for (int i = 0; i < kPlayed; ++i) times[i] = played[i].exchange(0);
}

EXPORT int is_configured() { return registers.configured; }

// Counts what the calling thread runs at the addresses first to last: ++times[address - first].
EXPORT void start_counting(uintptr_t first, uintptr_t last, uint32_t* times) {
  struct sigaction action{};
  action.sa_sigaction = on_step;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, nullptr);
  counted = {true, first, last, times};
  set_trap_flag(true);
}

EXPORT void stop_counting() {
  set_trap_flag(false);
  counted.on = false;
}

// Instructions for tests of the above: c += a b in tiles of these shapes, {rows, bytes} of c, a and b.
EXPORT void run_multiply(const int* shapes, void* c, const void* a, const void* b) {
  alignas(64) uint8_t config[64] = {1};
  for (int t = 0; t < 3; ++t) {
    const auto bytes = static_cast<uint16_t>(shapes[2 * t + 1]);
    std::memcpy(config + 16 + 4 * t, &bytes, 2);  // tiles 0, 2 and 4
    config[48 + 2 * t] = static_cast<uint8_t>(shapes[2 * t]);
  }
  alignas(64) uint8_t kept[64];
  asm volatile(
      "ldtilecfg %0\n\tsttilecfg %1\n\ttileloadd (%2,%5,1), %%tmm0\n\ttileloadd -128(%3,%6,4), %%tmm2\n\t"
      "tileloaddt1 (%4,%5), %%tmm4\n\ttdpbf16ps %%tmm4, %%tmm2, %%tmm0\n\ttilestored %%tmm0, (%2,%5,1)\n\t"
      "tilezero %%tmm0\n\ttilerelease"
      :
      : "m"(config), "m"(kept), "r"(c), "r"(static_cast<const char*>(a) + 128), "r"(b), "r"(int64_t{kRowBytes}),
        "r"(int64_t{kRowBytes / 4})
      : "memory");
  if (std::memcmp(config, kept, sizeof kept) != 0) refuse("STTILECFG", "not what was loaded", kept);
}

// LDTILECFG of 64 bytes, then TDPBF16PS and TILERELEASE.
EXPORT void run_config(const void* config) {
  asm volatile("ldtilecfg (%0)\n\ttdpbf16ps %%tmm2, %%tmm1, %%tmm0\n\ttilerelease" : : "r"(config) : "memory");
}
