#pragma once
#include "tensorflow/lite/c/common.h"

namespace tflite {
TfLiteStatus TfLiteEvalTensorByteLength(const TfLiteEvalTensor *eval_tensor, size_t *out_bytes);
}
