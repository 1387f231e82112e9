#pragma once
#include "tensorflow/lite/micro/kernels/registration.h"

namespace tflite {
Registration Register_AVERAGE_POOL_2D();
Registration Register_AVERAGE_POOL_2D_INT8();
Registration Register_MAX_POOL_2D();
Registration Register_MAX_POOL_2D_INT8();
}  // namespace tflite
