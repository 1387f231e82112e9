#pragma once
#include "tensorflow/lite/micro/kernels/registration.h"

namespace tflite {
Registration Register_SOFTMAX();
Registration Register_SOFTMAX_INT8();
}  // namespace tflite
