#include "cpu/nets/packed_net.h"

#include <bit>
#include <cstring>

namespace trtmtcnn::cpu {
namespace {

// Rounds to the nearest, ties to even, as the hardware does. Weights are finite.
uint16_t to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// The side of the tiles that Winograd's transforms make of a layer's output in float32; 0: pixel by pixel.
int tile_of(Net net, size_t layer, bool bfloat16_products) {
  if (net == Net::kLnet)
    return layer < 3 * kPoints ? tile_of(Net::kRnet, layer % 3, bfloat16_products)
                               : 0;  // its towers are R-Net's layers
  constexpr int kTiles[3][4] = {{0, 4, 4, 0}, {2, 3, 3, 0}, {2, 3, 4, 3}};
  constexpr int kBfloat16Tiles[3][4] = {{0, 2, 2, 0}, {2, 2, 3, 0}, {2, 2, 2, 3}};
  const auto& tiles = bfloat16_products ? kBfloat16Tiles : kTiles;
  return layer < 4 ? tiles[net == Net::kPnet ? 0 : net == Net::kRnet ? 1 : 2][layer] : 0;
}

}  // namespace

template <class T>
T* PackedNet::allocate(size_t n) {
  const size_t bytes = n * sizeof(T);
  buffers_.push_back(allocate_memory(bytes));
  std::memset(buffers_.back().get(), 0, bytes);
  return reinterpret_cast<T*>(buffers_.back().get());
}

PackedNet::PackedNet(const Network& network, const NetKernels& kernels) : net_(network.net), kernels_(kernels) {
  for (size_t i = 0; i < network.convs.size(); ++i) {
    const Conv& conv = network.convs[i];
    if (kernels.tiles)  // R-Net's map of 28 channels lies in pixels of 32
      pack_tiles(conv, i == 0, net_ == Net::kPnet ? conv.in : (conv.in + 15) / 16 * 16);
    else
      pack(conv, tile_of(net_, i, kernels.bfloat16_products));
  }
  pack(network.heads, 0);  // always float32: it costs little here, and scores are compared with thresholds
  const int features = network.heads.in;
  for (int i = 0; i < features; ++i)
    face_weights_.push_back(network.heads.weights[features + i] - network.heads.weights[i]);
  face_bias_ = network.heads.bias[1] - network.heads.bias[0];
}

void PackedNet::pack(const Conv& conv, int tile) {
  const int lanes = kernels_.lanes, vectors = (conv.out + lanes - 1) / lanes, run = conv.kernel * conv.in;
  const bool transforms = tile > 0;
  // P-Net needs both: a map of a small level has fewer rows than a tile.
  const bool plain = !transforms || net_ == Net::kPnet;
  float* weights = plain ? allocate<float>(static_cast<size_t>(vectors) * conv.kernel * run * lanes) : nullptr;
  float* bias = allocate<float>(static_cast<size_t>(vectors) * lanes);
  float* slope = allocate<float>(static_cast<size_t>(vectors) * lanes);
  for (int o = 0; o < conv.out; ++o) {
    bias[o] = conv.bias[o];
    slope[o] = conv.slope.empty() ? 1.0f : conv.slope[o];
    for (int y = 0; plain && y < conv.kernel; ++y) {
      for (int i = 0; i < run; ++i) {
        const int x = i / conv.in, channel = i % conv.in;
        const float w =
            conv.weights[((static_cast<size_t>(o) * conv.in + channel) * conv.kernel + y) * conv.kernel + x];
        const size_t row = static_cast<size_t>(o / lanes) * conv.kernel + y;
        weights[(row * run + i) * lanes + o % lanes] = w;
      }
    }
  }
  convs_.push_back({weights, bias, slope, transforms ? transform(conv, tile) : nullptr});
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
    slope[o] = conv.slope.empty() ? 1.0f : conv.slope[o];
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

// G g G^T of Winograd's F(tile x tile, kernel x kernel), arXiv:1509.09308, for each input and output channel. The
// points of interpolation are the first of 0, 1, -1, 2, -2, and infinity: tile + kernel - 1 of them.
const float* PackedNet::transform(const Conv& conv, int tile) {
  constexpr double kOfFour3[][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
  constexpr double kOfFour2[][3] = {{1, 0}, {0.5, 0.5}, {0.5, -0.5}, {0, 1}};
  constexpr double kOfFive3[][3] = {
      {1 / 2., 0, 0}, {-1 / 2., -1 / 2., -1 / 2.}, {-1 / 6., 1 / 6., -1 / 6.}, {1 / 6., 2 / 6., 4 / 6.}, {0, 0, 1}};
  constexpr double kOfSix3[][3] = {{1 / 4., 0, 0},
                                   {-1 / 6., -1 / 6., -1 / 6.},
                                   {-1 / 6., 1 / 6., -1 / 6.},
                                   {1 / 24., 2 / 24., 4 / 24.},
                                   {1 / 24., -2 / 24., 4 / 24.},
                                   {0, 0, 1}};
  const int kernel = conv.kernel;
  const double (*G)[3] = kernel == 2 ? kOfFour2 : tile == 2 ? kOfFour3 : tile == 3 ? kOfFive3 : kOfSix3;
  const size_t values = tile + kernel - 1, lanes = kernels_.lanes, in = conv.in, out = conv.out;
  const size_t vectors = (out + lanes - 1) / lanes;
  const bool halves = kernels_.bfloat16_products && in > 3;  // the first layer has no four channels
  const size_t fours = (in + 3) / 4;
  float* transformed = allocate<float>(values * values * (halves ? 2 * fours : in) * vectors * lanes);
  for (size_t o = 0; o < out; ++o) {
    for (size_t c = 0; c < in; ++c) {
      const float* g = &conv.weights[(o * in + c) * kernel * kernel];
      double rows[6][3] = {};  // G g
      for (size_t i = 0; i < values; ++i)
        for (int y = 0; y < kernel; ++y)
          for (int x = 0; x < kernel; ++x) rows[i][x] += G[i][y] * g[kernel * y + x];
      for (size_t i = 0; i < values * values; ++i) {
        double sum = 0;
        for (int x = 0; x < kernel; ++x) sum += rows[i / values][x] * G[i % values][x];
        if (halves)
          reinterpret_cast<uint16_t*>(
              transformed)[(((i * vectors + o / lanes) * fours + c / 4) * lanes + o % lanes) * 4 + c % 4] =
              to_bfloat16(static_cast<float>(sum));
        else
          transformed[((i * vectors + o / lanes) * in + c) * lanes + o % lanes] = static_cast<float>(sum);
      }
    }
  }
  return transformed;
}

}  // namespace trtmtcnn::cpu
