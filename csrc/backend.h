// What a device must do. One Backend serves one thread at a time; it owns the frame, the canvas,
// the crops and the current set of boxes, so that only counts and the final faces leave the device.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine.h"
#include "pack.h"
#include "runtime/function_ref.h"
#include "types.h"

namespace trtmtcnn {

// How refine() looks at the boxes.
struct Refinement {
  int side = 0;  // of the crops
  float threshold = 0;
  Resize resize = Resize::kArea;
  bool inclusive_landmarks = true;  // landmarks span the box's inclusive side rather than x2 - x1
  bool mirror = false;              // averages what the network says of a crop and of its mirror image
};

class Backend {
 public:
  virtual ~Backend() = default;

  // What suits the device: P-Net's canvases, and the largest batch of crops.
  virtual PackLimits pack_limits() const = 0;
  virtual int max_batch(int side) const = 0;
  // The CUDA stream that the backend works on; null on a CPU.
  virtual void* stream() { return nullptr; }

  // Takes the frames, resized to `sizes` where these differ. The pixels must outlive the call's stages.
  virtual void load(std::span<const Image> images, std::span<const Size> sizes, Resize mode) = 0;
  virtual void unload() = 0;

  // Empties the set of boxes; `levels` are those that propose() will speak of.
  virtual void begin(std::span<const Level> levels) = 0;
  // Does the work that begin(), pyramid() to regress() are called in. A device may record what it enqueues and
  // play that again where the levels and the settings are those of an earlier call.
  struct Settings {
    float threshold = 0, nms_level = 0, nms_frame = 0;
    int keep = 0;
    Resize resize = Resize::kArea;
    bool nms_on_windows = true, whole_pixels = false;
    bool operator==(const Settings&) const = default;
  };
  virtual void repeat(const Settings&, size_t /*canvases*/, FunctionRef work) { work(); }
  // begin(), and then proposes from all levels without canvases; false, and nothing is done, where it needs those.
  virtual bool propose_levels(std::span<const Level>, const Engine& /*pnet*/, float /*threshold*/, Resize) {
    return false;
  }
  // Draws a canvas's tiles from the frames.
  virtual void pyramid(const Canvas& canvas, Resize mode) = 0;
  // Runs P-Net on the canvas and adds each cell with a score of at least `threshold` to the set,
  // as a window with its regression in pixels.
  virtual void propose(Context& pnet, const Engine& engine, const Canvas& canvas, float threshold) = 0;

  // Greedy suppression; leaves the set ordered by frame, then by falling score. At most `keep` a frame.
  virtual void nms(float threshold, Overlap overlap, Scope scope, int keep) = 0;
  // The same with Overlap::kMin in a frame; each survivor becomes the mean, weighted by score, of itself and those
  // it suppressed with an intersection over union above `average_above`.
  virtual void nms_average(float threshold, float average_above) = 0;
  // Adds the pending regression; drops what is left without width or height.
  virtual void regress() = 0;
  // Makes each box square about its centre, of whole pixels: rounded, or truncated towards zero. Drops what is left
  // without a pixel; the order of a box is its place in the set before.
  virtual void square(bool truncating) = 0;
  // Truncates boxes and landmarks towards zero and clips them to the frame.
  virtual void truncate_and_clip() = 0;

  // Crops each square, resizes it, runs the network and keeps boxes whose score is at least the threshold, with
  // their regression (and landmarks, where the network has them) in pixels.
  virtual void refine(Context& net, const Engine& engine, const Refinement& refinement) = 0;

  // Puts the set aside. Instead there are squares of each box, one for every scale, so many times as large; otherwise
  // as square() has it.
  virtual void save_and_square(bool truncating, std::span<const float> scales) = 0;
  // Brings that set back; each box and its landmarks become the mean of what they were and of what its squares have
  // become, as far as those are in the set still. So do scores, or else they stay.
  virtual void average_with_saved(bool scores) = 0;
  // Drops boxes with lower scores and leaves the set ordered as nms() does.
  virtual void drop_below(float score) = 0;

  // How many boxes are in the set.
  virtual int count() = 0;
  // True where P-Net proposed more than there was room for: there is now, and the stage must run again.
  virtual bool make_room() { return false; }
  // Copies the set out, ordered as it stands: dets[i] = x1, y1, x2, y2, score; landmarks (may be null)
  // x1..x5, y1..y5; frames[i] the frame of each.
  virtual void read(float* dets, float* landmarks, int* frames) = 0;
};

}  // namespace trtmtcnn
