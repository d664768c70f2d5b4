// The networks on AMX's own instructions, bit for bit beside the tiles in plain C++, and what a system does to their
// registers meanwhile: `amx_machine FOLDER write` keeps what the plain C++ gives, on any machine; as /init of a Linux
// on a processor with AMX, or as `amx_machine FOLDER check`, it compares. tools/amx.sh does both.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cpu/amx.h"
#include "cpu/nets/native_engine.h"
#include "cpu/nets/net_kernels.h"
#include "cpu/nets/packed_net.h"
#include "cpu/nets/pnet_rows.h"
#include "runtime/aligned.h"

namespace trtmtcnn::cpu {
extern const NetKernels net_kernels_emulated_amx, net_kernels_amx;
}

namespace {

using namespace trtmtcnn;
using namespace trtmtcnn::cpu;

std::string folder;
int wrong = 0;

void report(bool good, const std::string& what) {
  std::printf("%s: %s\n", good ? "good" : "WRONG", what.c_str());
  std::fflush(stdout);
  wrong += !good;
}

std::unique_ptr<PackedNet> load(const std::string& name, const NetKernels& kernels) {
  std::ifstream file(folder + "/" + name + ".onnx", std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const std::optional<Network> network = read_network(bytes);
  if (!network) std::fprintf(stderr, "no %s in %s\n", name.c_str(), folder.c_str()), std::exit(2);
  return std::make_unique<PackedNet>(*network, kernels);
}

float pixel(int i) { return static_cast<float>((i * 2654435761u) >> 8 & 0xffff) / 32768.0f - 1.0f; }

std::vector<float> run_pnet(const PackedNet& net) {
  constexpr int kWidth = 147, kHeight = 45;
  PnetRows rows;
  std::vector<float> heads, out;
  const auto draw = [](int y, float* row) {
    for (int i = 0; i < 3 * kWidth; ++i) row[i] = pixel(3 * kWidth * y + i);
  };
  const auto take = [&](int, int n, const float* logits, const float* features) {
    heads.resize(static_cast<size_t>(n) * kHeads);
    net.kernels().pnet_heads(net.heads(), features, n, heads.data());
    out.insert(out.end(), logits, logits + n);
    out.insert(out.end(), heads.begin(), heads.end());
  };
  rows.run(net, kWidth - 2, kHeight - 2, 0, (kHeight - 2) / 2 - 4, draw, take);
  return out;
}

std::vector<float> run_crops(const PackedNet& net, int n) {
  const size_t side = net.net() == Net::kRnet ? 24 : 48;
  std::vector<float> crops(n * side * side * 3 + kOverrun), out(size_t{kHeads} * n);
  for (size_t i = 0; i < n * side * side * 3; ++i) crops[i] = pixel(static_cast<int>(i));
  CropNet net_of_crops;
  net_of_crops.run(net, crops.data(), n, out.data());
  return out;
}

struct Nets {
  explicit Nets(const NetKernels& kernels)
      : pnet(load("pnet", kernels)), rnet(load("rnet", kernels)), onet(load("onet", kernels)) {}
  std::unique_ptr<PackedNet> pnet, rnet, onet;
};

using Results = std::vector<std::vector<float>>;

constexpr int kOnetBatches[] = {1, 2, 3, 16};

Results all(const Nets& nets) {
  Results results{run_pnet(*nets.pnet)};
  for (int n = 1; n <= 16; ++n) results.push_back(run_crops(*nets.rnet, n));
  for (const int n : kOnetBatches) results.push_back(run_crops(*nets.onet, n));
  return results;
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void write(const Results& results) {
  std::ofstream file(folder + "/expected.bin", std::ios::binary);
  for (const auto& values : results) {
    const size_t n = values.size();
    file.write(reinterpret_cast<const char*>(&n), sizeof n);
    file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(n * sizeof(float)));
  }
}

Results read() {
  std::ifstream file(folder + "/expected.bin", std::ios::binary);
  Results results;
  for (size_t n; file.read(reinterpret_cast<char*>(&n), sizeof n);) {
    results.emplace_back(n);
    file.read(reinterpret_cast<char*>(results.back().data()), static_cast<std::streamsize>(n * sizeof(float)));
  }
  return results;
}

// What a process of its own, which has asked for nothing yet, is told.
template <class Prepare>
std::string problem_after(const Prepare& prepare) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  if (fork() == 0) {
    prepare();
    const std::string& problem = amx_problem();
    _exit(::write(ends[1], problem.data(), problem.size()) < 0);
  }
  close(ends[1]);
  char text[512];
  const ssize_t n = ::read(ends[0], text, sizeof text);
  close(ends[0]);
  wait(nullptr);
  return std::string(text, n > 0 ? static_cast<size_t>(n) : 0);
}

void refuse_arch_prctl() {
  sock_filter rules[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
                         {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_arch_prctl},
                         {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
                         {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  const sock_fprog program{4, rules};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

void small_signal_stack() {
  static char memory[4096];
  const stack_t stack{memory, 0, sizeof memory};
  sigaltstack(&stack, nullptr);
}

// A handler that configures tiles of its own while the code it interrupts uses them. It allocates nothing.
class Handler {
 public:
  Handler(const PackedNet& rnet, const std::vector<float>& expected)
      : rnet_(rnet),
        expected_(expected),
        scratch_(rnet.kernels().crop_scratch(true, 1)),
        crop_(24 * 24 * 3 + kOverrun) {
    for (int i = 0; i < 24 * 24 * 3; ++i) crop_[static_cast<size_t>(i)] = pixel(i);
    current = this;
    struct sigaction action{};
    action.sa_handler = [](int) { current->handle(); };
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, nullptr);
    const itimerval often{{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &often, nullptr);
  }
  ~Handler() {
    const itimerval never{};
    setitimer(ITIMER_REAL, &never, nullptr);
    signal(SIGALRM, SIG_IGN);
  }

  std::atomic<int> calls{0}, different{0};

 private:
  void handle() {
    if (busy_.exchange(true)) return;  // in another thread
    ++calls;
    float out[kHeads] = {};
    {
      const KernelSession session(rnet_.kernels());
      rnet_.kernels().rnet(rnet_.convs(), crop_.data(), 1, scratch_.data(), out);
    }
    for (size_t i = 2; i < 6; ++i) different += out[i] != expected_[i];  // the box, which nothing follows
    busy_ = false;
  }

  static inline Handler* current;
  const PackedNet& rnet_;
  const std::vector<float>& expected_;
  AlignedVector<std::byte> scratch_;
  AlignedVector<float> crop_;
  std::atomic<bool> busy_{false};
};

void check() {
  report(problem_after(refuse_arch_prctl).find("refuses AMX's tiles") != std::string::npos,
         "where a filter forbids the call: " + problem_after(refuse_arch_prctl));
  report(problem_after(small_signal_stack).find("signal") != std::string::npos,
         "where a thread's signal stack is small: " + problem_after(small_signal_stack));
  report(problem_after([] {}).empty(), "another process is granted tiles");
  const std::string& problem = amx_problem();
  report(problem.empty(), "tiles: " + (problem.empty() ? "granted" : problem));
  if (!problem.empty()) return;

  const Results expected = read();
  const Nets nets(net_kernels_amx);
  const Results found = all(nets);
  report(!expected.empty() && found.size() == expected.size(), std::to_string(expected.size()) + " results");
  for (size_t i = 0; i < found.size() && i < expected.size(); ++i)
    report(same(found[i], expected[i]), i == 0    ? "P-Net"
                                        : i <= 16 ? "R-Net, " + std::to_string(i) + " crops"
                                                  : "O-Net, " + std::to_string(kOnetBatches[i - 17]) + " crops");

  // Threads that start after the leave was given, whose registers are saved and restored when they take turns, and
  // signals that interrupt them.
  std::atomic<int> different{0};
  {
    Handler handler(*nets.rnet, expected[1]);
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&, t] {
        for (int round = 0; round < 40; ++round) {
          const int n = 1 + (round + t) % 16;
          if (!same(run_crops(*nets.rnet, n), expected[static_cast<size_t>(n)])) ++different;
        }
      });
    // The system would give them to this thread, which uses no tiles.
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarms, nullptr);
    for (std::thread& thread : threads) thread.join();
    report(different == 0, "three threads that take turns");
    report(handler.calls > 0 && handler.different == 0,
           std::to_string(handler.calls) + " signals whose handler uses tiles");
  }

  const pid_t child = fork();
  if (child == 0) _exit(same(run_crops(*nets.rnet, 5), expected[5]) ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  report(status == 0, "a forked child");
  report(same(run_crops(*nets.rnet, 5), expected[5]), "its parent");
}

}  // namespace

int main(int argc, char** argv) {
  const bool init = getpid() == 1;
  folder = argc > 1 && !init ? argv[1] : "/";
  if (argc > 2 && std::strcmp(argv[2], "write") == 0) return write(all(Nets(net_kernels_emulated_amx))), 0;
  check();
  std::printf("AMX: %s\n", wrong ? "WRONG" : "all good");
  std::fflush(stdout);
  if (init) tcdrain(STDOUT_FILENO), reboot(RB_POWER_OFF);
  return wrong > 0;
}
