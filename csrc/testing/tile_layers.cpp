#include "testing/tile_layers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

#include "cpu/cpu_device.h"
#include "cpu/nets/isa/tiles.h"
#include "cpu/nets/native_engine.h"
#include "cpu/nets/packed_net.h"
#include "error.h"
#include "runtime/aligned.h"

namespace trtmtcnn {

#ifdef TRTMTCNN_X86
namespace cpu {
extern const NetKernels net_kernels_amx;
}
#endif

namespace {

using cpu::NetKernels;
using cpu::PackedConv;

uint16_t half_of(float value) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16); }
float float_of(uint16_t half) { return std::bit_cast<float>(uint32_t{half} << 16); }

struct LayerShape {
  int side, channels, stride;  // of the input; values from pixel to pixel
  int out_side, out_channels;
  bool from_floats, to_floats;
};

LayerShape shape_of(Net net, int layer) {
  constexpr LayerShape kRnet[] = {{24, 3, 3, 11, 32, true, false},
                                  {11, 28, 32, 4, 48, false, false},
                                  {4, 48, 48, 3, 64, false, false},
                                  {3, 64, 64, 1, 128, false, true}};
  constexpr LayerShape kOnet[] = {{48, 3, 3, 23, 32, true, false},
                                  {23, 32, 32, 10, 64, false, false},
                                  {10, 64, 64, 4, 64, false, false},
                                  {4, 64, 64, 3, 128, false, false},
                                  {3, 128, 128, 1, 256, false, true}};
  if (net == Net::kRnet && layer >= 0 && layer < 4) return kRnet[layer];
  if (net == Net::kOnet && layer >= 0 && layer < 5) return kOnet[layer];
  throw EngineError("there is no such layer");
}

std::vector<float> crop_layer(const cpu::PackedNet& net, int layer, std::span<const float> maps, int n) {
  const LayerShape s = shape_of(net.net(), layer);
  const NetKernels& kernels = net.kernels();
  const size_t pixels = size_t(s.side) * s.side * n, results = size_t(s.out_side) * s.out_side * s.out_channels * n;
  if (maps.size() != pixels * s.channels) throw EngineError("the maps are not of the layer's size");
  constexpr size_t kRoom = 1 << 16;  // values that whole tiles read beyond the last map
  AlignedVector<uint16_t> halves(pixels * s.stride + kRoom, uint16_t{0x7fc0});  // NaN
  std::fill_n(halves.begin() + static_cast<ptrdiff_t>(pixels) * s.stride, cpu::kOverrun, uint16_t{0});
  for (size_t p = 0; p < pixels; ++p)
    for (int c = 0; c < s.stride; ++c)
      halves[p * s.stride + c] = c < s.channels ? half_of(maps[p * s.channels + c]) : uint16_t{0};
  const bool rnet = net.net() == Net::kRnet;
  AlignedVector<std::byte> scratch(kernels.crop_scratch(rnet, n));
  AlignedVector<uint16_t> out(2 * results + kRoom);
  const void* in = s.from_floats ? static_cast<const void*>(maps.data()) : halves.data();
  kernels.crop_layer(rnet, layer, net.convs()[layer], in, n, scratch.data(), out.data());
  std::vector<float> found(results);
  for (size_t i = 0; i < results; ++i)
    found[i] = s.to_floats ? reinterpret_cast<const float*>(out.data())[i] : float_of(out[i]);
  return found;
}

// P-Net's layers work on rows.
std::vector<float> pnet_layer(const cpu::PackedNet& net, int layer, std::span<const float> map, int height, int width) {
  constexpr int kChannels[] = {3, 10, 16, 32};
  if (layer < 0 || layer > 2) throw EngineError("there is no such layer");
  const int in_channels = kChannels[layer], out_channels = kChannels[layer + 1];
  if (height < 3 || width < 3 || map.size() != size_t(height) * width * in_channels)
    throw EngineError("the map is not of the layer's size");
  const NetKernels& k = net.kernels();
  const PackedConv& conv = net.convs()[layer];
  const size_t row = cpu::pnet_row_bytes(width) / 2 + size_t{16} * (width + 2 * cpu::kOverrun);
  AlignedVector<uint16_t> in(row * height), out(2 * row);
  for (int y = 0; y < height; ++y) {
    const float* from = &map[size_t(y) * width * in_channels];
    if (layer == 0)
      k.pnet_input(from, width, &in[row * y]);
    else
      for (int i = 0; i < width * in_channels; ++i) in[row * y + i] = half_of(from[i]);
  }
  const int w = width - 2, h = height - 2, out_width = layer == 0 ? (w + 1) / 2 : w;
  const int per_call = layer == 0 ? 2 : 4;
  std::vector<float> found;
  for (int y = 0; y < h; y += per_call) {
    const int count = std::min(per_call, h - y);
    std::array<const void*, 6> rows{};
    for (int r = 0; r < count + 2; ++r) rows[r] = &in[row * (y + r)];
    if (layer == 2) {
      const size_t floats = size_t{32} * (w + cpu::kOverrun);
      AlignedVector<float> features(4 * floats);
      std::array<float*, 4> to{};
      for (int r = 0; r < count; ++r) to[r] = &features[floats * r];
      k.pnet_conv3(conv, rows.data(), count, w, to.data());
      for (int r = 0; r < count; ++r) found.insert(found.end(), to[r], to[r] + ptrdiff_t{32} * w);
      continue;
    }
    AlignedVector<uint16_t> halves(4 * row);
    std::array<void*, 4> to{};
    for (int r = 0; r < 4; ++r) to[r] = &halves[row * r];
    if (layer == 0)
      k.pnet_conv1(conv, rows.data(), count, w, to[0]);
    else
      k.pnet_conv2(conv, rows.data(), count, w, to.data());
    for (int r = 0; r < (layer == 0 ? 1 : count); ++r)
      for (int i = 0; i < out_width * out_channels; ++i) found.push_back(float_of(halves[row * r + i]));
  }
  return found;
}

}  // namespace

std::shared_ptr<Engine> load_amx_engine([[maybe_unused]] const Device& cpu,
                                        [[maybe_unused]] std::span<const char> onnx) {
#ifdef TRTMTCNN_X86
  const auto* device = dynamic_cast<const cpu::CpuDevice*>(&cpu);
  const std::optional<Network> network = read_network(onnx);
  if (!device || !network || network->net == Net::kLnet)
    throw EngineError("AMX's kernels run P-, R- and O-Net on a CPU");
  return std::make_shared<cpu::NativeEngine>(*network, cpu::net_kernels_amx, device->pool());
#else
  throw EngineError("there are no kernels for AMX here");
#endif
}

std::vector<float> run_tile_layer(const Engine& engine, int layer, std::span<const float> maps, int n, int height,
                                  int width) {
  const cpu::PackedNet* net = engine.native_net();
  if (!net || !net->kernels().tiles) throw EngineError("the engine's kernels have no tiles");
  const cpu::KernelSession session(net->kernels());
  if (net->net() == Net::kPnet) return pnet_layer(*net, layer, maps, height, width);
  return crop_layer(*net, layer, maps, n);
}

void emulate_tiles(std::span<const int> shapes, void* c, const void* a, const void* b) {
  cpu::TileConfiguration all;
  for (int t = 0; t < 3; ++t) {
    all.rows[t] = static_cast<uint8_t>(shapes[2 * t]);
    all.row_bytes[t] = static_cast<uint16_t>(shapes[2 * t + 1]);
  }
  cpu::Tiles::configure(all);
  cpu::Tiles::load(0, c, cpu::kTileBytes);
  cpu::Tiles::load(1, a, cpu::kTileBytes);
  cpu::Tiles::load(2, b, cpu::kTileBytes);
  cpu::Tiles::multiply(0, 1, 2);
  cpu::Tiles::store(0, c, cpu::kTileBytes);
  cpu::Tiles::release();
}

}  // namespace trtmtcnn
