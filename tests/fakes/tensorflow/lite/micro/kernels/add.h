#pragma once
#include "tensorflow/lite/micro/kernels/registration.h"

namespace tflite {
Registration Register_ADD();
Registration Register_ADD_INT8();
}  // namespace tflite
