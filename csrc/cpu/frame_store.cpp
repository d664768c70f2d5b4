#include "cpu/frame_store.h"

#include <utility>

namespace trtmtcnn::cpu {

FrameStore::FrameStore(std::shared_ptr<ThreadPool> pool) : pool_(std::move(pool)), scratch_(pool_->threads()) {}

void FrameStore::load(std::span<const Image> images, std::span<const Size> sizes, Resize mode) {
  if (frames_.size() < images.size()) frames_.resize(images.size());
  unload();  // a load that fails leaves no view of another call's pictures
  arena_.reset();
  mode_ = mode;
  count_ = static_cast<int>(images.size());
  for (size_t i = 0; i < images.size(); ++i) frames_[i].load(images[i], sizes[i], mode, *pool_, scratch_[0], arena_);
}

void FrameStore::unload() {
  for (Frame& frame : frames_) frame.unload();
  count_ = 0;
}

}  // namespace trtmtcnn::cpu
