// What is known of the networks. mtcnn/engines/networks.py is Python's table; a test compares them.
#pragma once

namespace trtmtcnn {

// The cascade's three, and L-Net, which refines the landmarks and may be missing.
enum class Net { kPnet, kRnet, kOnet, kLnet };
inline constexpr int kCascadeNetworks = 3, kNetworks = 4;

struct NetworkFacts {
  const char* name;
  int side;       // of the input, pixels; 0: any from kCell up
  int cpu_batch;  // crops at a time: more gain nothing once they fill the cores, and cost memory
  int gpu_batch;
};

inline constexpr NetworkFacts kFacts[kNetworks] = {
    {"pnet", 0, 1, 8},
    {"rnet", 24, 64, 256},
    {"onet", 48, 32, 64},
    {"lnet", 24, 16, 64},
};

constexpr const NetworkFacts& facts(Net net) { return kFacts[static_cast<int>(net)]; }

inline constexpr int kPoints = 5;               // facial landmarks
inline constexpr int kLandmarks = 2 * kPoints;  // x1..x5, y1..y5

// Channels of the input: R, G, B, of L-Net those of a crop about each landmark.
constexpr int input_channels(Net net) { return net == Net::kLnet ? 3 * kPoints : 3; }

// An output of a network, (n, channels, h, w). L-Net has landmarks alone, in sides of the crop about each.
struct Output {
  const char* name;
  int channels;
};

inline constexpr Output kProb{"prob1", 2};        // not face, face
inline constexpr Output kRegression{"boxes", 4};  // dx1, dy1, dx2, dy2
inline constexpr Output kLandmarkOutput{"landmarks", kLandmarks};

// Rows of a network's heads as one layer: those that it has, and rows of zeros.
inline constexpr int kHeads = 16;

constexpr bool has_landmarks(Net net) { return net == Net::kOnet || net == Net::kLnet; }
constexpr bool has_boxes(Net net) { return net != Net::kLnet; }

// P-Net's receptive field and stride, pixels.
inline constexpr int kCell = 12;
inline constexpr int kStride = 2;

// Cells of a P-Net grid along an axis of n pixels.
constexpr int grid_cells(int n) { return n < kCell ? 0 : (n - kCell) / kStride + 1; }
// Pixels that n cells read.
constexpr int grid_pixels(int cells) { return (cells - 1) * kStride + kCell; }

// The networks' input is (level - mean) * scale, levels from 0 to 255.
inline constexpr float kPixelMean = 127.5f;
inline constexpr float kPixelScale = 0.0078125f;

// Canvases that P-Net's levels are packed into, pixels. On a CPU: wide enough that tiles overlap little, small enough
// that a layer's activations stay in cache.
inline constexpr int kCpuCanvasWidths[] = {128, 256, 384, 512};
inline constexpr int kCpuCanvasHeight = 512;
inline constexpr int kGpuCanvasWidths[] = {512, 768, 1024, 1280};
inline constexpr int kGpuCanvasHeight = 1280;

}  // namespace trtmtcnn
