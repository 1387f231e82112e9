#pragma once

namespace tflite {
// TfLiteRegistration in the releases of 2023, TFLMRegistration today: our sources name neither.
struct Registration {};
}  // namespace tflite
