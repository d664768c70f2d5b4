// cuda::StreamRuntime on GPUs that only watch. Exits with the number of what is not as it should be.
#include "cuda/stream_runtime.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "cuda/buffer.h"
#include "cuda/kernels/frame.h"
#include "cuda/kernels/resample.h"
#include "runtime/environment.h"
#include "runtime/fork_guard.cpp"

namespace trtmtcnn {

bool environment::cuda_graphs() { return true; }

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  ++failures;
}

template <typename Error>
void expect_error(const char* text, const std::function<void()>& call) {
  try {
    call();
    expect(false, text);
  } catch (const Error& error) {
    expect(std::string(error.what()).find(text) != std::string::npos, error.what());
  }
}

struct Narrow {
  void operator()(int) const {}
};
struct Collective {
  template <typename Warp>
  void operator()(const Warp&, int) const {}
};
struct Wide {
  void operator()(int64_t) const {}
};

// The caller's thread is on GPU 0, the runtime on GPU 1.
void other_gpu() {
  fake::current = 0;
  std::optional<cuda::StreamRuntime> runtime(std::in_place, 1);
  const auto here = [](const char* what) { expect(fake::current == 0, what); };
  {
    cuda::Buffer<cuda::StreamRuntime, int> device(*runtime);
    cuda::Buffer<cuda::StreamRuntime, int, true> pinned(*runtime);
    device.reserve(10);
    pinned.reserve(10);
    device.reserve(100);
    here("memory");
    int host = 0;
    runtime->upload(device.data(), &host, 4);
    runtime->copy(device.data(), device.data() + 1, 4);
    runtime->download(&host, device.data(), 4);
    runtime->zero(device.data(), 4);
    here("copies");
    runtime->for_each(5, Narrow{});
    runtime->for_each_warp(5, Collective{});
    expect(fake::blocks == 2, "each index has a warp, of which a block has four");
    here("kernels");
    const auto work = [&] { runtime->for_each(5, Narrow{}); };
    cuda::StreamRuntime::Graph graph = runtime->capture(work);
    runtime->launch(graph);
    runtime->synchronize();
    runtime->wait_for(nullptr);
    here("graphs");
    fake::current = 2;  // everything goes in a thread that is on a third
  }
  runtime.reset();
  expect(fake::current == 2, "destructors leave the thread its GPU");
  expect(fake::owner.empty(), "all is destroyed");
}

void nothing() {
  fake::current = 1;
  cuda::StreamRuntime runtime(1);
  runtime.zero(nullptr, 0);
  runtime.upload(nullptr, nullptr, 0);
  runtime.copy(nullptr, nullptr, 0);
  runtime.download(nullptr, nullptr, 0);
  const int before = fake::launches;
  runtime.for_each(0, Narrow{});
  runtime.for_each(-1, Wide{});
  expect(fake::launches == before, "no kernel starts for nothing");
}

// Whether the host must wait before it may use what the stream was given.
void idle() {
  fake::current = 1;
  cuda::StreamRuntime runtime(1);
  uint8_t from[4] = {}, to[4] = {};
  const auto gives_work = [&](const char* what, auto&& work) {
    expect(runtime.idle(), what);
    work();
    expect(!runtime.idle(), what);
    runtime.synchronize();
  };
  gives_work("a clear", [&] { runtime.zero(to, 4); });
  gives_work("an upload", [&] { runtime.upload(to, from, 4); });
  gives_work("a copy", [&] { runtime.copy(to, from, 4); });
  gives_work("a download", [&] { runtime.download(to, from, 4); });
  gives_work("a kernel", [&] { runtime.for_each(5, Narrow{}); });
  gives_work("a picture's stream", [&] { runtime.wait_for(nullptr); });
  runtime.zero(to, 0);
  expect(runtime.idle(), "nothing");
}

void errors() {
  fake::current = 1;
  {
    cuda::StreamRuntime runtime(1);
    const auto work = [] { throw std::runtime_error("in the work"); };
    expect_error<std::runtime_error>("in the work", [&] { runtime.capture(work); });
    expect(!fake::capturing, "a capture ends with an error");
  }
  fake::events_fail = true;
  expect_error<DeviceError>("make an event", [] { cuda::StreamRuntime runtime(1); });
  fake::events_fail = false;
  expect(fake::owner.empty(), "what an error interrupts is destroyed");
}

void places() {
  fake::current = 1;
  cuda::StreamRuntime runtime(1);
  uint8_t pixel[3] = {};
  Image image;
  image.on_device = true;
  image.data = pixel;
  expect_error<std::invalid_argument>("none of CUDA's", [&] { runtime.check_place(image); });
  for (const int device : {1, fake::kHost}) {
    fake::owner[pixel] = device;
    runtime.check_place(image);
  }
  fake::owner[pixel] = 2;
  expect_error<std::invalid_argument>("img is in the memory of GPU 2, this detector is on GPU 1",
                                      [&] { runtime.check_place(image); });
  fake::owner.erase(pixel);
}

// While a trace is on, kernels wait until the host waits for them, and are timed between two events each.
void timed() {
  fake::current = 0;
  {
    cuda::StreamRuntime runtime(1);
    cuda::Buffer<cuda::StreamRuntime, int> memory(runtime);
    memory.reserve(4);
    runtime.synchronize();
    expect(cuda::LaunchTrace::take().empty(), "nothing is traced unasked");
    cuda::LaunchTrace::start();
    expect(!runtime.can_capture(), "no graph hides kernels");
    const auto began = std::chrono::steady_clock::now();
    runtime.for_each(5, Narrow{});
    runtime.for_each_warp(3, Collective{});
    runtime.zero(memory.data(), 8);
    runtime.copy(memory.data(), memory.data() + 2, 4);
    expect(fake::host_functions_running == 1, "the stream is held up");
    runtime.synchronize();
    expect(fake::host_functions_running == 0, "and goes on when it is waited for");
    for (int i = 0; i < 1000; ++i) runtime.for_each(1, Narrow{});
    int host = 0;
    runtime.download(&host, memory.data(), 4);  // may be pageable: CUDA then waits for the stream
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    expect(fake::host_functions_running == 0, "nothing is held up that the host may wait for");
    runtime.synchronize();
    expect(std::chrono::steady_clock::now() - began < std::chrono::milliseconds(450), "no gate waits for its end");
    expect(fake::current == 0, "timers leave the thread its GPU");
    const std::vector<cuda::TimedLaunch> seen = cuda::LaunchTrace::take();
    expect(seen.size() == 4 + 1 + 1001 + 1, "all is seen");
    expect(seen[0].what == "Narrow" && seen[0].kind == std::string("kernel") && seen[0].amount == 5, "kernels");
    expect(seen[1].what == "Collective" && seen[1].amount == 3, "those that work by warps");
    expect(seen[2].kind == std::string("zero") && seen[2].amount == 8, "clears");
    expect(seen[3].kind == std::string("copy") && seen[3].us == 250, "copies and their time");
    expect(seen[4].kind == std::string("wait"), "waits");
    expect(runtime.can_capture(), "graphs are captured again");
    runtime.for_each(1, Narrow{});
    runtime.synchronize();
    expect(cuda::LaunchTrace::take().empty(), "nothing is traced once it has ended");
  }
  expect(fake::owner.empty(), "events are destroyed");
}

// In a child of the process CUDA is asked for nothing, not even to destroy anything.
void forked() {
  fake::current = 0;
  std::optional<cuda::StreamRuntime> runtime(std::in_place, 1);
  std::optional<cuda::Buffer<cuda::StreamRuntime, int>> memory(*runtime);
  std::optional<cuda::Buffer<cuda::StreamRuntime, int, true>> pinned(*runtime);
  memory->reserve(10);
  pinned->reserve(10);
  const auto work = [&] { runtime->for_each(5, Narrow{}); };
  std::optional<cuda::StreamRuntime::Graph> graph(runtime->capture(work));
  const pid_t child = fork();
  if (child == 0) {
    failures = fake::faults = 0;
    const int before = fake::calls;
    expect_error<DeviceError>("forked", [&] { runtime->for_each(5, Narrow{}); });
    expect_error<DeviceError>("forked", [&] { runtime->synchronize(); });
    expect_error<DeviceError>("forked", [&] { memory->reserve(1000); });
    expect_error<DeviceError>("forked", [] { cuda::StreamRuntime another(1); });
    graph.reset();
    pinned.reset();
    memory.reset();
    runtime.reset();
    expect(fake::calls == before, "CUDA is not called");
    _exit(failures + fake::faults);
  }
  int status = 0;
  waitpid(child, &status, 0);
  expect(status == 0, "a child");
  runtime->synchronize();
}

// 2^31 pixels and more.
void large() {
  fake::current = 1;
  cuda::StreamRuntime runtime(1);
  const int64_t n = (int64_t{1} << 31) + 7;
  runtime.for_each(n, Wide{});
  expect(fake::blocks == static_cast<unsigned>((n + 127) / 128), "each has a thread");
  expect_error<std::bad_alloc>("", [&] { runtime.for_each(n, Narrow{}); });

  constexpr Size kSize{60000, 50000};
  const size_t bytes = size_t{3} * kSize.height * kSize.width;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return expect(false, "address space");
  auto* out = static_cast<uint8_t*>(memory);
  const uint8_t pixel[3] = {10, 20, 30};
  cuda::DeviceFrame frame{};
  frame.mips[0] = {pixel, 1, 1, 3};
  frame.mip_count = 1;
  std::vector<cuda::Taps> taps(kSize.height + kSize.width);
  const int y = kSize.height - 1, x = kSize.width - 1;
  for (const int i : {y, kSize.height + x}) taps[i] = cuda::taps_of(frame, false, frame.window(), kSize, i);
  const int64_t last = int64_t{kSize.height} * kSize.width - 1;
  cuda::ResizeFrame{&frame, taps.data(), out, kSize}(last);
  for (int c = 0; c < 3; ++c) expect(out[3 * last + c] == pixel[c], "the last pixel is resized");
  const std::vector<uint8_t> row(size_t{6} * kSize.width, 40);  // all rows are this one
  frame.mips[0] = {row.data(), 2 * kSize.height, 2 * kSize.width, 0};
  frame.mips[1] = {out, kSize.height, kSize.width, ptrdiff_t{3} * kSize.width};
  frame.mip_count = 2;
  const int64_t start = 0;
  cuda::Halve{&frame, &start, 1, 0}(last);
  expect(out[3 * last] == 40, "the last pixel is halved");
  munmap(memory, bytes);
}

}  // namespace
}  // namespace trtmtcnn

int main() {
  trtmtcnn::other_gpu();
  trtmtcnn::nothing();
  trtmtcnn::idle();
  trtmtcnn::errors();
  trtmtcnn::places();
  trtmtcnn::forked();
  trtmtcnn::large();
  trtmtcnn::timed();
  return trtmtcnn::failures + fake::faults;
}
