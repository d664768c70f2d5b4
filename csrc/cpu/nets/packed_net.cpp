#include "cpu/nets/packed_net.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace trtmtcnn::cpu {
namespace {

// Rounds to the nearest, ties to even, as the hardware does. Weights are finite.
uint16_t to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// To the nearest, of two the even one; infinity beyond the largest. Weights are finite.
uint16_t to_float16(float value) {
  constexpr uint32_t kTooLarge = 0x47800000, kLeastNormal = 0x38800000;
  constexpr uint32_t kSameUnit = 0x3f000000;  // a float that counts in float16's least unit, 2^-24
  const uint32_t bits = std::bit_cast<uint32_t>(value), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
  if (size >= kTooLarge) return static_cast<uint16_t>(sign | 0x7c00);
  if (size < kLeastNormal) {
    const float fixed = std::bit_cast<float>(size) + std::bit_cast<float>(kSameUnit);
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(fixed) - kSameUnit));
  }
  return static_cast<uint16_t>(sign | (size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13);
}

float from_float16(uint16_t half) {
  constexpr float kExponents = 0x1p112f;  // float32's bias less float16's
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16, size = half & 0x7fff;
  const float value =
      size >= 0x7c00 ? std::numeric_limits<float>::infinity() : std::bit_cast<float>(size << 13) * kExponents;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
}

// Numbers as the kernels read them: float32, float16, or float16 in floats where it is emulated.
class Scalars {
 public:
  Scalars(void* at, bool float16, int size) : at_(at), float16_(float16), size_(size) {}

  void set(size_t i, float value) {
    if (float16_ && size_ == 2)
      static_cast<uint16_t*>(at_)[i] = to_float16(value);
    else
      floats()[i] = float16_ ? from_float16(to_float16(value)) : value;
  }
  float* floats() const { return static_cast<float*>(at_); }

 private:
  void* at_;
  bool float16_;
  int size_;
};

// G of F(4, 3): transforms a kernel row for the points 0, 1, -1, 2, -2 and infinity.
constexpr double kOfSix3[][3] = {{1 / 4., 0, 0},
                                 {-1 / 6., -1 / 6., -1 / 6.},
                                 {-1 / 6., 1 / 6., -1 / 6.},
                                 {1 / 24., 2 / 24., 4 / 24.},
                                 {1 / 24., -2 / 24., 4 / 24.},
                                 {0, 0, 1}};

// The side of the tiles that Winograd's transforms make of a layer's output in float32; 0: pixel by pixel.
int tile_of(Net net, size_t layer, const NetKernels& kernels) {
  if (net == Net::kLnet)
    return layer < 3 * kPoints ? tile_of(Net::kRnet, layer % 3, kernels) : 0;  // its towers are R-Net's layers
  constexpr int kTiles[3][4] = {{0, 4, 4, 0}, {0, 3, 3, 0}, {0, 3, 4, 3}};
  if (layer == 0) return net != Net::kPnet ? kernels.first_rows : kernels.conv1_tile > 0 ? kernels.conv1_rows : 0;
  return layer < 4 ? kTiles[net == Net::kPnet ? 0 : net == Net::kRnet ? 1 : 2][layer] : 0;
}

}  // namespace

template <class T>
T* PackedNet::allocate(size_t n) {
  const size_t bytes = n * sizeof(T);
  buffers_.push_back(allocate_memory(bytes));
  std::memset(buffers_.back().get(), 0, bytes);
  return reinterpret_cast<T*>(buffers_.back().get());
}

bool PackedNet::fits_float16(const Network& network) {
  constexpr float kMost = 256;
  const auto small = [](float value) { return std::abs(value) <= kMost; };
  return std::all_of(network.convs.begin(), network.convs.end(), [&](const Conv& conv) {
    return std::all_of(conv.weights.begin(), conv.weights.end(), small) &&
           std::all_of(conv.bias.begin(), conv.bias.end(), small) &&
           std::all_of(conv.slope.begin(), conv.slope.end(), small);
  });
}

PackedNet::PackedNet(const Network& network, const NetKernels& kernels) : net_(network.net), kernels_(kernels) {
  for (size_t i = 0; i < network.convs.size(); ++i) {
    const Conv& conv = network.convs[i];
    if (kernels.tiles && net_ == Net::kPnet && i == 0)
      pack_first_tiles(conv);
    else if (kernels.tiles)  // R-Net's map of 28 channels lies in pixels of 32
      pack_tiles(conv, i == 0, net_ == Net::kPnet ? conv.in : (conv.in + 15) / 16 * 16);
    else if (i == 0 && net_ == Net::kPnet && kernels.conv1_tile > 0 && kernels.conv1_rows == 1)
      pack_row_tiles(conv);
    else
      pack(conv, tile_of(net_, i, kernels), false);
  }
  pack(network.heads, 0, true);  // always float32: it costs little here, and scores are compared with thresholds
  const int features = network.heads.in;
  for (int i = 0; i < features; ++i)
    face_weights_.push_back(network.heads.weights[features + i] - network.heads.weights[i]);
  face_bias_ = network.heads.bias[1] - network.heads.bias[0];
}

void PackedNet::pack(const Conv& conv, int tile, bool heads) {
  const int lanes = heads ? kernels_.head_lanes : kernels_.lanes, vectors = (conv.out + lanes - 1) / lanes,
            run = conv.kernel * conv.in;
  const bool transforms = tile > 0;
  // P-Net needs both: a map of a small level has fewer rows than a tile.
  const bool plain = !transforms || net_ == Net::kPnet;
  const bool less_one = slopes_less_one(heads);
  const auto scalars = [&](size_t n) {
    return Scalars(n > 0 ? allocate<float>(n) : nullptr, kernels_.float16 && !heads, kernels_.value_size);
  };
  Scalars weights = scalars(plain ? static_cast<size_t>(vectors) * conv.kernel * run * lanes : 0);
  Scalars bias = scalars(static_cast<size_t>(vectors) * lanes), slope = scalars(static_cast<size_t>(vectors) * lanes);
  for (int o = 0; o < conv.out; ++o) {
    bias.set(o, conv.bias[o]);
    slope.set(o, (conv.slope.empty() ? 1.0f : conv.slope[o]) - (less_one ? 1.0f : 0.0f));
    for (int y = 0; plain && y < conv.kernel; ++y) {
      for (int i = 0; i < run; ++i) {
        const int x = i / conv.in, channel = i % conv.in;
        const float w =
            conv.weights[((static_cast<size_t>(o) * conv.in + channel) * conv.kernel + y) * conv.kernel + x];
        const size_t row = static_cast<size_t>(o / lanes) * conv.kernel + y;
        weights.set((row * run + i) * lanes + o % lanes, w);
      }
    }
  }
  const int columns = conv.in > 3 ? tile : net_ == Net::kPnet ? kernels_.conv1_tile : kernels_.first_columns;
  convs_.push_back(
      {weights.floats(), bias.floats(), slope.floats(), transforms ? transform(conv, tile, columns) : nullptr});
}

bool PackedNet::slopes_less_one(bool heads) const { return kernels_.slopes_less_one || (kernels_.float16 && !heads); }

// The bias is in the sums for the point 1, which is added to each of a tile's pixels.
void PackedNet::pack_row_tiles(const Conv& conv) {
  const size_t out = conv.out;
  float *transformed = allocate<float>(6 * (1 + 9) * out), *slope = allocate<float>(out), *to = transformed;
  for (size_t value = 0; value < 6; ++value) {
    for (size_t o = 0; o < out; ++o) *to++ = value == 1 ? conv.bias[o] : 0.0f;
    for (int c = 0; c < 3; ++c)
      for (int y = 0; y < 3; ++y)
        for (size_t o = 0; o < out; ++o) {
          const float* row = &conv.weights[((o * 3 + c) * 3 + y) * 3];
          double sum = 0;
          for (int x = 0; x < 3; ++x) sum += row[x] * kOfSix3[value][x];
          *to++ = static_cast<float>(sum);
        }
  }
  for (size_t o = 0; o < out; ++o)
    slope[o] = (conv.slope.empty() ? 1.0f : conv.slope[o]) - (slopes_less_one(false) ? 1.0f : 0.0f);
  convs_.push_back({nullptr, nullptr, slope, transformed});
}

void PackedNet::pack_tiles(const Conv& conv, bool unrolled, int stride) {
  constexpr int kOutputs = 16, kInputs = 32;  // of a tile
  const int rows = unrolled ? 1 : conv.kernel, vectors = (conv.out + kOutputs - 1) / kOutputs;
  const int run = unrolled ? conv.kernel * conv.kernel * conv.in : conv.kernel * stride;
  const int tiles = (run + kInputs - 1) / kInputs;
  auto* weights = allocate<uint16_t>(static_cast<size_t>(vectors) * rows * tiles * kOutputs * kInputs);
  float* bias = allocate<float>(static_cast<size_t>(vectors) * kOutputs);
  float* slope = allocate<float>(static_cast<size_t>(vectors) * kOutputs);
  const float* w = conv.weights.data();  // (out, in, kernel, kernel)
  for (int o = 0; o < conv.out; ++o) {
    bias[o] = conv.bias[o];
    slope[o] = (conv.slope.empty() ? 1.0f : conv.slope[o]) - (kSlopesLessOne ? 1.0f : 0.0f);
    for (int channel = 0; channel < conv.in; ++channel)
      for (int y = 0; y < conv.kernel; ++y)
        for (int x = 0; x < conv.kernel; ++x, ++w) {
          const int row = unrolled ? 0 : y;
          const int i = unrolled ? (y * conv.kernel + x) * conv.in + channel : x * stride + channel;
          const size_t tile = (static_cast<size_t>(o / kOutputs) * rows + row) * tiles + i / kInputs;
          weights[((tile * (kInputs / 2) + i % kInputs / 2) * kOutputs + o % kOutputs) * 2 + i % 2] = to_bfloat16(*w);
        }
  }
  convs_.push_back({weights, bias, slope, nullptr});
}

void PackedNet::pack_first_tiles(const Conv& conv) {
  constexpr int kOutputs = 16, kInputs = 32;  // of a tile
  const int kernel = conv.kernel, in = conv.in, columns = 2 * kFirstColumns;
  auto* weights = allocate<uint16_t>(static_cast<size_t>(columns) * kernel * kInputs);
  float* bias = allocate<float>(columns);
  float* slope = allocate<float>(kFirstColumns);
  for (int p = 0; p < kFirstPixels; ++p)
    for (int o = 0; o < conv.out; ++o) {
      const int at = p / 2 * conv.out + o, column = p % 2 * kFirstColumns + at;
      bias[column] = conv.bias[o];
      slope[at] = (conv.slope.empty() ? 1.0f : conv.slope[o]) - (kSlopesLessOne ? 1.0f : 0.0f);
      for (int channel = 0; channel < in; ++channel)
        for (int y = 0; y < kernel; ++y)
          for (int x = 0; x < kernel; ++x) {
            const int i = (p + x) * in + channel, tile = column / kOutputs * kernel + y;
            const float w = conv.weights[((static_cast<size_t>(o) * in + channel) * kernel + y) * kernel + x];
            weights[((tile * (kInputs / 2) + i / 2) * kOutputs + column % kOutputs) * 2 + i % 2] = to_bfloat16(w);
          }
    }
  convs_.push_back({weights, bias, slope, nullptr});
}

// G g G^T of Winograd's F(rows x columns, kernel x kernel), arXiv:1509.09308, for each input and output channel. The
// points of interpolation are the first of 0, 1, -1, 2, -2, and infinity: tile + kernel - 1 of them.
const float* PackedNet::transform(const Conv& conv, int rows, int columns) {
  constexpr double kOfFour3[][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
  constexpr double kOfFour2[][3] = {{1, 0}, {0.5, 0.5}, {0.5, -0.5}, {0, 1}};
  constexpr double kOfFive3[][3] = {
      {1 / 2., 0, 0}, {-1 / 2., -1 / 2., -1 / 2.}, {-1 / 6., 1 / 6., -1 / 6.}, {1 / 6., 2 / 6., 4 / 6.}, {0, 0, 1}};
  const int kernel = conv.kernel;
  const auto of = [&](int tile) {
    return kernel == 2 ? kOfFour2 : tile == 2 ? kOfFour3 : tile == 3 ? kOfFive3 : kOfSix3;
  };
  const double (*down)[3] = of(rows), (*across)[3] = of(columns);
  const size_t high = rows + kernel - 1, wide = columns + kernel - 1;
  const size_t lanes = kernels_.lanes, in = conv.in, out = conv.out, vectors = (out + lanes - 1) / lanes;
  // P-Net's first layer multiplies vectors of inputs by lanes that are an output channel's weights for the three.
  const bool of_lanes = net_ == Net::kPnet && in == 3;
  float* transformed = allocate<float>(high * wide * (of_lanes ? out * 4 : in * vectors * lanes));
  Scalars scalars(transformed, kernels_.float16, kernels_.value_size);
  for (size_t o = 0; o < out; ++o) {
    for (size_t c = 0; c < in; ++c) {
      const float* g = &conv.weights[(o * in + c) * kernel * kernel];
      double half[6][3] = {};  // G g
      for (size_t i = 0; i < high; ++i)
        for (int y = 0; y < kernel; ++y)
          for (int x = 0; x < kernel; ++x) half[i][x] += down[i][y] * g[kernel * y + x];
      for (size_t i = 0; i < high * wide; ++i) {
        double sum = 0;
        for (int x = 0; x < kernel; ++x) sum += half[i / wide][x] * across[i % wide][x];
        const size_t at = of_lanes ? (i * out + o) * 4 + c : ((i * vectors + o / lanes) * in + c) * lanes + o % lanes;
        scalars.set(at, static_cast<float>(sum));
      }
    }
  }
  return transformed;
}

}  // namespace trtmtcnn::cpu
