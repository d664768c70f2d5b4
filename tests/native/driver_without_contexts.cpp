// An NVIDIA driver on which a context can be had, but not made the thread's. At its end it tells of what was asked of
// it that it must not be, or was not.
#include <cstdint>
#include <cstdio>

namespace {

struct Calls {
  int retained = 0, popped = 0;
  ~Calls() {
    if (retained != 0) std::puts("a context was kept");
    if (popped != 0) std::puts("the caller's context was taken away");
  }
} calls;

}  // namespace

extern "C" {
int cuInit(unsigned) { return 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, 0; }
int cuDevicePrimaryCtxRetain(void** context, int) {
  ++calls.retained;
  *context = &calls;
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(int) { return --calls.retained, 0; }
int cuCtxPushCurrent_v2(void*) { return 201; }
int cuCtxPopCurrent_v2(void**) { return ++calls.popped, 0; }
}
