// The networks' inner loops, compiled once for each instruction set and chosen at run time.
//
// Maps are (row, column, channel). The output channels of a pixel lie side by side in vectors: each input value is
// broadcast and multiplied by its weights for all of them. Inputs and weights of convolutions are `values`: float32, or
// bfloat16 where tiles of it are multiplied (tile_kernels_isa.cpp). Sums, biases and PReLUs are float32.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trtmtcnn::cpu {

// Values that follow every map, all finite: kernels read and store whole vectors, beyond the end of a map.
inline constexpr int kOverrun = 32;

// Whether slopes of PReLUs are packed less one: on Arm x + (slope - 1) min(x, 0) takes two instructions, a choice
// three.
#ifdef __aarch64__
inline constexpr bool kSlopesLessOne = true;
#else
inline constexpr bool kSlopesLessOne = false;
#endif

// The weights of a convolution, padded with zeros to whole vectors of output channels.
struct PackedConv {
  const void* weights;  // [vector][kernel row][input][lane], or tiles; null: `transformed` is used
  const float* bias;
  const float* slope;        // of the PReLU
  const float* transformed;  // Winograd's [transformed value][vector][input channel][lane]; null: `weights` are used
};

struct NetKernels {
  const char* name;
  int lanes;           // floats in a vector
  int value_size;      // bytes
  int pooled_stride;   // values from one pixel to the next in what pnet_conv1 writes
  int conv1_tile = 0;  // side of Winograd's tiles along pnet_conv1's rows, which pnet_input transforms; 0: none
  int conv1_rows = 1;  // of those tiles: one or two

  // P-Net works on rows of n pixels; pnet_conv* make `count` of them from count + 2 rows of their input.
  // Converts a row (n, 3) to the layout that pnet_conv1 reads, of pnet_row_bytes(n, kernels).
  void (*pnet_input)(const float* pixels, int n, void* out);
  // Convolves two rows to 10 channels (or one, the last of an odd number) and writes the maxima of their 2x2 windows,
  // (n + 1) / 2 pixels.
  void (*pnet_conv1)(const PackedConv&, const void* const* rows, int count, int n, void* out);
  // Convolves 10 to 16 channels. Four rows at a time are fastest.
  void (*pnet_conv2)(const PackedConv&, const void* const* rows, int count, int n, void* const* out);
  // Convolves 16 to 32 channels, the features, which are floats.
  void (*pnet_conv3)(const PackedConv&, const void* const* rows, int count, int n, float* const* out);
  // out[i] = weights . features[i] + bias, of 32 features a pixel. Writes up to a vector more than n.
  void (*pnet_dot)(const float* features, int n, const float* weights, float bias, float* out);
  // Writes the outputs of all heads, kHeads floats a pixel.
  void (*pnet_heads)(const PackedConv&, const float* features, int n, float* out);
  // The same of n crops' last features, 128, 256 or 320.
  void (*crop_heads)(const PackedConv&, const float* features, int inputs, int n, float* out);

  // Crops (n, side, side, 3) of floats to the heads' outputs (n, kHeads). `scratch`: rnet_scratch(n) or
  // onet_scratch(n) bytes on a cache line, which were zero before the first call.
  void (*rnet)(const PackedConv* convs, const void* crops, int n, void* scratch, float* out);
  void (*onet)(const PackedConv* convs, const void* crops, int n, void* scratch, float* out);
  // The same for faces, each of five crops, in lnet_scratch(n) bytes. Null: L-Net runs on the kernels of float32.
  void (*lnet)(const PackedConv* convs, const void* crops, int n, void* scratch, float* out) = nullptr;

  int head_lanes;                         // floats in a vector of the heads' weights
  int first_rows = 2, first_columns = 2;  // of Winograd's tiles in R-Net's and O-Net's first layer
  bool slopes_less_one = kSlopesLessOne;  // of all layers
  int batch = 8;                          // crops at a time: enough for the dense layers to use each weight often
  bool float16 = false;                   // what layers but the heads read and compute in; slopes are packed less one
  // Layers but the heads multiply tiles of bfloat16; their weights come in whole tiles, of 16 outputs and 32 inputs.
  bool tiles = false;
  // What a thread calls before its first layer and after its last; null: nothing.
  void (*begin)() = nullptr;
  void (*end)() = nullptr;
  // Bytes of scratch for a batch; null: rnet_scratch(n), onet_scratch(n).
  size_t (*crop_scratch)(bool rnet, int n) = nullptr;
  // One layer of R-Net or O-Net with its PReLU and pooling, of n maps, for tests: values in and out, those of the first
  // layer and behind dense layers floats. Null: none.
  void (*crop_layer)(bool rnet, int layer, const PackedConv&, const void* in, int n, void* scratch,
                     void* out) = nullptr;
};

// P-Net's first layer in tiles: a row of inputs is ten pixels of three channels, of which eight pixels of ten channels
// come, those of the even ones in the first kFirstColumns columns of sums, those of the odd ones in the next.
inline constexpr int kFirstPixels = 8, kFirstColumns = 48;

// A thread's work on layers.
class KernelSession {
 public:
  explicit KernelSession(const NetKernels& kernels) : kernels_(kernels) {
    if (kernels_.begin) kernels_.begin();
  }
  ~KernelSession() {
    if (kernels_.end) kernels_.end();
  }
  KernelSession(const KernelSession&) = delete;
  KernelSession& operator=(const KernelSession&) = delete;

 private:
  const NetKernels& kernels_;
};

// Floats that a plane of every second one of n columns takes, with what whole vectors store behind it.
constexpr int64_t pnet_plane(int n) { return ((n + 1) / 2 + kOverrun + 15) / 16 * 16; }
constexpr size_t pnet_row_bytes(int n) { return (4 * 6 * static_cast<size_t>(pnet_plane(n)) + 63) / 64 * 64; }

// Floats between the transformed values of tiles, so that they do not lie a power of two apart, in the same cache set.
inline constexpr int kPadding = 16;
// Floats that Winograd's transforms of a layer work in: those of the layer that needs most.
inline constexpr int kRnetScratchFloats = 25 * (9 * (32 + 48) + 2 * kPadding);
inline constexpr int kOnetScratchFloats = 36 * (16 * (64 + 64) + 2 * kPadding);

// Bytes that n values take in the scratch memory, floats or not.
constexpr size_t scratch_part(int64_t n) { return (static_cast<size_t>(n) * 4 + 4 * kOverrun + 63) / 64 * 64; }

// Bytes of scratch for a batch of n.
constexpr size_t rnet_scratch(int64_t n) {
  return scratch_part(kRnetScratchFloats) + scratch_part(11 * 11 * 32) + scratch_part(9 * 9 * 48) +
         scratch_part(768 * n) + scratch_part(576 * n) + scratch_part(128 * n);
}
constexpr size_t onet_scratch(int64_t n) {
  return scratch_part(kOnetScratchFloats) + scratch_part(23 * 23 * 32) + scratch_part(21 * 21 * 64) +
         scratch_part(6400 * n) + scratch_part(1024 * n) + scratch_part(1152 * n) + scratch_part(256 * n);
}
constexpr size_t lnet_scratch(int64_t n) {
  return scratch_part(kRnetScratchFloats) + scratch_part(11 * 11 * 32) + scratch_part(9 * 9 * 48) +
         scratch_part(768 * n) + scratch_part(576 * n) + scratch_part(2880 * n) + scratch_part(256 * n) +
         scratch_part(320 * n);
}

// Bytes of a row of n pixels as pnet_conv1 reads it.
constexpr size_t pnet_row_bytes(int n, const NetKernels& kernels) {
  if (kernels.conv1_tile == 0) return pnet_row_bytes(n);
  // 18 values a tile of four pixels, in vectors of tiles.
  const size_t vectors = (static_cast<size_t>(n) - 2 + 4 * kernels.lanes - 1) / (4 * kernels.lanes);
  return (18 * vectors * kernels.lanes * sizeof(float) + 63) / 64 * 64;
}

// Those of this machine's best instruction set, or of $TRT_MTCNN_ISA.
const NetKernels& net_kernels();

}  // namespace trtmtcnn::cpu
