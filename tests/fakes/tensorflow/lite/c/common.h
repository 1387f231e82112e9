// What our sources use of TFLM, declared and no more: see docs/decisions/0005-declared-libraries.md.
#pragma once
#include <cstddef>
#include <cstdint>

enum TfLiteStatus { kTfLiteOk, kTfLiteError };

union TfLitePtrUnion {
  void *data;
};

struct TfLiteEvalTensor {
  TfLitePtrUnion data;
};

struct TfLiteContext {
  TfLiteEvalTensor *(*GetEvalTensor)(const TfLiteContext *context, int tensor_idx);
};
