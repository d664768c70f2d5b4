#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "error.h"
#include "runtime/shared_library.h"

namespace trtmtcnn {
namespace {

std::wstring wide(const std::string& text) {
  const int size = static_cast<int>(text.size());
  std::wstring out(MultiByteToWideChar(CP_UTF8, 0, text.data(), size, nullptr, 0), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, text.data(), size, out.data(), static_cast<int>(out.size()));
  return out;
}

std::string narrow(const wchar_t* text, int size) {
  std::string out(WideCharToMultiByte(CP_UTF8, 0, text, size, nullptr, 0, nullptr, nullptr), '\0');
  WideCharToMultiByte(CP_UTF8, 0, text, size, out.data(), static_cast<int>(out.size()), nullptr, nullptr);
  return out;
}

std::string describe(DWORD error) {
  wchar_t text[512];
  DWORD size =
      FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr, error, 0, text, 512, nullptr);
  while (size > 0 && (text[size - 1] <= L' ' || text[size - 1] == L'.')) --size;
  return narrow(text, static_cast<int>(size)) + " (Windows error " + std::to_string(error) + ")";
}

bool names_folder(const std::string& path) { return path.find_first_of("/\\") != std::string::npos; }

}  // namespace

SharedLibrary::SharedLibrary(const std::string& path) : path_(path) {
  // Opening a named pipe waits for who made it.
  if (path.starts_with("\\\\.\\")) throw DeviceError("cannot load " + path + ": it is a pipe or a device, not a file");
  // What is beside a library serves it; a library that is but named is the system's, never the current folder's.
  const DWORD where = names_folder(path) ? LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS
                                         : LOAD_LIBRARY_SEARCH_SYSTEM32;
  std::wstring name = wide(path);
  for (wchar_t& c : name)
    if (c == L'/') c = L'\\';  // LoadLibraryEx knows no others
  handle_ = LoadLibraryExW(name.c_str(), nullptr, where);
  if (!handle_) throw DeviceError("cannot load " + path + ": " + describe(GetLastError()));
}

// It stays loaded: what such a library starts (threads, a CUDA context) does not outlive being unloaded.
SharedLibrary::~SharedLibrary() = default;

void* SharedLibrary::symbol(const char* name) const {
  const FARPROC address = GetProcAddress(static_cast<HMODULE>(handle_), name);
  if (!address) throw DeviceError(path_ + " has no function " + name + ": its version does not fit");
  return reinterpret_cast<void*>(address);
}

}  // namespace trtmtcnn
