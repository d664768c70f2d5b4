#include "nets/onnx.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace trtmtcnn::onnx {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

struct Malformed : std::runtime_error {
  Malformed() : std::runtime_error("malformed") {}
};

// The wire format: https://protobuf.dev/programming-guides/encoding
class Message {
 public:
  explicit Message(std::string_view bytes) : bytes_(bytes) {}

  struct Field {
    int number = 0;
    int wire_type = 0;
    uint64_t integer = 0;    // wire types 0, 1 and 5
    std::string_view bytes;  // wire type 2

    std::string text() const { return std::string(expect_bytes()); }
    int64_t number_value() const {
      if (wire_type != 0) throw Malformed();
      return static_cast<int64_t>(integer);
    }
    std::string_view expect_bytes() const {
      if (wire_type != 2) throw Malformed();
      return bytes;
    }
  };

  bool next(Field& field) {
    if (bytes_.empty()) return false;
    const uint64_t key = varint();
    field.number = static_cast<int>(key >> 3);
    field.wire_type = static_cast<int>(key & 7);
    switch (field.wire_type) {
      case 0: field.integer = varint(); break;
      case 1: field.integer = fixed(8); break;
      case 2: field.bytes = take(varint()); break;
      case 5: field.integer = fixed(4); break;
      default: throw Malformed();
    }
    return true;
  }

  bool done() const { return bytes_.empty(); }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw Malformed();
  }

 private:
  std::string_view take(uint64_t n) {
    if (n > bytes_.size()) throw Malformed();
    const std::string_view taken = bytes_.substr(0, n);
    bytes_.remove_prefix(n);
    return taken;
  }

  uint64_t fixed(size_t n) {
    uint64_t value = 0;
    std::memcpy(&value, take(n).data(), n);
    return value;
  }

  std::string_view bytes_;
};

// A repeated integer is one field each, or packed into one.
void append(std::vector<int64_t>& values, const Message::Field& field) {
  if (field.wire_type == 0) {
    values.push_back(field.number_value());
    return;
  }
  Message packed(field.expect_bytes());
  while (!packed.done()) values.push_back(static_cast<int64_t>(packed.varint()));
}

void append(std::vector<float>& values, std::string_view bytes) {
  if (bytes.size() % sizeof(float) != 0) throw Malformed();
  if (bytes.empty()) return;  // memcpy() takes no null
  const size_t before = values.size();
  values.resize(before + bytes.size() / sizeof(float));
  std::memcpy(values.data() + before, bytes.data(), bytes.size());
}

constexpr int kFloat = 1;  // TensorProto.DataType

// Nodes, arrays, names and attributes of a graph. The largest of the three networks has 140; an empty one takes two
// bytes of a file, and a hundred of memory.
class Items {
 public:
  void add() {
    if (++count_ > kMost) throw Malformed();
  }

 private:
  static constexpr int kMost = 10'000;
  int count_ = 0;
};

void read_tensor(std::string_view bytes, Graph& graph) {
  Tensor tensor;
  std::string name;
  int64_t type = 0;
  Message message(bytes);
  for (Message::Field f; message.next(f);) {
    switch (f.number) {
      case 1: append(tensor.dims, f); break;
      case 2: type = f.number_value(); break;
      case 4:
        if (f.wire_type == 5)
          tensor.values.push_back(std::bit_cast<float>(static_cast<uint32_t>(f.integer)));
        else
          append(tensor.values, f.expect_bytes());
        break;
      case 8: name = f.text(); break;
      case 9: append(tensor.values, f.expect_bytes()); break;
      case 13:
      case 14: throw Malformed();  // the data lie in another file
      default: break;
    }
  }
  size_t volume = 1;
  for (const int64_t d : tensor.dims) {
    if (d < 1 || d > static_cast<int64_t>(bytes.size())) throw Malformed();
    volume *= static_cast<size_t>(d);
    if (volume > bytes.size()) throw Malformed();
  }
  if (type != kFloat || volume != tensor.values.size()) throw Malformed();
  graph.initializers.emplace(std::move(name), std::move(tensor));
}

void read_attribute(std::string_view bytes, Node& node) {
  Attribute attribute;
  std::string name;
  Message message(bytes);
  for (Message::Field f; message.next(f);) {
    switch (f.number) {
      case 1: name = f.text(); break;
      case 3: attribute.i = f.number_value(); break;
      case 4: attribute.s = f.text(); break;
      case 8: append(attribute.ints, f); break;
      default: break;
    }
  }
  node.attributes.emplace(std::move(name), std::move(attribute));
}

Node read_node(std::string_view bytes, Items& items) {
  Node node;
  Message message(bytes);
  for (Message::Field f; message.next(f);) {
    items.add();
    switch (f.number) {
      case 1: node.inputs.push_back(f.text()); break;
      case 2: node.outputs.push_back(f.text()); break;
      case 4: node.op_type = f.text(); break;
      case 5: read_attribute(f.expect_bytes(), node); break;
      case 7: node.domain = f.text(); break;
      default: break;
    }
  }
  return node;
}

std::string read_name(std::string_view bytes) {
  std::string name;
  Message message(bytes);
  for (Message::Field f; message.next(f);)
    if (f.number == 1) name = f.text();
  return name;
}

void read_graph(std::string_view bytes, Graph& graph, Items& items) {
  Message message(bytes);
  for (Message::Field f; message.next(f);) {
    items.add();
    switch (f.number) {
      case 1: graph.nodes.push_back(read_node(f.expect_bytes(), items)); break;
      case 5: read_tensor(f.expect_bytes(), graph); break;
      case 11: graph.inputs.push_back(read_name(f.expect_bytes())); break;
      case 12: graph.outputs.push_back(read_name(f.expect_bytes())); break;
      case 15: throw Malformed();  // sparse tensors
      default: break;
    }
  }
  std::erase_if(graph.inputs, [&](const std::string& name) { return graph.initializers.contains(name); });
}

}  // namespace

std::optional<Graph> read(std::span<const char> bytes) {
  Graph graph;
  Items items;
  bool found = false;
  try {
    Message message({bytes.data(), bytes.size()});
    for (Message::Field f; message.next(f);) {
      if (f.number != 7) continue;  // ModelProto.graph
      read_graph(f.expect_bytes(), graph, items);
      found = true;
    }
  } catch (const Malformed&) {
    return std::nullopt;
  }
  return found ? std::optional(std::move(graph)) : std::nullopt;
}

}  // namespace trtmtcnn::onnx
