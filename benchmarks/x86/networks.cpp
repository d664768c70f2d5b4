// Runs one of the networks on made-up pictures and counts what its kernels execute, or times them:
// networks MODEL.onnx count|CALLS. P-Net sees the levels of a picture of 640 x 480 pixels at a smallest face of 40, R-
// and O-Net eight crops. $TRT_MTCNN_ISA names the kernels.
//
// count: prints each instruction's address and how often it ran. The processor traps after every one (the trap flag of
// RFLAGS), which no emulator is needed for, whatever the instruction set.
// CALLS: prints each kernel's calls in one pass and the sum of their least times, in ticks of the time-stamp counter:
// what else the machine does in between lengthens some calls, not the least.
#include <signal.h>
#include <ucontext.h>
#include <x86intrin.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "cpu/nets/native_engine.h"
#include "cpu/nets/net_kernels.h"
#include "cpu/nets/packed_net.h"
#include "cpu/nets/pnet_rows.h"

extern "C" char __executable_start, etext;

namespace {

using namespace trtmtcnn;
using namespace trtmtcnn::cpu;

constexpr int kWidth = 640, kHeight = 480, kCrops = 8;
constexpr double kSmallest = 12.0 / 40, kFactor = 0.709;

// One kernel at one size of its arguments. Times of the same call in all passes are compared with one another.
struct Calls {
  std::vector<uint64_t> least;
  size_t next = 0;
};

const NetKernels* real = nullptr;
std::map<std::string, Calls> all_calls;
bool counting = false;
std::vector<uint32_t> executed;  // by address

void on_trap(int, siginfo_t*, void* context) {
  const auto at = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  const auto offset = static_cast<uint64_t>(at) - reinterpret_cast<uint64_t>(&__executable_start);
  if (offset < executed.size()) ++executed[offset];
}

template <class Kernel, class... Arguments>
void measured(const char* name, Kernel kernel, Arguments... arguments) {
  if (counting) {
    asm volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
    kernel(arguments...);
    asm volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
    return;
  }
  Calls& calls = all_calls[name];
  const uint64_t begin = __rdtsc();
  kernel(arguments...);
  const uint64_t ticks = __rdtsc() - begin;
  if (calls.next == calls.least.size()) calls.least.push_back(ticks);
  calls.least[calls.next] = std::min(calls.least[calls.next], ticks);
  ++calls.next;
}

NetKernels watched() {
  NetKernels k = *real;
  k.pnet_input = [](const float* pixels, int n, void* out) {
    measured("pnet_input", real->pnet_input, pixels, n, out);
  };
  k.pnet_conv1 = [](const PackedConv& conv, const void* const* rows, int count, int n, void* out) {
    measured("pnet_conv1", [=, &conv] { real->pnet_conv1(conv, rows, count, n, out); });
  };
  k.pnet_conv2 = [](const PackedConv& conv, const void* const* rows, int count, int n, void* const* out) {
    measured("pnet_conv2", [=, &conv] { real->pnet_conv2(conv, rows, count, n, out); });
  };
  k.pnet_conv3 = [](const PackedConv& conv, const void* const* rows, int count, int n, float* const* out) {
    measured("pnet_conv3", [=, &conv] { real->pnet_conv3(conv, rows, count, n, out); });
  };
  k.pnet_dot = [](const float* features, int n, const float* weights, float bias, float* out) {
    measured("pnet_dot", real->pnet_dot, features, n, weights, bias, out);
  };
  k.rnet = [](const PackedConv* convs, const void* crops, int n, void* scratch, float* out) {
    measured("rnet", real->rnet, convs, crops, n, scratch, out);
  };
  k.onet = [](const PackedConv* convs, const void* crops, int n, void* scratch, float* out) {
    measured("onet", real->onet, convs, crops, n, scratch, out);
  };
  return k;
}

// Smooth, as pictures are, from -1 to 1.
float pixel(int y, int x, int c) {
  const int wave = (x * (3 + c) + y * (7 - c)) % 512;
  return static_cast<float>(wave < 256 ? wave : 512 - wave) / 128.0f - 1.0f + static_cast<float>(x * y % 17) / 200.0f;
}

float run_pnet(const PackedNet& net) {
  static PnetRows rows;
  float sum = 0;
  for (double scale = kSmallest; kHeight * scale >= 12; scale *= kFactor) {
    const int width = static_cast<int>(std::ceil(kWidth * scale)),
              height = static_cast<int>(std::ceil(kHeight * scale));
    const auto draw = [&](int y, float* row) {
      for (int x = 0; x < width; ++x)
        for (int c = 0; c < 3; ++c) row[3 * x + c] = pixel(y, x, c);
    };
    const auto take = [&](int, int n, const float* logits, const float*) {
      for (int x = 0; x < n; ++x) sum += logits[x];
    };
    const int cells = (height - 12) / 2 + 1;
    rows.run(net, (width - 12) / 2 * 2 + 10, 2 * cells + 8, 0, cells, draw, take);
  }
  return sum;
}

float run_crops(const PackedNet& net) {
  static CropNet crop_net;
  const int side = net.net() == Net::kRnet ? 24 : 48;
  std::vector<float> crops(static_cast<size_t>(kCrops) * side * side * 3 + kOverrun);
  for (int i = 0; i < kCrops * side * side * 3; ++i) crops[i] = pixel(i / 3 / side, i / 3 % side * 5, i % 3);
  std::vector<float> out(size_t{kCrops} * kHeads);
  crop_net.run(net, crops.data(), kCrops, out.data());
  float sum = 0;
  for (const float value : out) sum += value;
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "networks MODEL.onnx count|CALLS\n"), 2;
  std::ifstream file(argv[1], std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const std::optional<Network> network = read_network(bytes);
  if (!network) return std::fprintf(stderr, "%s is none of the networks\n", argv[1]), 1;
  real = &net_kernels();
  const NetKernels kernels = watched();
  const PackedNet net(*network, kernels);
  const auto run = [&] { return net.net() == Net::kPnet ? run_pnet(net) : run_crops(net); };
  float sum = run();  // memory is taken, and pages are there
  all_calls.clear();
  counting = std::strcmp(argv[2], "count") == 0;
  if (counting) {
    executed.resize(&etext - &__executable_start);
    struct sigaction action = {};
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &action, nullptr);
    sum = run();
    for (size_t i = 0; i < executed.size(); ++i)
      if (executed[i]) std::printf("%zx %u\n", i + reinterpret_cast<size_t>(&__executable_start), executed[i]);
  } else {
    for (int calls = std::atoi(argv[2]); calls > 0; --calls) {
      for (auto& [name, of] : all_calls) of.next = 0;
      sum = run();
    }
    for (const auto& [name, of] : all_calls) {
      uint64_t ticks = 0;
      for (const uint64_t least : of.least) ticks += least;
      std::printf("%s %zu %llu\n", name.c_str(), of.least.size(), static_cast<unsigned long long>(ticks));
    }
  }
  std::fprintf(stderr, "%s: %.9g\n", kernels.name, sum);
  return 0;
}
