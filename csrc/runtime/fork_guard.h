// Threads do not survive fork(): what owns some refuses to work in a child of the process that made it.
#pragma once

namespace trtmtcnn {

class ForkGuard {
 public:
  ForkGuard();
  bool is_this() const;
  void check() const;  // throws DeviceError in another process

 private:
  int id_;
};

}  // namespace trtmtcnn
