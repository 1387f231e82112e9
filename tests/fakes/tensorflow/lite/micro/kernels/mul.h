#pragma once
#include "tensorflow/lite/micro/kernels/registration.h"

namespace tflite {
Registration Register_MUL();
Registration Register_MUL_INT8();
}  // namespace tflite
