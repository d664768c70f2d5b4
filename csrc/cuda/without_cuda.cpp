// Stands in for cuda_device.cu where there is no nvcc.
#include "cuda/cuda_device.h"
#include "error.h"

namespace trtmtcnn::cuda {

const bool kBuilt = false;

std::shared_ptr<Device> make_cuda_device(const tensorrt::Libraries&, int) {
  throw DeviceError(
      "this build has no CUDA kernels: it was built without nvcc. Install the CUDA toolkit, or its parts from PyPI "
      "(pip install nvidia-cuda-nvcc==13.0.* nvidia-nvvm==13.0.* nvidia-cuda-crt==13.0.* nvidia-cuda-cccl==13.0.* "
      "nvidia-cuda-runtime==13.0.*), and build again");
}

}  // namespace trtmtcnn::cuda
