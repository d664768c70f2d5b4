// Runs one of the networks on made-up pictures, so that its instructions can be counted, and its outputs compared:
// networks MODEL.onnx fp32|bf16 OUTPUT [WIDTH HEIGHT]. P-Net sees one picture, of 320 x 240 pixels, R- and O-Net eight
// crops.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "cpu/nets/native_engine.h"
#include "cpu/nets/packed_net.h"
#include "cpu/nets/pnet_rows.h"
#include "runtime/thread_pool.h"

namespace {

using namespace trtmtcnn;
using namespace trtmtcnn::cpu;

constexpr int kCrops = 8;

// Smooth, as pictures are, from -1 to 1.
float pixel(int y, int x, int c) {
  const int wave = (x * (3 + c) + y * (7 - c)) % 512;
  return static_cast<float>(wave < 256 ? wave : 512 - wave) / 128.0f - 1.0f + static_cast<float>(x * y % 17) / 200.0f;
}

void run_pnet(const PackedNet& net, int width, int height, std::vector<float>& out) {
  PnetRows rows;
  std::vector<float> heads;
  const auto draw = [&](int y, float* row) {
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) row[3 * x + c] = pixel(y, x, c);
  };
  const auto take = [&](int, int n, const float* logits, const float* features) {
    const int proposed = (n + 15) / 16;  // detections compute the heads of cells that may be faces, which are few
    heads.resize(static_cast<size_t>(proposed) * kHeads);
    net.kernels().pnet_heads(net.heads(), features, proposed, heads.data());
    out.insert(out.end(), logits, logits + n);
    out.insert(out.end(), heads.begin(), heads.end());
  };
  rows.run(net, width - 2, height - 2, 0, (height - 1) / 2 - 4, draw, take);
}

void run_crops(const PackedNet& net, CropNet& crop_net, std::vector<float>& out) {
  const int side = net.net() == Net::kRnet ? 24 : 48;
  std::vector<float> crops(static_cast<size_t>(kCrops) * side * side * 3 + kOverrun);
  for (int i = 0; i < kCrops * side * side * 3; ++i) crops[i] = pixel(i / 3 / side, i / 3 % side * 5, i % 3);
  out.resize(size_t{kCrops} * kHeads);
  crop_net.run(net, crops.data(), kCrops, out.data());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "networks MODEL.onnx fp32|bf16 OUTPUT [WIDTH HEIGHT]\n"), 2;
  std::ifstream file(argv[1], std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  const bool bf16 = std::string(argv[2]) == "bf16";  // engines call float32 f32
  const auto engine = NativeEngine::load(bytes, bf16 ? "bf16" : "f32", std::make_shared<ThreadPool>(1));
  if (!engine) return std::fprintf(stderr, "%s is none of the networks\n", argv[1]), 1;
  const PackedNet& net = engine->net();
  CropNet crop_net;
  std::vector<float> out;
  if (net.net() == Net::kPnet)
    run_pnet(net, argc > 5 ? std::atoi(argv[4]) : 320, argc > 5 ? std::atoi(argv[5]) : 240, out);
  else
    run_crops(net, crop_net, out);
  std::printf("%s\n", net.kernels().name);
  std::ofstream(argv[3], std::ios::binary)
      .write(reinterpret_cast<const char*>(out.data()), static_cast<std::streamsize>(out.size() * sizeof(float)));
  return 0;
}
