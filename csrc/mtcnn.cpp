#include "mtcnn.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

namespace trtmtcnn {
namespace {

constexpr int kRnetSide = 24;
constexpr int kOnetSide = 48;
constexpr int64_t kMostPixels = int64_t{1} << 34;  // of a call's levels: minutes of work
constexpr int kAll = std::numeric_limits<int>::max();

bool same_geometry(std::span<const Level> a, std::span<const Level> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Level& x, const Level& y) { return x.size == y.size; });
}

// The canvases that suit the device, as far as P-Net's engine takes them.
PackLimits canvas_limits(const Backend& backend, const Engine& pnet) {
  PackLimits limits = backend.pack_limits();
  const Shape largest = pnet.largest_input();
  std::erase_if(limits.widths, [&](int width) { return width > largest[3]; });
  if (limits.widths.empty()) limits.widths.push_back(static_cast<int>(largest[3]));
  limits.max_height = static_cast<int>(std::min<int64_t>(limits.max_height, largest[2]));
  return limits;
}

// What passes O-Net's first look: scores that further ones, of 1 at most, can lift to a mean of the threshold; and at
// least a quarter of it, for the time that each takes.
float least_first_score(float threshold, size_t further_looks) {
  return std::max(threshold / 4, threshold - static_cast<float>(further_looks) * (1 - threshold));
}

}  // namespace

TrtMtcnn::TrtMtcnn(std::unique_ptr<Backend> backend, std::shared_ptr<Engine> pnet, std::shared_ptr<Engine> rnet,
                   std::shared_ptr<Engine> onet)
    : backend_(std::move(backend)), pnet_(std::move(pnet)), rnet_(std::move(rnet)), onet_(std::move(onet)) {
  for (Stage* stage : {&pnet_, &rnet_, &onet_}) stage->context->use_stream(backend_->stream());
}

void TrtMtcnn::load(std::span<const Image> images, std::span<const Size> sizes, const CascadeOptions& options) {
  options_ = options;
  backend_->load(images, sizes, options.resize);
}

int TrtMtcnn::pnet(std::span<const Level> levels, float threshold, float nms_level, float nms_frame, int keep) {
  int64_t pixels = 0;
  for (const Level& level : levels) {
    pixels += int64_t{level.size.height} * level.size.width;
    if (pixels > kMostPixels)
      throw std::invalid_argument("levels are too large: look for larger faces, or at a smaller picture");
  }
  const auto suppress = [&] {
    if (!options_.nms_on_windows) backend_->regress();
    backend_->nms(nms_level, Overlap::kUnion, Scope::kLevel, kAll);
    backend_->nms(nms_frame, Overlap::kUnion, Scope::kFrame, keep);
    if (options_.nms_on_windows) backend_->regress();
    if (options_.whole_pixels) backend_->truncate_and_clip();
  };
  if (backend_->propose_levels(levels, *pnet_.engine, threshold, options_.resize)) {
    suppress();
    return backend_->count();
  }

  if (!same_geometry(levels, levels_)) {
    plan_ = pack(levels, canvas_limits(*backend_, *pnet_.engine));
    levels_.assign(levels.begin(), levels.end());
  }
  const auto propose_all = [&] {
    for (const Canvas& canvas : plan_) {
      backend_->pyramid(canvas, options_.resize);
      backend_->propose(*pnet_.context, *pnet_.engine, canvas, threshold);
    }
    suppress();
  };
  const Backend::Settings settings{
      threshold, nms_level, nms_frame, keep, options_.resize, options_.nms_on_windows, options_.whole_pixels};
  int found = 0;
  do {
    backend_->begin(levels);
    backend_->repeat(settings, plan_.size(), propose_all);
    found = backend_->count();
  } while (backend_->make_room());
  return found;
}

int TrtMtcnn::rnet(float threshold, float nms_threshold, int keep) {
  backend_->square(options_.whole_pixels);
  backend_->refine(*rnet_.context, *rnet_.engine,
                   {kRnetSide, threshold, options_.resize, !options_.whole_pixels, false});
  if (!options_.nms_on_windows) backend_->regress();
  backend_->nms(nms_threshold, Overlap::kUnion, Scope::kFrame, keep);
  if (options_.nms_on_windows) backend_->regress();
  if (options_.whole_pixels) backend_->truncate_and_clip();
  return backend_->count();
}

int TrtMtcnn::onet(float threshold, float nms_threshold) {
  const auto look = [&](float least, bool mirror) {
    backend_->refine(*onet_.context, *onet_.engine,
                     {kOnetSide, least, options_.resize, !options_.whole_pixels, mirror});
    backend_->regress();
  };
  const bool again = !options_.looks.empty(), average_scores = options_.average_scores && again;
  backend_->square(options_.whole_pixels);
  look(average_scores ? least_first_score(threshold, options_.looks.size()) : threshold,
       options_.mirror && (options_.mirror_first || !again));
  if (options_.average_above < 1)
    backend_->nms_average(nms_threshold, options_.average_above);
  else
    backend_->nms(nms_threshold, Overlap::kMin, Scope::kFrame, kAll);
  if (again && backend_->count() > 0) {
    backend_->save_and_square(options_.whole_pixels, options_.looks);
    look(-std::numeric_limits<float>::infinity(), options_.mirror);
    backend_->average_with_saved(average_scores);
  }
  if (average_scores) backend_->drop_below(threshold);
  if (options_.whole_pixels) backend_->truncate_and_clip();
  return backend_->count();
}

}  // namespace trtmtcnn
