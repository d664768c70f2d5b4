#include "runtime/shared_library.h"

#include <dlfcn.h>

#include "error.h"

namespace trtmtcnn {

// NODELETE: what these libraries start (threads, a CUDA context, exit handlers) does not outlive being unloaded.
SharedLibrary::SharedLibrary(const std::string& path)
    : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)), path_(path) {
  if (!handle_) {
    const char* why = dlerror();
    throw DeviceError("cannot load " + path + ": " + (why ? why : "unknown error"));
  }
}

SharedLibrary::~SharedLibrary() { dlclose(handle_); }

void* SharedLibrary::symbol(const char* name) const {
  void* address = dlsym(handle_, name);
  if (!address) throw DeviceError(path_ + " has no function " + name + ": its version does not fit");
  return address;
}

}  // namespace trtmtcnn
