#include <dlfcn.h>
#include <sys/stat.h>

#include "error.h"
#include "runtime/shared_library.h"

namespace trtmtcnn {

namespace {

// dlopen() waits for ever for the writer of a pipe.
bool is_pipe_or_device(const std::string& path) {
  struct stat status;
  return path.find('/') != std::string::npos && stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) &&
         !S_ISDIR(status.st_mode);
}

}  // namespace

SharedLibrary::SharedLibrary(const std::string& path) : path_(path) {
  if (is_pipe_or_device(path)) throw DeviceError("cannot load " + path + ": it is a pipe or a device, not a file");
  // NODELETE: what these libraries start (threads, a CUDA context, exit handlers) does not outlive being unloaded.
  handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
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
