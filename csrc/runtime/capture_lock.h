// Keeps stream captures apart from what CUDA refuses while any thread of the process captures.
#pragma once

namespace trtmtcnn {

// Lives while TensorRT builds or loads an engine, or makes or destroys a context: it waits for the whole GPU then.
// Waits for a capture to end, which takes milliseconds.
class NoCapture {
 public:
  NoCapture();
  ~NoCapture();
  NoCapture(const NoCapture&) = delete;
  NoCapture& operator=(const NoCapture&) = delete;
};

// Lives while a stream captures. Does not wait: where another thread forbids a capture, held() is false.
class CaptureLock {
 public:
  CaptureLock();
  ~CaptureLock();
  CaptureLock(const CaptureLock&) = delete;
  CaptureLock& operator=(const CaptureLock&) = delete;

  bool held() const { return held_; }

 private:
  bool held_;
};

}  // namespace trtmtcnn
