#pragma once
#include "tensorflow/lite/micro/kernels/registration.h"

namespace tflite {
Registration Register_CONV_2D();
Registration Register_CONV_2D_INT8();
}  // namespace tflite
