#include "cpu/openvino.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "cpu/openvino_c.h"
#include "error.h"

namespace trtmtcnn::cpu {
namespace {

// Views of caller's buffers that a request keeps; a detector uses a handful of shapes over and over.
constexpr size_t kViews = 64;

class OpenVinoEngine;

class OpenVinoContext final : public Context {
 public:
  OpenVinoContext(std::shared_ptr<OpenVinoEngine> engine, ov::InferRequest* request)
      : engine_(std::move(engine)), request_(request) {}
  ~OpenVinoContext() override;

  void infer(const Shape& input_shape, const float* input, std::span<float* const> outputs) override;
  const std::vector<Shape>& output_shapes(const Shape& input_shape) override;

 private:
  struct View {
    const float* data;
    Shape shape;
    int rank;
    ov::Tensor* tensor;
  };

  const ov::Api& api() const;
  ov::Tensor* view(const float* data, const Shape& shape, int rank = 4);
  void release(std::vector<View>& views);

  std::shared_ptr<OpenVinoEngine> engine_;
  ov::InferRequest* request_;
  std::vector<View> views_;
  std::map<Shape, std::vector<Shape>> output_shapes_;
};

class OpenVinoEngine final : public Engine, public std::enable_shared_from_this<OpenVinoEngine> {
 public:
  OpenVinoEngine(std::shared_ptr<OpenVino> runtime, ov::CompiledModel* model);
  // In a forked process its locks may be held by threads that do not live there: it is left alone.
  ~OpenVinoEngine() override {
    if (fork_guard().is_this()) api().compiled_model_free(model_);
  }

  const TensorInfo& input() const override { return input_; }
  const std::vector<TensorInfo>& outputs() const override { return outputs_; }
  std::unique_ptr<Context> context() override;
  const ov::Api& api() const { return runtime_->api(); }
  const ForkGuard& fork_guard() const { return runtime_->fork_guard(); }

 private:
  TensorInfo describe(ov::Port* port) const;

  std::shared_ptr<OpenVino> runtime_;
  ov::CompiledModel* model_;
  TensorInfo input_;
  std::vector<TensorInfo> outputs_;
};

OpenVinoEngine::OpenVinoEngine(std::shared_ptr<OpenVino> runtime, ov::CompiledModel* model)
    : runtime_(std::move(runtime)), model_(model) {
  try {
    size_t inputs = 0, outputs = 0;
    api().check(api().compiled_model_inputs_size(model_, &inputs), "count the network's inputs");
    api().check(api().compiled_model_outputs_size(model_, &outputs), "count the network's outputs");
    if (inputs != 1)
      throw EngineError("the network has " + std::to_string(inputs) + " inputs; one picture tensor was expected");
    ov::Port* port = nullptr;
    api().check(api().compiled_model_input_by_index(model_, 0, &port), "find the network's input");
    input_ = describe(port);
    if (input_.rank != 4)
      throw EngineError("the input \"" + input_.name + "\" does not have four dimensions (n, c, h, w)");
    for (size_t i = 0; i < outputs; ++i) {
      api().check(api().compiled_model_output_by_index(model_, i, &port), "find the network's outputs");
      outputs_.push_back(describe(port));
    }
  } catch (...) {
    api().compiled_model_free(model_);
    throw;
  }
}

TensorInfo OpenVinoEngine::describe(ov::Port* port) const {
  struct Guard {
    const ov::Api& api;
    ov::Port* port;
    ~Guard() { api.output_const_port_free(port); }
  } guard{api(), port};
  TensorInfo info;
  char* name = nullptr;
  api().check(api().port_get_any_name(port, &name), "name a tensor");
  info.name = name;
  api().free(name);
  int type = 0;
  api().check(api().port_get_element_type(port, &type), "read a tensor's type");
  if (type != ov::kF32) throw EngineError("the tensor \"" + info.name + "\" is not float32");
  ov::OvPartialShape shape{};
  api().check(api().port_get_partial_shape(port, &shape), "read a tensor's shape");
  const int64_t rank = shape.rank.max;
  const bool known = shape.rank.min == rank && (rank == 4 || rank == 2);
  info.shape = {-1, -1, 1, 1};
  if (known) {
    info.rank = static_cast<int>(rank);
    for (int i = 0; i < info.rank; ++i) info.shape[i] = shape.dims[i].min == shape.dims[i].max ? shape.dims[i].max : -1;
  }
  api().partial_shape_free(&shape);
  if (!known) throw EngineError("the tensor \"" + info.name + "\" has neither four (n, c, h, w) nor two dimensions");
  return info;
}

std::unique_ptr<Context> OpenVinoEngine::context() {
  fork_guard().check();
  ov::InferRequest* request = nullptr;
  api().check(api().compiled_model_create_infer_request(model_, &request), "make an inference request");
  return std::make_unique<OpenVinoContext>(shared_from_this(), request);
}

const ov::Api& OpenVinoContext::api() const { return engine_->api(); }

OpenVinoContext::~OpenVinoContext() {
  if (!engine_->fork_guard().is_this()) return;
  api().infer_request_free(request_);
  release(views_);
}

void OpenVinoContext::release(std::vector<View>& views) {
  for (const View& v : views) api().tensor_free(v.tensor);
  views.clear();
}

ov::Tensor* OpenVinoContext::view(const float* data, const Shape& shape, int rank) {
  const auto found = std::find_if(views_.begin(), views_.end(),
                                  [&](const View& v) { return v.data == data && v.shape == shape && v.rank == rank; });
  if (found != views_.end()) return found->tensor;
  Shape dims = shape;
  ov::Tensor* tensor = nullptr;
  api().check(api().tensor_create_from_host_ptr(ov::kF32, {rank, dims.data()}, const_cast<float*>(data), &tensor),
              "view a buffer");
  views_.push_back({data, shape, rank, tensor});
  return tensor;
}

void OpenVinoContext::infer(const Shape& input_shape, const float* input, std::span<float* const> outputs) {
  engine_->fork_guard().check();
  const std::vector<Shape>& shapes = output_shapes(input_shape);
  if (views_.size() + 1 + outputs.size() > kViews) release(views_);
  api().check(api().infer_request_set_input_tensor_by_index(request_, 0, view(input, input_shape)), "bind the input");
  for (size_t i = 0; i < outputs.size(); ++i)
    api().check(api().infer_request_set_output_tensor_by_index(request_, i,
                                                               view(outputs[i], shapes[i], engine_->outputs()[i].rank)),
                "bind an output");
  api().check(api().infer_request_infer(request_), "run the network");
}

// A dynamic network tells its outputs' shapes only by running: once, on zeros, for each shape met.
const std::vector<Shape>& OpenVinoContext::output_shapes(const Shape& input_shape) {
  engine_->fork_guard().check();
  const auto found = output_shapes_.find(input_shape);
  if (found != output_shapes_.end()) return found->second;
  engine_->check_input(input_shape);

  std::vector<Shape> shapes(engine_->outputs().size());
  for (size_t i = 0; i < shapes.size(); ++i) shapes[i] = engine_->outputs()[i].shape;
  const bool only_batch = std::all_of(shapes.begin(), shapes.end(),
                                      [](const Shape& s) { return s[0] < 0 && s[1] >= 0 && s[2] >= 0 && s[3] >= 0; });
  if (only_batch) {
    for (Shape& s : shapes) s[0] = input_shape[0];
  } else {
    // A fresh request: tensors bound to the one in use would be resized.
    const std::unique_ptr<Context> probe_context = engine_->context();
    auto& probe = static_cast<OpenVinoContext&>(*probe_context);
    const std::vector<float> zeros(static_cast<size_t>(volume(input_shape)));
    api().check(api().infer_request_set_input_tensor_by_index(probe.request_, 0, probe.view(zeros.data(), input_shape)),
                "bind the input");
    if (api().infer_request_infer(probe.request_) != 0) {
      throw std::invalid_argument("the network cannot take an input of shape " + to_string(input_shape) + ": " +
                                  api().last_error());
    }
    for (size_t i = 0; i < shapes.size(); ++i) {
      ov::Tensor* tensor = nullptr;
      api().check(api().infer_request_get_output_tensor_by_index(probe.request_, i, &tensor), "read an output");
      ov::OvShape shape{};
      const ov::Status status = api().tensor_get_shape(tensor, &shape);
      api().tensor_free(tensor);
      api().check(status, "read an output's shape");
      std::copy(shape.dims, shape.dims + engine_->outputs()[i].rank, shapes[i].begin());
      api().shape_free(&shape);
    }
  }
  return output_shapes_.emplace(input_shape, std::move(shapes)).first->second;
}

}  // namespace

OpenVino::OpenVino(const std::string& library_path) : api_(std::make_unique<ov::Api>(library_path)) {
  api_->check(api_->core_create(&core_), "start");
}

OpenVino::~OpenVino() {
  if (core_ && fork_guard_.is_this()) api_->core_free(core_);
}

std::shared_ptr<OpenVino> OpenVino::load(const std::string& library_path) {
  if (library_path.empty())
    throw DeviceError(
        "the CPU's own kernels run MTCNN's three networks as their authors laid them out, in fp32 and "
        "bf16; this one needs OpenVINO, which is not installed: pip install openvino");
  static const ForkGuard fork_guard;
  fork_guard.check();  // before the lock, which another thread may have held when this process was forked
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<OpenVino>>& loaded =
      *new std::map<std::string, std::shared_ptr<OpenVino>>;  // outlives every engine, also at exit
  std::lock_guard lock(mutex);
  std::shared_ptr<OpenVino>& runtime = loaded[library_path];
  if (!runtime) {
    skip_parents_exit_handlers();
    runtime = std::shared_ptr<OpenVino>(new OpenVino(library_path));
  }
  return runtime;
}

std::string OpenVino::version() const {
  ov::OvVersion version{};
  if (api_->get_openvino_version(&version) != 0) return "unknown";
  const std::string text = version.build_number;
  api_->version_free(&version);
  return text;
}

std::shared_ptr<Engine> OpenVino::compile(std::span<const char> onnx, const OpenVinoOptions& options) {
  fork_guard_.check();
  ov::Model* model = nullptr;
  if (onnx.empty() || api_->core_read_model_from_memory_buffer(core_, onnx.data(), onnx.size(), nullptr, &model) != 0) {
    throw EngineError("not a model that OpenVINO can read: " + (onnx.empty() ? "it is empty" : api_->last_error()));
  }
  ov::CompiledModel* compiled = nullptr;
  const std::string threads = std::to_string(options.threads);
  const ov::Status status =
      api_->core_compile_model(core_, model, "CPU", 6, &compiled, "INFERENCE_PRECISION_HINT", options.precision.c_str(),
                               "PERFORMANCE_HINT", "LATENCY", "INFERENCE_NUM_THREADS", threads.c_str());
  api_->model_free(model);
  api_->check(status, "compile the network");
  return std::make_shared<OpenVinoEngine>(shared_from_this(), compiled);
}

}  // namespace trtmtcnn::cpu
