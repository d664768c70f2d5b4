// Whether AddressSanitizer watches, and what it is told; nothing elsewhere.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRTMTCNN_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define TRTMTCNN_ASAN
#endif

#ifdef TRTMTCNN_ASAN
#include <sanitizer/asan_interface.h>
inline constexpr bool kAddressSanitizer = true;
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
inline constexpr bool kAddressSanitizer = false;
#endif
