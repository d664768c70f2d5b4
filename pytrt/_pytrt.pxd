# The C++ core (csrc/) as Cython sees it.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport make_shared, shared_ptr, unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector


cdef int raise_core_error() except -1


cdef extern from "<atomic>" namespace "std" nogil:
    cdef cppclass atomic_bool "std::atomic<bool>":
        cbool exchange(cbool)
        void store(cbool)


cdef extern from "<span>" namespace "std" nogil:
    cdef cppclass const_char_span "std::span<const char>":
        const_char_span(const char*, size_t)
    cdef cppclass const_float_span "std::span<const float>":
        const_float_span(const float*, size_t)
    cdef cppclass const_int_span "std::span<const int>":
        const_int_span(const int*, size_t)
    cdef cppclass output_span "std::span<float* const>":
        output_span(float* const*, size_t)
    cdef cppclass const_box_span "std::span<const trtmtcnn::Box>":
        const_box_span(const Box*, size_t)
    cdef cppclass const_size_span "std::span<const trtmtcnn::Size>":
        const_size_span(const Size*, size_t)


cdef extern from "types.h" namespace "trtmtcnn" nogil:
    cdef struct Image:
        const uint8_t* data
        int height
        int width
        ptrdiff_t row_stride
        cbool on_device
        cbool must_wait
        void* ready_stream

    cdef struct Size:
        int height
        int width

    cdef struct Level:
        int frame
        Size size
        double scale_y
        double scale_x

    cdef enum class Resize:
        kBilinear
        kArea

    cdef enum class Overlap:
        kIoU
        kIoMin

    cdef enum class Scope:
        kLevel
        kFrame


cdef extern from "networks.h" namespace "trtmtcnn" nogil:
    cdef enum class Net:
        pass

    cdef struct NetworkFacts:
        const char* name
        int side
        int cpu_batch
        int gpu_batch

    cdef struct Output:
        const char* name
        int channels

    const NetworkFacts& facts(Net)
    cbool net_has_landmarks "trtmtcnn::has_landmarks"(Net)
    cbool net_has_boxes "trtmtcnn::has_boxes"(Net)
    int net_input_channels "trtmtcnn::input_channels"(Net)
    const int NETWORK_COUNT "trtmtcnn::kNetworks"
    const int CELL_PIXELS "trtmtcnn::kCell"
    const int STRIDE_PIXELS "trtmtcnn::kStride"
    const Output PROB_OUTPUT "trtmtcnn::kProb"
    const Output REGRESSION_OUTPUT "trtmtcnn::kRegression"
    const Output LANDMARK_OUTPUT "trtmtcnn::kLandmarkOutput"
    const int* CPU_CANVAS_WIDTHS "trtmtcnn::kCpuCanvasWidths"
    const int* GPU_CANVAS_WIDTHS "trtmtcnn::kGpuCanvasWidths"
    const int CPU_CANVAS_HEIGHT "trtmtcnn::kCpuCanvasHeight"
    const int GPU_CANVAS_HEIGHT "trtmtcnn::kGpuCanvasHeight"


cdef extern from "pack.h" namespace "trtmtcnn" nogil:
    cdef cppclass Tile:
        int level
        int cell_x
        int cell_y
        int cells_x
        int cells_y
        int canvas_x
        int canvas_y

    cdef cppclass Canvas:
        Size size
        vector[Tile] tiles

    cdef cppclass PackLimits:
        vector[int] widths
        int max_height

    vector[Canvas] pack(const vector[Level]&, const PackLimits&) except +raise_core_error


cdef extern from "engine.h" namespace "trtmtcnn" nogil:
    # std::array<int64_t, 4>, indexed by hand
    cdef cppclass Shape:
        Shape()
        int64_t& operator[](size_t)

    int64_t volume(const Shape&)

    cdef cppclass TensorInfo:
        string name
        Shape shape

    cdef cppclass Context:
        void infer(const Shape&, const float*, output_span) except +raise_core_error
        const vector[Shape]& output_shapes(const Shape&) except +raise_core_error

    cdef cppclass Engine_ "trtmtcnn::Engine":
        const TensorInfo& input()
        const vector[TensorInfo]& outputs()


cdef extern from "box.h" namespace "trtmtcnn" nogil:
    cdef cppclass Box:
        float x1
        float y1
        float x2
        float y2
        float score
        float regression[4]
        int frame
        int level
        int order

    cdef struct SuppressionRule:
        float threshold
        Overlap kind
        Scope scope


cdef extern from "head_outputs.h" namespace "trtmtcnn" nogil:
    cdef struct HeadOutputs:
        const float* prob
        const float* regression
        const float* landmarks
        int flipped
        cbool mirrored


cdef extern from "boxes.h" namespace "trtmtcnn" nogil:
    cdef cppclass Boxes:
        void nms(const SuppressionRule&, int keep) except +raise_core_error
        void nms_average(float threshold, float average_above) except +raise_core_error
        void regress() except +raise_core_error
        void square(cbool truncating) except +raise_core_error
        void truncate_and_clip() except +raise_core_error
        void save_and_square(cbool truncating, const_float_span scales) except +raise_core_error
        void save_and_keep_between(float low, float high) except +raise_core_error
        void average_outputs_with_saved() except +raise_core_error
        void average_with_saved(cbool scores, int landmark_square) except +raise_core_error
        void drop_below(float score) except +raise_core_error
        int count() except +raise_core_error
        void read(float* dets, float* landmarks, int* frames) except +raise_core_error


cdef extern from "backend.h" namespace "trtmtcnn" nogil:
    cdef cppclass Backend:
        void* stream()

    # std::array<std::shared_ptr<Engine>, 4>, indexed by hand
    cdef cppclass Engines:
        Engines()
        shared_ptr[Engine_]& operator[](size_t)


cdef extern from "device.h" namespace "trtmtcnn" nogil:
    cdef cppclass Device_ "trtmtcnn::Device":
        string runtime() except +raise_core_error
        string flavour()
        cbool on_gpu()
        int ordinal()
        int threads()
        shared_ptr[Engine_] load_engine(const_char_span, const string& precision) except +raise_core_error
        unique_ptr[Backend] backend(Engines) except +raise_core_error
        unique_ptr[Context] host_context(Engine_&) except +raise_core_error


cdef extern from "cpu/cpu_device.h" namespace "trtmtcnn::cpu" nogil:
    cdef cppclass CpuDevice_ "trtmtcnn::cpu::CpuDevice"(Device_):
        CpuDevice_(const string& openvino_library, int threads, cbool native) except +raise_core_error


cdef extern from "testing/emulated_device.h" namespace "trtmtcnn::testing" nogil:
    cdef cppclass EmulatedDevice(CpuDevice_):
        EmulatedDevice(const string& openvino_library, int threads, shared_ptr[GpuModel],
                       cbool kernels) except +raise_core_error
        unique_ptr[Operations] operations() except +raise_core_error


cdef extern from "testing/operations.h" namespace "trtmtcnn::testing" nogil:
    cdef cppclass FilledBoxes:
        Boxes& boxes()
        void assign(const_box_span, const_size_span) except +raise_core_error
        void accept(const HeadOutputs&, int n, float threshold, cbool inclusive_landmarks) except +raise_core_error

    cdef cppclass Operations:
        void resize(const Image&, Size, Resize, float*) except +raise_core_error
        void halve(const Image&, uint8_t*) except +raise_core_error
        void crop_resize(const Image&, const_int_span, int, Resize, float*) except +raise_core_error
        vector[float] propose(const float*, const float*, int, int, double, double, float) except +raise_core_error
        unique_ptr[FilledBoxes] boxes() except +raise_core_error

    unique_ptr[FilledBoxes] cpu_boxes() except +raise_core_error


cdef extern from "testing/gpu_memory.h" namespace "trtmtcnn::testing" nogil:
    cdef enum class GpuMemoryKind "trtmtcnn::testing::GpuMemory::Kind":
        kDevice
        kPinned

    cdef cppclass GpuMemory:
        size_t live_bytes(GpuMemoryKind)


cdef extern from "testing/gpu_model.h" namespace "trtmtcnn::testing" nogil:
    cdef enum class Call:
        pass

    cdef struct Traced "trtmtcnn::testing::GpuModel::Traced":
        Call call
        string what
        size_t amount

    cdef cppclass GpuModel:
        GpuModel(uint32_t seed, size_t memory, cbool late_pageable)
        GpuMemory& memory()
        int64_t count(Call)
        void fail(Call, int64_t after, int64_t times, cbool for_good)
        cbool mend()
        int64_t live_graphs()
        vector[string] misuses()
        void start_trace()
        vector[Traced] take_trace()
        void forbid_while_capturing(const char*) except +raise_core_error

    const int CALLS "trtmtcnn::testing::kCalls"
    const char** CALL_NAMES "trtmtcnn::testing::kCallNames"


cdef extern from "settings.h" namespace "trtmtcnn" nogil:
    cdef cppclass CascadeOptions:
        CascadeOptions()
        Resize resize
        cbool nms_on_windows
        cbool whole_pixels

    cdef cppclass OnetOptions:
        OnetOptions()
        cbool flip
        cbool flip_first
        float flip_low
        float flip_high
        vector[float] tta_scales
        cbool average_scores
        cbool tight_landmarks
        float average_above
        float vote

    cdef cppclass PnetSettings:
        float threshold
        float nms_level
        float nms_frame
        int keep
        int max_proposals

    cdef cppclass RnetSettings:
        float threshold
        float nms
        int keep

    cdef cppclass OnetSettings:
        float threshold
        float nms
        OnetOptions options

    cdef cppclass CascadeSettings:
        CascadeSettings()
        PnetSettings pnet
        RnetSettings rnet
        OnetSettings onet
        int networks
        cbool refine_landmarks
        Shape box_costs  # a std::array of as many int64_t, by network


cdef extern from "boxes.h" namespace "trtmtcnn" nogil:
    cdef cppclass FrameWork:
        int64_t left
        int[4] boxes
    cdef cppclass FrameWorks "std::span<const trtmtcnn::FrameWork>":
        size_t size()
        const FrameWork& operator[](size_t)


cdef extern from "mtcnn.h" namespace "trtmtcnn" nogil:
    cdef cppclass TrtMtcnn:
        TrtMtcnn(unique_ptr[Backend]) except +raise_core_error
        void load(const vector[Image]&, const vector[Size]&, const CascadeOptions&) except +raise_core_error
        void unload() except +raise_core_error
        int pnet(const vector[Level]&, float, float, float, int, int) except +raise_core_error
        int set_boxes(const vector[Box]&) except +raise_core_error
        int rnet(float, float, int) except +raise_core_error
        int onet(float, float, const OnetOptions&) except +raise_core_error
        void lnet(cbool) except +raise_core_error
        void begin_detect(const vector[Level]&, const CascadeSettings&, const vector[int64_t]&) except +raise_core_error
        int finish_detect() except +raise_core_error
        int refine(const vector[Box]&, const CascadeSettings&) except +raise_core_error
        cbool runs_ahead()
        Boxes& boxes()
        FrameWorks work()


cdef extern from "cpu/kernels.h" namespace "trtmtcnn::cpu" nogil:
    cdef cppclass Kernels:
        const char* isa
    const Kernels& kernels() except +raise_core_error


cdef extern from "cpu/nets/bfloat16.h" namespace "trtmtcnn::cpu" nogil:
    cdef cppclass NetKernels:
        const char* name
    cdef cppclass Bfloat16Kernels:
        const NetKernels* kernels
        string reason
    Bfloat16Kernels bfloat16_kernels() except +raise_core_error


cdef extern from "testing/tile_layers.h" namespace "trtmtcnn" nogil:
    shared_ptr[Engine_] load_amx_engine(const Device_&, const_char_span) except +raise_core_error
    vector[float] run_tile_layer(const Engine_&, int, const_float_span, int, int, int) except +raise_core_error
    void core_emulate_tiles "trtmtcnn::emulate_tiles"(const_int_span, void*, const void*, const void*)


cdef extern from "runtime/cores.h" namespace "trtmtcnn" nogil:
    int core_usable_cores "trtmtcnn::usable_cores"(const string&) except +raise_core_error


cdef extern from "cpu/ops.h" namespace "trtmtcnn::cpu" nogil:
    void cpu_resize "trtmtcnn::cpu::resize"(const Image&, Size, Resize, float*) except +raise_core_error
    void cpu_halve "trtmtcnn::cpu::halve"(const Image&, uint8_t*) except +raise_core_error
    void cpu_crop_resize "trtmtcnn::cpu::crop_resize"(const Image&, const_int_span, int, Resize,
                                                      float*) except +raise_core_error
    vector[int] cpu_nms "trtmtcnn::cpu::nms"(const_float_span, const_float_span, const_int_span, float, Overlap,
                                             int) except +raise_core_error
    vector[float] cpu_propose "trtmtcnn::cpu::propose"(const float*, const float*, int, int, double, double,
                                                       float) except +raise_core_error


cdef extern from "cpu/warp.h" namespace "trtmtcnn::cpu" nogil:
    void cpu_warp_affine "trtmtcnn::cpu::warp_affine"(const Image&, const double*, int, int,
                                                      uint8_t*) except +raise_core_error


cdef extern from "exceptions.h" namespace "trtmtcnn" nogil:
    cdef enum class ErrorKind:
        kEngine
        kDevice
        kArgument
        kMemory
        kOther
    ErrorKind current_error(string&)


cdef extern from "dlpack.h" namespace "trtmtcnn::dlpack" nogil:
    const int DLPACK_CUDA "trtmtcnn::dlpack::kCuda"
    const int DLPACK_CUDA_MANAGED "trtmtcnn::dlpack::kCudaManaged"
    const int DLPACK_CPU "trtmtcnn::dlpack::kCpu"
    const int DLPACK_CUDA_HOST "trtmtcnn::dlpack::kCudaHost"
    const int DLPACK_INT "trtmtcnn::dlpack::kInt"
    const int DLPACK_UINT "trtmtcnn::dlpack::kUInt"
    const int DLPACK_FLOAT "trtmtcnn::dlpack::kFloat"
    const int DLPACK_COMPLEX "trtmtcnn::dlpack::kComplex"
    const int DLPACK_BOOL "trtmtcnn::dlpack::kBool"
    const unsigned DLPACK_MAJOR "trtmtcnn::dlpack::kMajor"

    cdef cppclass Tensor:
        void* data
        int32_t device_type
        int32_t device_id
        int32_t ndim
        uint8_t type_code
        uint8_t type_bits
        uint16_t type_lanes
        int64_t* shape
        int64_t* strides
        uint64_t byte_offset

    cdef cppclass Managed:
        Tensor tensor
        void (*deleter)(Managed*)

    cdef cppclass ManagedVersioned:
        uint32_t major
        uint32_t minor
        void (*deleter)(ManagedVersioned*)
        Tensor tensor


cdef extern from "tensorrt/progress.h" namespace "trtmtcnn::tensorrt" nogil:
    cdef cppclass Phase "trtmtcnn::tensorrt::Progress::Phase":
        string name
        int done
        int steps

    cdef cppclass Progress:
        Progress()
        vector[Phase] phases()
        void cancel()


cdef extern from "tensorrt/tensorrt.h" namespace "trtmtcnn::tensorrt" nogil:
    cdef cppclass Libraries:
        string runtime
        string parser

    cdef cppclass Profile:
        Shape min
        Shape opt
        Shape max

    cdef cppclass BuildOptions:
        vector[Profile] profiles
        int64_t workspace
        int optimization_level
        vector[char] timing_cache
        int gpu

    cdef cppclass BuildResult:
        vector[char] plan
        vector[char] timing_cache

    cdef cppclass Plan:
        const TensorInfo& input()
        const vector[TensorInfo]& outputs()
        vector[Profile] profiles() except +raise_core_error
        int64_t device_memory() except +raise_core_error

    cdef cppclass TensorRt_ "trtmtcnn::tensorrt::TensorRt":
        string version()
        cbool is_rtx()
        shared_ptr[Plan] load_plan(const_char_span, int gpu) except +raise_core_error

    shared_ptr[TensorRt_] load_tensorrt "trtmtcnn::tensorrt::TensorRt::load"(const Libraries&) except +raise_core_error
    vector[string] compiled_versions "trtmtcnn::tensorrt::TensorRt::compiled_versions"()


cdef extern from "tensorrt_build.h" namespace "trtmtcnn::tensorrt" nogil:
    BuildResult build_or_cancel(TensorRt_&, const_char_span, const BuildOptions&, Progress&,
                                cbool&) except +raise_core_error


cdef extern from "runtime/cuda_driver.h" namespace "trtmtcnn" nogil:
    cdef cppclass Gpu:
        string name
        int major
        int minor
        size_t memory

    cdef cppclass DriverReport:
        string problem
        int version
        vector[Gpu] gpus

    DriverReport ask_driver() except +raise_core_error


cdef extern from "cuda/nets/load.h" namespace "trtmtcnn::cuda" nogil:
    Net net_for_kernels(const_char_span) except +raise_core_error


cdef extern from "cuda/launch_trace.h" namespace "trtmtcnn::cuda" nogil:
    cdef struct TimedLaunch:
        const char* kind
        string what
        int64_t amount
        float us

    cdef cppclass LaunchTrace:
        @staticmethod
        void start()

        @staticmethod
        vector[TimedLaunch] take()


cdef extern from "cuda/cuda_device.h" namespace "trtmtcnn::cuda" nogil:
    shared_ptr[Device_] make_cuda_device(const Libraries&, int) except +raise_core_error
    const bint CUDA_BUILT "trtmtcnn::cuda::kBuilt"
