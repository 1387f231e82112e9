#pragma once
#include "tensorflow/lite/micro/kernels/registration.h"

namespace tflite {
Registration Register_FULLY_CONNECTED();
Registration Register_FULLY_CONNECTED_INT8();
}  // namespace tflite
