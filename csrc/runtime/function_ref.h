// A reference to something that can be called, which allocates nothing.
#pragma once

#include <type_traits>

namespace trtmtcnn {

class FunctionRef {
 public:
  template <typename Body>
  FunctionRef(Body& body)  // NOLINT: implicit, so that a lambda can be passed
      : body_(const_cast<void*>(static_cast<const void*>(&body))),
        call_([](void* b) { (*static_cast<std::remove_reference_t<Body>*>(b))(); }) {}

  void operator()() const { call_(body_); }

 private:
  void* body_;
  void (*call_)(void*);
};

}  // namespace trtmtcnn
