// Products of tiles of float16 by a warp, with sums in float32: what a GPU's tensor cores do, and the same on a CPU.
#pragma once

#include "cuda/kernels/half.h"
#include "cuda/warp.h"
#include "host_device.h"

namespace trtmtcnn::cuda {

// What a lane holds of them; t is lane % 4 and r is lane / 4. As PTX has it of mma.m16n8k16.
struct TileInput {  // 16 rows, 16 inputs: inputs 2t, 2t + 1 of rows r and r + 8, then inputs 2t + 8, 2t + 9
  uint32_t at[4];
};
struct TileWeight {  // 16 inputs, 8 columns: inputs 2t, 2t + 1 of column r, then inputs 2t + 8, 2t + 9
  uint32_t at[2];
};
struct TileSum {  // 16 rows, 8 columns: columns 2t, 2t + 1 of row r, then of row r + 8
  float at[4];
};

// kTiles tiles of rows by kColumns tiles of columns.
template <int kTiles>
struct TileInputs {
  TileInput at[kTiles];
};
template <int kColumns>
struct TileWeights {
  TileWeight at[kColumns];
};
template <int kTiles, int kColumns>
struct TileSums {
  TileSum at[kTiles][kColumns];
};

#ifdef __CUDACC__
__device__ inline void add_product(TileSum& sum, const TileInput& in, const TileWeight& by) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sum.at[0]), "+f"(sum.at[1]), "+f"(sum.at[2]), "+f"(sum.at[3])
      : "r"(in.at[0]), "r"(in.at[1]), "r"(in.at[2]), "r"(in.at[3]), "r"(by.at[0]), "r"(by.at[1]));
#else
  for (int half = 0; half < 2; ++half)
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
        : "+f"(sum.at[0]), "+f"(sum.at[1]), "+f"(sum.at[2]), "+f"(sum.at[3])
        : "r"(in.at[2 * half]), "r"(in.at[2 * half + 1]), "r"(by.at[half]));
#endif
}

template <int kTiles, int kColumns>
__device__ void multiply_tiles(const DeviceWarp&, const DeviceWarp::PerLane<TileInputs<kTiles>>& in,
                               const DeviceWarp::PerLane<TileWeights<kColumns>>& by,
                               DeviceWarp::PerLane<TileSums<kTiles, kColumns>>& sums) {
#pragma unroll
  for (int t = 0; t < kTiles; ++t) {
#pragma unroll
    for (int c = 0; c < kColumns; ++c) add_product(sums.value.at[t][c], in.value.at[t], by.value.at[c]);
  }
}
#endif

// The lanes' tiles are laid out as matrices and multiplied.
template <int kTiles, int kColumns>
void multiply_tiles(const LoopWarp&, const LoopWarp::PerLane<TileInputs<kTiles>>& in,
                    const LoopWarp::PerLane<TileWeights<kColumns>>& by,
                    LoopWarp::PerLane<TileSums<kTiles, kColumns>>& sums) {
  constexpr int kRows = 16 * kTiles, kInputs = 16, kOut = 8 * kColumns;
  float a[kRows][kInputs], b[kInputs][kOut], c[kRows][kOut];
  const auto low = [](uint32_t two) { return to_float({static_cast<uint16_t>(two)}); };
  const auto high = [](uint32_t two) { return to_float({static_cast<uint16_t>(two >> 16)}); };
  for (int lane = 0; lane < kWarp; ++lane) {
    const int t = lane % 4, r = lane / 4;
    for (int i = 0; i < 4 * kTiles; ++i) {
      const uint32_t two = in.values[lane].at[i / 4].at[i % 4];
      float* to = a[16 * (i / 4) + r + 8 * (i % 2)] + 2 * t + 8 * (i % 4 / 2);
      to[0] = low(two);
      to[1] = high(two);
    }
    for (int i = 0; i < 2 * kColumns; ++i) {
      const uint32_t two = by.values[lane].at[i / 2].at[i % 2];
      b[2 * t + 8 * (i % 2)][8 * (i / 2) + r] = low(two);
      b[2 * t + 8 * (i % 2) + 1][8 * (i / 2) + r] = high(two);
    }
    for (int tile = 0; tile < kTiles; ++tile)
      for (int column = 0; column < kColumns; ++column)
        for (int i = 0; i < 4; ++i)
          c[16 * tile + r + 8 * (i / 2)][8 * column + 2 * t + i % 2] = sums.values[lane].at[tile][column].at[i];
  }
  for (int row = 0; row < kRows; ++row)
    for (int k = 0; k < kInputs; ++k)
      for (int column = 0; column < kOut; ++column) c[row][column] += a[row][k] * b[k][column];
  for (int lane = 0; lane < kWarp; ++lane)
    for (int tile = 0; tile < kTiles; ++tile)
      for (int column = 0; column < kColumns; ++column)
        for (int i = 0; i < 4; ++i)
          sums.values[lane].at[tile][column].at[i] =
              c[16 * tile + lane / 4 + 8 * (i / 2)][8 * column + lane % 4 * 2 + i % 2];
}

}  // namespace trtmtcnn::cuda
