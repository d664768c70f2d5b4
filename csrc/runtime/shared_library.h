// A shared library opened when it is first needed: shared_library_posix.cpp, shared_library_windows.cpp.
#pragma once

#include <string>

namespace trtmtcnn {

class SharedLibrary {
 public:
  explicit SharedLibrary(const std::string& path);  // throws DeviceError
  ~SharedLibrary();
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;

  template <typename Function>
  void bind(Function*& function, const char* name) const {
    function = reinterpret_cast<Function*>(symbol(name));
  }

 private:
  void* symbol(const char* name) const;  // throws DeviceError
  void* handle_ = nullptr;
  std::string path_;
};

}  // namespace trtmtcnn
