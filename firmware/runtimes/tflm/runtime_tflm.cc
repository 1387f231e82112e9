/* runtime.h over TensorFlow Lite Micro's interpreter. C++14, and only what the library's releases of
 * early 2023 (Chirale_TensorFLowLite 2.0.0) and of today (esp-tflite-micro, TFLM itself) share:
 * tensorflow/ headers, no ErrorReporter, no DebugLog, no InitializeTarget(). */
#include <new>

#include "tensorflow/lite/micro/memory_helpers.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_profiler_interface.h"
#include "tensorflow/lite/schema/schema_generated.h"

#include "model_data.h"
#include "op_resolver.h"
#include "runtime.h"

namespace {

/* The interpreter opens an event before and closes it after every operator. */
class StepProfiler final : public tflite::MicroProfilerInterface {
 public:
  void Observe(runtime_step_hook after_step) {
    after_step_ = after_step;
    depth_ = 0;
    steps_ = 0;
  }

  uint32_t steps() const { return steps_; }

  uint32_t BeginEvent(const char *) override { return depth_++; }

  void EndEvent(uint32_t) override {
    depth_--;
    /* Deeper events belong to the subgraphs of a control-flow operator. */
    if (depth_ == 0 && after_step_ != nullptr) {
      after_step_(steps_++);
    }
  }

  /* Never called, but the virtual destructor refers to one, and the general one needs a heap. */
  static void operator delete(void *) {}

 private:
  runtime_step_hook after_step_ = nullptr;
  uint32_t depth_ = 0;
  uint32_t steps_ = 0;
};

class Interpreter final : public tflite::MicroInterpreter {
 public:
  using tflite::MicroInterpreter::MicroInterpreter;

  /* The evaluation tensors, as output() of the early releases allocates anew with every call. */
  runtime_tensor Tensor(int index) const {
    const TfLiteEvalTensor *tensor = context().GetEvalTensor(&context(), index);
    size_t bytes = 0;
    tflite::TfLiteEvalTensorByteLength(tensor, &bytes);
    return runtime_tensor{tensor->data.data, bytes};
  }
};

/* Constructed by runtime_init: a bare-metal start need not run static constructors. */
template <typename T>
class Later {
 public:
  template <typename... Arguments>
  T *Construct(Arguments... arguments) {
    return new (storage_) T(arguments...);
  }

 private:
  alignas(T) unsigned char storage_[sizeof(T)];
};

alignas(16) uint8_t arena[MODEL_ARENA_BYTES];
Later<model_op_resolver> resolver_storage;
Later<StepProfiler> profiler_storage;
Later<Interpreter> interpreter_storage;

const tflite::SubGraph *graph;
StepProfiler *profiler;
Interpreter *interpreter;

const flatbuffers::Vector<int32_t> *StepOutputs(uint32_t step) {
  return graph->operators()->Get(step)->outputs();
}

}  // namespace

const char *runtime_name(void) { return "tflm"; }

bool runtime_init(void) {
  const tflite::Model *model = tflite::GetModel(model_data);
  graph = model->subgraphs()->Get(0);
  model_op_resolver *resolver = resolver_storage.Construct();
  profiler = profiler_storage.Construct();
  tflite::MicroResourceVariables *no_variables = nullptr;
  interpreter = interpreter_storage.Construct<const tflite::Model *, const tflite::MicroOpResolver &,
                                              uint8_t *, size_t, tflite::MicroResourceVariables *,
                                              tflite::MicroProfilerInterface *>(
      model, *resolver, arena, sizeof arena, no_variables, profiler);
  return model_add_operators(resolver) && interpreter->AllocateTensors() == kTfLiteOk;
}

uint32_t runtime_input_count(void) { return graph->inputs()->size(); }

uint32_t runtime_output_count(void) { return graph->outputs()->size(); }

runtime_tensor runtime_input(uint32_t index) {
  return interpreter->Tensor(graph->inputs()->Get(index));
}

runtime_tensor runtime_output(uint32_t index) {
  return interpreter->Tensor(graph->outputs()->Get(index));
}

bool runtime_invoke(runtime_step_hook after_step) {
  profiler->Observe(after_step);
  const bool done = interpreter->Invoke() == kTfLiteOk;
  /* A library built with TF_LITE_STRIP_ERROR_STRINGS opens no events: its steps cannot be told. */
  return done && (after_step == nullptr || profiler->steps() == runtime_step_count());
}

uint32_t runtime_step_count(void) { return graph->operators()->size(); }

uint32_t runtime_step_output_count(uint32_t step) { return StepOutputs(step)->size(); }

runtime_tensor runtime_step_output(uint32_t step, uint32_t index) {
  return interpreter->Tensor(StepOutputs(step)->Get(index));
}

size_t runtime_arena_bytes(void) { return interpreter->arena_used_bytes(); }
