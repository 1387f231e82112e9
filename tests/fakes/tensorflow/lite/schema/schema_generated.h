#pragma once
#include <cstdint>

namespace flatbuffers {
template <typename T>
struct ReturnOf {
  using type = const T *;
};
template <>
struct ReturnOf<int32_t> {
  using type = int32_t;
};
template <typename T>
struct Offset;
template <typename T>
struct ReturnOf<Offset<T>> {
  using type = const T *;
};
template <typename T>
class Vector {
 public:
  uint32_t size() const;
  typename ReturnOf<T>::type Get(uint32_t index) const;
};
}  // namespace flatbuffers

namespace tflite {
struct Operator {
  const flatbuffers::Vector<int32_t> *outputs() const;
};
struct SubGraph {
  const flatbuffers::Vector<int32_t> *inputs() const;
  const flatbuffers::Vector<int32_t> *outputs() const;
  const flatbuffers::Vector<flatbuffers::Offset<Operator>> *operators() const;
};
struct Model {
  const flatbuffers::Vector<flatbuffers::Offset<SubGraph>> *subgraphs() const;
};
const Model *GetModel(const void *buffer);
}  // namespace tflite
