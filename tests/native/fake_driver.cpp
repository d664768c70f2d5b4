// As much of libcuda and libnvidia-ml as the GPU check calls by itself, of a GPU that is the host's memory. FAKE_DRIVER
// names a function that fails.
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

int status_of(const char* function) {
  const char* failing = std::getenv("FAKE_DRIVER");
  return failing && std::strcmp(failing, function) == 0 ? 999 : 0;
}

int contexts = 0;  // pushed and not popped

}  // namespace

extern "C" {

int cuInit(unsigned) { return status_of("cuInit"); }
int cuDeviceGetCount(int* count) { return *count = status_of("no GPU") ? 0 : 1, 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, status_of("cuDeviceGet"); }
int cuDeviceGetName(char* name, int room, int) { return std::strncpy(name, "NVIDIA Fake (8 GB)", room), 0; }
int cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = size_t{8} << 30, 0; }
int cuDriverGetVersion(int* version) { return *version = 13010, 0; }
int cuDeviceGetAttribute(int* value, int attribute, int) {
  const int of_h200[][2] = {{16, 132},      {13, 1980000}, {36, 3201000}, {37, 6144},
                            {38, 62914560}, {39, 2048},    {75, 9},       {76, 0}};
  for (const auto& [which, is] : of_h200)
    if (which == attribute) return *value = is, 0;
  return 1;
}

// Only with a context, as in CUDA.
int cuDevicePrimaryCtxRetain(void** context, int) { return *context = &contexts, 0; }
int cuDevicePrimaryCtxRelease_v2(int) { return 0; }
int cuCtxPushCurrent_v2(void* context) { return context == &contexts ? (++contexts, 0) : 201; }
int cuCtxPopCurrent_v2(void** context) { return *context = &contexts, contexts-- > 0 ? 0 : 201; }
int cuCtxSynchronize() { return contexts > 0 ? 0 : 201; }
int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
  if (contexts == 0) return 201;
  *address = reinterpret_cast<uint64_t>(std::malloc(bytes));
  return *address ? 0 : 2;
}
int cuMemFree_v2(uint64_t address) { return std::free(reinterpret_cast<void*>(address)), contexts > 0 ? 0 : 201; }
int cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  return (*address = std::malloc(bytes)) && contexts > 0 ? 0 : 2;
}
int cuMemFreeHost(void* address) { return std::free(address), contexts > 0 ? 0 : 201; }
int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) {
  return std::memcpy(reinterpret_cast<void*>(to), from, bytes), 0;
}
int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) {
  return std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes), 0;
}
int cuMemGetInfo_v2(size_t* left, size_t* all) { return *left = size_t{7} << 30, *all = size_t{8} << 30, 0; }

int nvmlInit_v2() { return status_of("nvmlInit_v2"); }
int nvmlShutdown() { return 0; }
int nvmlSystemGetDriverVersion(char* version, unsigned room) { return std::strncpy(version, "580.1", room), 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned, void** handle) { return *handle = &contexts, 0; }
int nvmlDeviceGetClockInfo(void* handle, int kind, unsigned* mhz) {
  return *mhz = 1000 + kind, handle == &contexts ? 0 : 2;
}
int nvmlDeviceGetMaxClockInfo(void* handle, int kind, unsigned* mhz) {
  return *mhz = 2000 + kind, handle == &contexts ? 0 : 2;
}
int nvmlDeviceGetPowerUsage(void* handle, unsigned* milliwatts) {
  return *milliwatts = 345678, handle == &contexts ? 0 : 2;
}
}
