#pragma once
#include "tensorflow/lite/micro/kernels/registration.h"

namespace tflite {
Registration Register_DEPTHWISE_CONV_2D();
Registration Register_DEPTHWISE_CONV_2D_INT8();
}  // namespace tflite
