// Threads do not survive fork(), nor does what CUDA knows: what has some refuses to work in a child of the process that
// made it.
#pragma once

namespace trtmtcnn {

class ForkGuard {
 public:
  ForkGuard();
  bool is_this() const;
  void check() const;  // throws DeviceError in another process

 private:
  int id_;  // of the process: how many forks lie before it
};

}  // namespace trtmtcnn
