// Compiled once for each major version of TensorRT's headers, with TRTMTCNN_TENSORRT_MAJOR naming it.
#include "tensorrt/builder.h"

#include <memory>
#include <string>

#include "error.h"
#include "runtime/capture_lock.h"
#include "tensorrt/diagnosis.h"
#include "tensorrt/dims.h"
#include "tensorrt/logger.h"

namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT {
namespace {

// Below this a retry with less workspace is pointless.
constexpr int64_t kLeastWorkspace = int64_t{16} << 20;
constexpr int64_t kFirstRetryWorkspace = int64_t{1} << 30;

class Monitor final : public nvinfer1::IProgressMonitor {
 public:
  explicit Monitor(Progress& progress) : progress_(progress) {}
  void phaseStart(const char* name, const char*, int32_t steps) noexcept override { progress_.start(name, steps); }
  bool stepComplete(const char* name, int32_t step) noexcept override { return progress_.step(name, step); }
  void phaseFinish(const char* name) noexcept override { progress_.finish(name); }

 private:
  Progress& progress_;
};

std::string parser_errors(const nvonnxparser::IParser& parser) {
  std::string text;
  for (int i = 0; i < parser.getNbErrors(); ++i) {
    const nvonnxparser::IParserError* error = parser.getError(i);
    if (!error || !error->desc()) continue;
    if (!text.empty()) text += "; ";
    const std::string name = error->nodeName() ? error->nodeName() : "";
    const std::string kind = error->nodeOperator() ? error->nodeOperator() : "";
    if (!name.empty() || !kind.empty()) text += "node " + name + (kind.empty() ? "" : " (" + kind + ")") + ": ";
    text += error->desc();
  }
  return text;
}

void check_float32(const nvinfer1::ITensor& tensor) {
  if (tensor.getType() != nvinfer1::DataType::kFLOAT)
    throw EngineError(std::string("the ONNX model's tensor \"") + tensor.getName() + "\" is not float32");
}

void add_profiles(nvinfer1::IBuilder& builder, nvinfer1::IBuilderConfig& config, const char* input,
                  const std::vector<Profile>& profiles) {
  for (const Profile& p : profiles) {
    nvinfer1::IOptimizationProfile* profile = builder.createOptimizationProfile();
    using Select = nvinfer1::OptProfileSelector;
    if (!profile || !profile->setDimensions(input, Select::kMIN, dims_of(p.min)) ||
        !profile->setDimensions(input, Select::kOPT, dims_of(p.opt)) ||
        !profile->setDimensions(input, Select::kMAX, dims_of(p.max)) || config.addOptimizationProfile(profile) < 0)
      throw EngineError("TensorRT refuses the profile " + to_string(p.min) + ", " + to_string(p.opt) + ", " +
                        to_string(p.max));
  }
}

}  // namespace

BuildResult build_plan(const LoadedLibraries& libraries, std::span<const char> onnx, const BuildOptions& options,
                       Progress& progress) {
  const NoCapture no_capture;
  Logger logger;
  Monitor monitor(progress);
  std::unique_ptr<nvinfer1::IBuilder> builder(
      static_cast<nvinfer1::IBuilder*>(libraries.create_builder(&logger, NV_TENSORRT_VERSION)));
  if (const std::string why = logger.take(); !builder || !why.empty()) {
    static_cast<void>(builder.release());  // as load_plan()'s runtime
    throw DeviceError(message_of("TensorRT cannot start", why));
  }
#if NV_TENSORRT_MAJOR >= 11
  constexpr uint32_t kFlags = 0;  // strongly typed always
#else
  constexpr uint32_t kFlags = 1u << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
#endif
  std::unique_ptr<nvinfer1::INetworkDefinition> network(builder->createNetworkV2(kFlags));
  if (!network) fail("TensorRT cannot make a network", logger.take());
  std::unique_ptr<nvonnxparser::IParser> parser(
      static_cast<nvonnxparser::IParser*>(libraries.create_parser(network.get(), &logger, NV_ONNX_PARSER_VERSION)));
  if (!parser) fail("TensorRT's ONNX parser cannot start", logger.take());
  if (!parser->parse(onnx.data(), onnx.size())) {
    const std::string said = parser_errors(*parser);
    fail("TensorRT cannot read the ONNX model", said.empty() ? logger.take() : said);
  }
  if (network->getNbInputs() != 1 || network->getInput(0)->getDimensions().nbDims != 4)
    throw EngineError("the ONNX model must have one input of four dimensions (n, c, h, w)");
  check_float32(*network->getInput(0));
  for (int i = 0; i < network->getNbOutputs(); ++i) check_float32(*network->getOutput(i));

  std::unique_ptr<nvinfer1::ITimingCache> cache;
  int64_t workspace = options.workspace;
  for (;;) {
    std::unique_ptr<nvinfer1::IBuilderConfig> config(builder->createBuilderConfig());
    if (!config) fail("TensorRT cannot make a configuration", logger.take());
    config->setProgressMonitor(&monitor);
    // On by default. float32 means float32: with TF32's 10 bits scores would differ as they do in float16.
    config->clearFlag(nvinfer1::BuilderFlag::kTF32);
    if (workspace > 0) config->setMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE, static_cast<size_t>(workspace));
    if (options.optimization_level >= 0) config->setBuilderOptimizationLevel(options.optimization_level);
    add_profiles(*builder, *config, network->getInput(0)->getName(), options.profiles);
    if (!libraries.rtx) {  // which has no tactics to time
      cache.reset(config->createTimingCache(options.timing_cache.data(), options.timing_cache.size()));
      if (!cache) cache.reset(config->createTimingCache(nullptr, 0));  // the given one is of another version
      if (cache) config->setTimingCache(*cache, false);
    }

    std::unique_ptr<nvinfer1::IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
    if (progress.cancelled()) throw Cancelled();
    const std::string why = logger.take();
    if (!plan) {
      const int64_t less = workspace > 0 ? workspace / 4 : kFirstRetryWorkspace;
      if (is_out_of_memory(why) && less >= kLeastWorkspace) {
        workspace = less;
        continue;
      }
      fail("TensorRT cannot build the engine", why);
    }
    BuildResult result;
    const char* bytes = static_cast<const char*>(plan->data());
    result.plan.assign(bytes, bytes + plan->size());
    if (cache) {
      std::unique_ptr<nvinfer1::IHostMemory> kept(cache->serialize());
      if (kept) {
        const char* data = static_cast<const char*>(kept->data());
        result.timing_cache.assign(data, data + kept->size());
      }
    }
    return result;
  }
}

}  // namespace trtmtcnn::tensorrt::TRTMTCNN_TENSORRT
